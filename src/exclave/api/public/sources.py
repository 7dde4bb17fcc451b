"""Upload an app's own directory, so that its modules need no git (our own, beside the contract)."""

import msgspec

from exclave.api.route import AnyRequest, Routes, bounded
from exclave.domain.apps import service as apps
from exclave.domain.artifacts import rules, service
from exclave.kit.context import Actor, Runtime

route = Routes("apps")


class SourceUploaded(msgspec.Struct):
    """What was stored: its digest goes as `archive` into a config's `public_git_vcs_config`."""

    digest: str
    size: int
    files: int


@route.post("/v1/apps/{app_id}/sources", transaction=False, limit=rules.SOURCE_LIMIT)
async def upload_source(runtime: Runtime, actor: Actor, request: AnyRequest, app_id: str) -> SourceUploaded:
    """Store a tar.gz of at most 64 MiB. Equal bytes are stored once."""
    async with runtime.request(actor) as ctx:
        await apps.get(ctx, app_id)
    stored = await service.receive_source(runtime.blobs, bounded(request, rules.SOURCE_LIMIT))
    async with runtime.request(actor) as ctx:
        await service.record_blob(ctx, stored.digest, stored.size, "source")
    return SourceUploaded(digest=stored.digest, size=stored.size, files=stored.files)
