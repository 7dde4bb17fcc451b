"""Log streams as people read and follow them (spec runner.md 1.9; the tail is ours)."""

from collections.abc import AsyncIterator, Sequence

import msgspec
from litestar.response import Stream

from exclave.api.route import AnyRequest, Reply, Routes
from exclave.domain.logs import service, shapes
from exclave.domain.logs.models import LogRecord
from exclave.kit import errors
from exclave.kit.context import Actor, Ctx, Runtime
from exclave.wire.public import runners as wire

route = Routes("runners")


@route.get("/v1/log-streams/{log_stream_id}")
async def get_log_stream(ctx: Ctx, log_stream_id: str) -> wire.LogStream:
    """Get a log stream."""
    return shapes.stream(await service.get(ctx, log_stream_id))


@route.get("/v1/log-streams/{log_stream_id}/logs")
async def get_logs(ctx: Ctx, request: AnyRequest, reply: Reply, log_stream_id: str, order: str = "asc") -> list[wire.OtelLogRecord]:
    """Read a page of records. `X-Nuon-API-Next` is the cursor of the next page, to be sent as `X-Nuon-API-Offset`; empty at the end."""
    cursor = _cursor(request.headers.get("x-nuon-api-offset", ""))
    page = await service.page(ctx, log_stream_id, after=cursor, newest_first=order.lower() == "desc")
    reply.headers |= {"X-Nuon-API-Next": str(page.next or ""), "Range-Units": "items", "count": str(page.total)}
    return [shapes.record(record) for record in page.records]


@route.get("/v1/log-streams/{log_stream_id}/logs/tail", transaction=False)
async def tail_logs(runtime: Runtime, actor: Actor, request: AnyRequest, log_stream_id: str, offset: str = "") -> Stream:
    """Follow a stream as server-sent events: `log` with a record, its id the cursor; `end` when the stream is closed.

    `Last-Event-ID` (or `offset`) resumes after a record.
    """
    after = _cursor(request.headers.get("last-event-id", "") or offset)
    async with runtime.request(actor) as ctx:
        await service.get(ctx, log_stream_id)  # what is not there is 404, before the stream begins
    return Stream(
        _events(runtime, actor, log_stream_id, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def _events(runtime: Runtime, actor: Actor, stream_id: str, after: int) -> AsyncIterator[bytes]:
    yield b": following\n\n"
    try:
        async for records in service.tail(runtime, actor, stream_id, after=after):
            yield _written(records) if records else b": nothing new\n\n"
    except errors.Unavailable:
        return  # this process stops: without `end`, the reader comes back with its last id
    yield b"event: end\ndata: {}\n\n"


def _written(records: Sequence[LogRecord]) -> bytes:
    return b"".join(b"id: %d\nevent: log\ndata: %s\n\n" % (record.seq, msgspec.json.encode(shapes.record(record))) for record in records)


def _cursor(text: str) -> int:
    if not text:
        return 0
    if not text.isdigit() or len(text) > 19:
        raise errors.Invalid(f"{text[:40]!r} is not a cursor: send back what X-Nuon-API-Next said")
    return min(int(text), 2**63 - 1)
