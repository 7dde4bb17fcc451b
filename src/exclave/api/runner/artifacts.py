"""Runners put artifacts, blob by blob and then the manifest, and fetch them by digest (our own)."""

import msgspec
from litestar.response import Stream

from exclave.api.route import AnyRequest, Routes, bounded
from exclave.domain.artifacts import rules, service
from exclave.kit.context import Actor, Ctx, Runtime

route = Routes("artifacts", audience="runner")


class BlobStored(msgspec.Struct):
    """What was stored."""

    digest: str
    size: int


@route.put("/v1/artifacts/blobs/{digest}", transaction=False, limit=rules.BLOB_LIMIT)
async def put_blob(runtime: Runtime, actor: Actor, request: AnyRequest, digest: str) -> BlobStored:
    """Store a layer or config; its bytes must have the digest of the path."""
    stored = await service.receive_blob(runtime.blobs, bounded(request, rules.BLOB_LIMIT), digest)
    async with runtime.request(actor) as ctx:
        await service.record_blob(ctx, stored.digest, stored.size, "layer")
    return BlobStored(digest=stored.digest, size=stored.size)


@route.put("/v1/artifacts/manifests", limit=rules.MANIFEST_LIMIT)
async def put_manifest(ctx: Ctx, raw: bytes) -> BlobStored:
    """Store an OCI image manifest whose blobs were put before."""
    stored = await service.put_manifest(ctx, raw)
    return BlobStored(digest=stored.digest, size=stored.size)


@route.get("/v1/artifacts/{digest}/archive", transaction=False)
async def get_archive(runtime: Runtime, actor: Actor, digest: str) -> Stream:
    """Stream a tar of an artifact's files: each layer under its title."""
    async with runtime.request(actor) as ctx:
        manifest = await service.manifest(ctx, digest)
    return Stream(service.archive(runtime.blobs, manifest), media_type="application/x-tar")
