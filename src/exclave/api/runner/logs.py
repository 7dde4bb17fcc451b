"""Log lines from runners: OTLP over HTTP, protobuf (spec runner.md 1.9)."""

from exclave.api.route import AnyRequest, MiB, Routes
from exclave.domain.jobs import logs
from exclave.kit.context import Ctx
from exclave.wire.base import Binary

route = Routes("log-streams", "runner")


@route.post("/v1/log-streams/{log_stream_id}/logs", status=201, limit=16 * MiB, accepts=Binary, accepts_media="application/x-protobuf")
async def write_logs(ctx: Ctx, request: AnyRequest, log_stream_id: str, raw: bytes) -> str:
    """Write an OTLP log export, identity or gzip. What was written before is dropped."""
    await logs.write(ctx, log_stream_id, raw, request.headers.get("content-encoding", "").lower())
    return "ok"
