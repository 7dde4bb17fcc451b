"""Fetch the files that a job works on: a packed artifact, an uploaded archive, or a repository."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from exclave.kit import archive, git, process
from exclave.runner.job import Job, JobFailed
from exclave.wire.plans.base import GitSource, Source


@dataclass(frozen=True)
class Fetched:
    """Where the files lie, where the named path below is, and which commit they are of (of a repository only)."""

    root: Path
    directory: Path
    commit: git.Commit | None = None


async def fetch(job: Job, source: Source | None, git_source: GitSource | None, into: Path) -> Fetched:
    """Fetch a source into a new directory; raises JobFailed when the plan names none."""
    if source is not None and source.artifact is not None:
        return await _unpacked(job, job.api.artifact, source.artifact.digest, into, source.path, "artifact")
    if source is not None and source.archive:
        return await _unpacked(job, job.api.source, source.archive, into, source.path, "source")
    chosen = (source.git if source is not None else None) or git_source
    if chosen is not None:
        return await _cloned(job, chosen, into)
    raise JobFailed("the plan names no source: neither an artifact, an uploaded archive, nor a repository", reason="plan-invalid")


async def _unpacked(job: Job, download: Callable[[str, Path], Awaitable[None]], digest: str, into: Path, path: str, what: str) -> Fetched:
    packed = job.directory / f"{what}.tar"
    if not job.workspace.archives.take(f"{what} {digest}", packed):
        await download(digest, packed)
        job.workspace.archives.keep(f"{what} {digest}", packed)
    contents = await asyncio.to_thread(archive.unpack, packed, into)
    os.unlink(packed)
    job.log.write(f"unpacked {what} {digest}: {contents.files} files, {contents.size} bytes")
    return Fetched(into, archive.below(into, path))


async def _cloned(job: Job, source: GitSource, into: Path) -> Fetched:
    address = git.address_of(source.url, local_roots=job.settings.local_sources)
    job.redact.add(address.authorization.removeprefix("Basic "), *git.passwords_in(source.url))
    job.log.write(f"fetching {source.ref or 'the default branch'} of {address.shown}")
    commit = await git.clone(source.url, source.ref, into, local_roots=job.settings.local_sources, on_line=lambda line: _show(job, line))
    job.log.write(f"commit {commit.sha} by {commit.author_name}: {commit.message.splitlines()[0] if commit.message else ''}")
    return Fetched(into, archive.below(into, source.path), commit)


def _show(job: Job, line: process.Line) -> None:
    job.log.write(f"git: {line.text}", cut=line.cut)
