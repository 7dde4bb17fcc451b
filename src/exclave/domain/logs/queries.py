"""Every SELECT on logs, limited to what the actor may see."""

from sqlalchemy import Select, bindparam, func, select, update

from exclave.domain.logs import rules
from exclave.domain.logs.models import LogRecord, LogStream
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org


def visible_to(actor: Actor) -> Select[LogStream]:
    return select(LogStream).where(LogStream.org_id == actor.org_id, LogStream.deleted_at == 0)


def by_id(actor: Actor, stream_id: str) -> Select[LogStream]:
    return visible_to(actor).where(LogStream.id == stream_id)


_OWNED = (
    in_org(LogStream),
    LogStream.owner_type == bindparam("owner_type"),
    LogStream.owner_id == bindparam("owner"),
    LogStream.deleted_at == 0,
)
OF_OWNER: Prepared[LogStream] = Prepared(select(LogStream).where(*_OWNED))

CLOSE_OF: Prepared[LogStream] = Prepared(
    update(LogStream).where(*_OWNED).values(open=False, updated_at=bindparam("moment")).returning(LogStream),
    returns=(LogStream,),
    fresh=True,
)


def records(actor: Actor, stream_id: str, *, after: int, newest_first: bool, limit: int) -> Select[LogRecord]:
    """Records of a stream in the order of their sequence numbers, beyond the cursor."""
    found = select(LogRecord).where(LogRecord.org_id == actor.org_id, LogRecord.log_stream_id == stream_id)
    place = LogRecord.timestamp if rules.is_time(after) else LogRecord.seq
    if newest_first:
        found = found.order_by(LogRecord.seq.desc())
        return (found.where(place < after) if after else found).limit(limit)
    return found.where(place > after).order_by(LogRecord.seq).limit(limit)


def count(actor: Actor, stream_id: str) -> Select[int]:
    return select(func.count()).select_from(LogRecord).where(LogRecord.org_id == actor.org_id, LogRecord.log_stream_id == stream_id)
