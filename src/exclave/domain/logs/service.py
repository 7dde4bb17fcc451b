"""Log streams: open, write, read by pages, follow, close.

Writers of one stream take turns on its row, so that sequence numbers become visible in their order: who reads by
sequence number never misses a record that was committed late.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from exclave.domain.logs import queries
from exclave.domain.logs.models import LogRecord, LogStream
from exclave.domain.logs.otlp import Record
from exclave.kit import db, errors, time
from exclave.kit.context import Actor, Ctx, Runtime
from exclave.kit.db import Tenant

PAGE = 100  # records
TAIL_PAGE = 500
RE_POLL = 10.0  # seconds after which a tail looks again, should a hint be lost


@dataclass(frozen=True)
class LogPage:
    """Records, the cursor of the next page (0 when this was the last one for now), and how many the stream has."""

    records: Sequence[LogRecord]
    next: int
    total: int


async def open_stream(ctx: Ctx, owner: Tenant) -> LogStream:
    """Return the log stream of an owner; open it once."""
    known = await queries.OF_OWNER.first(ctx.db, org=owner.org_id, owner_type=owner.__tablename__, owner=owner.id)
    return known if known is not None else begin(ctx, owner)


def begin(ctx: Ctx, owner: Tenant) -> LogStream:
    """Open the log stream of an owner that has none: it was made a moment ago."""
    stream = LogStream(org_id=owner.org_id, created_by_id=ctx.actor.account_id, owner_id=owner.id, owner_type=owner.__tablename__)
    ctx.db.add(stream)
    return stream


async def get(ctx: Ctx, stream_id: str) -> LogStream:
    """Return a log stream, or raise `NotFound`."""
    stream: LogStream = await db.one(ctx.db, queries.by_id(ctx.actor, stream_id), or_raise=errors.NotFound(f"no log stream {stream_id}"))
    return stream


def close(ctx: Ctx, stream: LogStream) -> None:
    """Close a stream: nothing is written to it any more, and whoever follows it is told that it ended."""
    stream.open = False
    ctx.poke(f"log:{stream.id}")


async def close_of(ctx: Ctx, owner: Tenant) -> None:
    """Close the log stream of an owner; one that never had any has a closed one from now on."""
    names = {"org": owner.org_id, "owner_type": owner.__tablename__, "owner": owner.id}
    stream = await queries.CLOSE_OF.first(ctx.db, **names, moment=time.now())
    if stream is None:
        close(ctx, begin(ctx, owner))
    else:
        ctx.poke(f"log:{stream.id}")


async def append(ctx: Ctx, stream_id: str, records: Sequence[Record], *, late: bool = False) -> int:
    """Write records to an open stream and return how many were new: what it has already, by execution and number, is dropped.

    `late`: to a closed one, too. Raises `NotFound` for a stream of somebody else, `Conflict` for a closed one.
    """
    turn = await queries.TURN.records(ctx.db, stream=stream_id, org=ctx.org_id)
    if not turn:
        raise errors.NotFound(f"no log stream {stream_id}")
    if not turn[0]["open"] and not late:
        raise errors.Conflict(f"the log stream {stream_id} is closed")
    if not records:
        return 0
    given = {name: [getattr(each, name) for each in records] for name in queries.GIVEN}
    new = await queries.APPEND.records(ctx.db, org=turn[0]["org_id"], stream=stream_id, moment=time.now(), **given)
    ctx.poke(f"log:{stream_id}")
    return len(new)


async def page(ctx: Ctx, stream_id: str, *, after: int = 0, newest_first: bool = False, limit: int = PAGE) -> LogPage:
    """Read up to a page of records beyond the cursor. Cursors are sequence numbers; a time in Unix nanoseconds works, too."""
    await get(ctx, stream_id)
    found = await db.every(ctx.db, queries.records(ctx.actor, stream_id, after=after, newest_first=newest_first, limit=limit + 1))
    total = (await ctx.db.execute(queries.count(ctx.actor, stream_id))).scalar_one()
    records = found[:limit]
    return LogPage(records, records[-1].seq if len(found) > limit else 0, total)


async def tail(runtime: Runtime, actor: Actor, stream_id: str, *, after: int = 0) -> AsyncIterator[list[LogRecord]]:
    """Follow a stream from the cursor: batches of records as they come, until the stream is closed and read to its end.

    An empty batch says that nothing came for a while. No connection is held while waiting.
    """
    # Subscribe before reading: a batch stored between the two would otherwise be lost.
    async with runtime.bus.subscribe(f"log:{stream_id}") as hints:
        while True:
            async with runtime.request(actor) as ctx:
                # The flag first, the records after it: what was written before the stream was closed is among them.
                still_open = (await get(ctx, stream_id)).open
                batch = await db.every(ctx.db, queries.records(actor, stream_id, after=after, newest_first=False, limit=TAIL_PAGE))
            if batch:
                after = batch[-1].seq
                yield batch
                continue
            if not still_open:
                return
            if not await hints.wait(RE_POLL):
                yield []
