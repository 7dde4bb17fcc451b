"""Take in sources and artifacts, remember whose they are, and give them back by digest."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from exclave.domain.artifacts import queries, rules
from exclave.domain.artifacts.models import Blob, OCIArtifact
from exclave.kit import errors
from exclave.kit.blobs import Blobs, BlobTooLarge
from exclave.kit.context import Ctx
from exclave.kit.db import Tenant, every, first
from exclave.kit.ids import new_id
from exclave.kit.time import now


@dataclass(frozen=True)
class Stored:
    """A blob that lies in the store; `files` counts what an archive holds."""

    digest: str
    size: int
    files: int = 0


async def receive_source(blobs: Blobs, stream: AsyncIterator[bytes]) -> Stored:
    """Store an uploaded tar.gz after looking at every entry. Outside any transaction: an upload may take long."""
    try:
        digest, size = await blobs.receive(stream, limit=rules.SOURCE_LIMIT)
    except BlobTooLarge as error:
        raise errors.TooLarge(f"the archive has more than {rules.SOURCE_LIMIT // rules.MiB} MiB: leave out what is no source") from error
    contents = await asyncio.to_thread(_read_archive, blobs, digest)
    return Stored(digest=digest, size=size, files=contents.files)


async def receive_blob(blobs: Blobs, stream: AsyncIterator[bytes], expected: str) -> Stored:
    """Store a layer or config whose digest the sender named; other bytes are refused."""
    try:
        digest, size = await blobs.receive(stream, limit=rules.BLOB_LIMIT)
    except BlobTooLarge as error:
        raise errors.TooLarge(f"a blob has at most {rules.BLOB_LIMIT // rules.MiB} MiB") from error
    if digest != expected:
        raise errors.Invalid(f"the bytes have the digest {digest}, not {expected}")
    return Stored(digest=digest, size=size)


async def record_blob(ctx: Ctx, digest: str, size: int, kind: str) -> None:
    """Give the actor's org the right to read a blob that it put there. Twice is once."""
    moment = now()
    await ctx.db.execute(
        insert(Blob)
        .values(
            id=new_id(Blob.prefix),
            org_id=ctx.org_id,
            created_by_id=ctx.actor.account_id,
            created_at=moment,
            updated_at=moment,
            deleted_at=0,
            digest=digest,
            size=size,
            kind=kind,
        )
        .on_conflict_do_nothing(index_elements=["org_id", "digest"])
    )


async def may_read(ctx: Ctx, digest: str) -> bool:
    """Did the actor's org put this blob there? Knowing a digest alone opens nothing."""
    return await first(ctx.db, queries.blobs(ctx.actor, [digest])) is not None


async def require(ctx: Ctx, digest: str) -> Blob:
    """Return the org's right to a blob, or 404."""
    blob: Blob | None = await first(ctx.db, queries.blobs(ctx.actor, [digest]))
    if blob is None or not ctx.runtime.blobs.has(digest):
        raise errors.NotFound(f"nothing with the digest {digest} was uploaded in this org")
    return blob


async def put_manifest(ctx: Ctx, data: bytes) -> Stored:
    """Store an OCI image manifest whose blobs are all there, and return its digest."""
    manifest = rules.manifest_of(data)
    needed = set(rules.blobs_of(manifest))
    known = {blob.digest for blob in await every(ctx.db, queries.blobs(ctx.actor, sorted(needed)))}
    if needed - known:
        raise errors.Invalid(f"the manifest names blobs that were not uploaded: {', '.join(sorted(needed - known))}")
    digest = ctx.runtime.blobs.put(data)
    await record_blob(ctx, digest, len(data), "manifest")
    return Stored(digest=digest, size=len(data))


async def manifest(ctx: Ctx, digest: str) -> rules.Manifest:
    """Read back a manifest of the org."""
    await require(ctx, digest)
    return rules.manifest_of(ctx.runtime.blobs.get(digest))


async def facts_of(ctx: Ctx, digest: str) -> rules.Facts:
    """Return what a stored manifest says of its artifact."""
    blob = await require(ctx, digest)
    return rules.facts_of(await manifest(ctx, digest), blob.size)


async def put_artifact(
    ctx: Ctx, owner: Tenant, *, tag: str, repository: str, media_type: str, digest: str, size: int,
    annotations: dict[str, Any] | None = None, artifact_type: str = "",
) -> OCIArtifact:  # fmt: skip
    """Say which artifact an owner has: one per owner, so saying it again replaces it."""
    artifact = await artifact_of(ctx, owner.id)
    if artifact is None:
        artifact = OCIArtifact(org_id=owner.org_id, owner_id=owner.id, owner_type=owner.__tablename__, created_by_id=ctx.actor.account_id)
        ctx.db.add(artifact)
    artifact.tag, artifact.repository = tag, repository
    artifact.media_type, artifact.digest, artifact.size = media_type, digest, size
    artifact.annotations, artifact.artifact_type = dict(annotations or {}), artifact_type
    return artifact


def copy(ctx: Ctx, artifact: OCIArtifact, owner: Tenant, *, tag: str) -> OCIArtifact:
    """Say that an owner that has no artifact yet has this one."""
    copied = OCIArtifact(
        org_id=owner.org_id,
        created_by_id=ctx.actor.account_id,
        owner_id=owner.id,
        owner_type=owner.__tablename__,
        tag=tag,
        repository=artifact.repository,
        media_type=artifact.media_type,
        digest=artifact.digest,
        size=artifact.size,
        annotations=dict(artifact.annotations),
        artifact_type=artifact.artifact_type,
    )
    ctx.db.add(copied)
    return copied


async def artifact_of(ctx: Ctx, owner_id: str) -> OCIArtifact | None:
    """Return the artifact of a build or deploy, if it has one."""
    return await queries.OF_OWNER.first(ctx.db, owner=owner_id, org=ctx.org_id)


def archive(blobs: Blobs, manifest: rules.Manifest) -> Iterator[bytes]:
    """Yield a tar of a manifest's layers: each layer is the file that its title names."""
    for layer in manifest.layers:
        title = layer.annotations.get(rules.TITLE) or layer.digest.removeprefix("sha256:")
        info = tarfile.TarInfo(title)
        info.size, info.mode = blobs.size(layer.digest), 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        yield from blobs.chunks(layer.digest)
        yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _read_archive(blobs: Blobs, digest: str) -> rules.Contents:
    with io.BufferedReader(_Chunks(blobs.chunks(digest)), 1 << 20) as file:
        return rules.read_archive(file)


class _Chunks(io.RawIOBase):
    """A file over an iterator of chunks, so that an archive is never whole in memory."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
