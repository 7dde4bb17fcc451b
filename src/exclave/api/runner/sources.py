"""Runners fetch the sources that vendors uploaded (our own)."""

from litestar.response import Stream

from exclave.api.route import Routes
from exclave.domain.artifacts import service
from exclave.kit.context import Actor, Runtime

route = Routes("artifacts", audience="runner")


@route.get("/v1/sources/{digest}", transaction=False)
async def get_source(runtime: Runtime, actor: Actor, digest: str) -> Stream:
    """Stream an uploaded tar.gz of the runner's own org."""
    async with runtime.request(actor) as ctx:
        blob = await service.require(ctx, digest)
    return Stream(runtime.blobs.chunks(digest), media_type="application/gzip", headers={"Content-Length": str(blob.size)})
