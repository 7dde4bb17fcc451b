"""Build a Terraform module: fetch its source, pack it as an OCI artifact of one layer a file, push it (spec runner.md 6)."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from exclave.client.http import Content, Refused
from exclave.client.runner import plan_as
from exclave.kit import archive
from exclave.runner.handlers import sources
from exclave.runner.job import Job, JobFailed, Outcome
from exclave.wire.plans.build import BuildPlan

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT_TYPE = "artifact/nuon"
LAYER_TYPE = "file/terraform"
TITLE = "org.opencontainers.image.title"
EXECUTABLE = "exclave.executable"  # our own: modes are not part of this layout, yet scripts beside a module must start

_CONFIG = b"{}"
_UPLOADS_AT_ONCE = 8
_CHUNK = 1 << 18
_LEFT_OUT_DIRECTORIES = frozenset({".git", ".terraform", ".hg", ".svn"})


@dataclass(frozen=True)
class Layer:
    """One file of the module."""

    title: str
    path: Path
    digest: str
    size: int
    executable: bool = False


async def build_terraform_module(job: Job) -> Outcome:
    """Pack and push a module; outputs say what was pushed, and of which commit."""
    plan: BuildPlan = plan_as(job.plan, BuildPlan)
    with job.step("fetch"):
        fetched = await sources.fetch(job, plan.source, plan.git_source, job.directory / "source")
    with job.step("pack"):
        layers = await asyncio.to_thread(_layers_of, fetched.directory)
        if not any(layer.title.endswith((".tf", ".tf.json", ".tofu")) for layer in layers):
            path = (plan.source.path if plan.source else "") or (plan.git_source.path if plan.git_source else "") or "."
            raise JobFailed(f"the source holds no Terraform file in {path!r}: check the component's directory", reason="source-empty")
        manifest = manifest_of(layers)
    with job.step("push"):
        digest = await _push(job, layers, manifest)
    size = sum(layer.size for layer in layers)
    job.log.write(f"pushed {len(layers)} files, {size} bytes, as {digest}")
    outputs: dict[str, object] = {
        "image": {
            "tag": plan.dst_tag,
            "media_type": MANIFEST_TYPE,
            "digest": digest,
            "size": len(manifest),
            "artifact_type": ARTIFACT_TYPE,
        },
        "files": [{"AbsPath": "", "RelPath": layer.title, "FileType": LAYER_TYPE} for layer in layers],
    }
    if fetched.commit is not None:
        commit = fetched.commit
        outputs["commit"] = {
            "sha": commit.sha,
            "author_name": commit.author_name,
            "author_email": commit.author_email,
            "message": commit.message,
        }
    return Outcome(outputs=outputs)


def manifest_of(layers: list[Layer]) -> bytes:
    """Return the OCI image manifest of a module; the same files give the same bytes."""
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": ARTIFACT_TYPE, "digest": _digest(_CONFIG), "size": len(_CONFIG)},
            "layers": [
                {"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size, "annotations": _annotations(layer)}
                for layer in layers
            ],
        }
    )


def _annotations(layer: Layer) -> dict[str, str]:
    return {TITLE: layer.title, **({EXECUTABLE: "true"} if layer.executable else {})}


def left_out(path: PurePosixPath) -> bool:
    """Tell what never belongs into a module: other tools' directories, and states, which hold secrets."""
    return path.name in _LEFT_OUT_DIRECTORIES or path.name.endswith((".tfstate", ".tfstate.backup"))


def _layers_of(directory: Path) -> list[Layer]:
    layers = []
    for path, real in archive.files_of(directory, leave_out=left_out):
        hasher = hashlib.sha256()
        size = 0
        with real.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
                size += len(chunk)
        layers.append(Layer(str(path), real, "sha256:" + hasher.hexdigest(), size, os.access(real, os.X_OK)))
    return layers


async def _push(job: Job, layers: list[Layer], manifest: bytes) -> str:
    turns = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def put(title: str, digest: str, content: Callable[[], Content], size: int) -> None:
        async with turns:
            job.lease.check()
            try:
                await job.api.put_blob(digest, content, size)
            except Refused as refused:
                if refused.status != 413:
                    raise
                raise JobFailed(f"{title} is too large for an artifact: {refused.said}", reason="source-too-large") from refused

    once = {layer.digest: layer for layer in layers}
    try:
        async with asyncio.TaskGroup() as uploads:
            uploads.create_task(put("the config", _digest(_CONFIG), lambda: _CONFIG, len(_CONFIG)))
            for layer in once.values():
                uploads.create_task(put(layer.title, layer.digest, _content_of(layer), layer.size))
    except BaseExceptionGroup as failed:  # the first ended the others, and is the reason
        raise failed.exceptions[0] from None
    digest = await job.api.put_manifest(manifest)
    if digest != _digest(manifest):
        raise JobFailed(f"the control plane stored the manifest as {digest}, sent was {_digest(manifest)}", reason="digest-mismatch")
    return digest


def _content_of(layer: Layer) -> Callable[[], Content]:
    if layer.size <= _CHUNK:
        return layer.path.read_bytes

    async def chunks() -> AsyncIterator[bytes]:
        with layer.path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                yield chunk

    return chunks


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
