"""Every SELECT on logs, limited to what the actor may see."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    String,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.sql.dml import ReturningInsert

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


# Writers of one stream take turns on its row: the numbers of records are drawn after that.
TURN: Prepared[Any] = Prepared(
    select(LogStream.org_id, LogStream.open)
    .where(LogStream.id == bindparam("stream"), in_org(LogStream), LogStream.deleted_at == 0)
    .with_for_update(key_share=True)
)

# What a record of the wire brings, in arrays of all records: its fields and their columns.
_TEXTS: dict[str, Any] = {
    "execution_id": LogRecord.runner_job_execution_id,
    "severity_text": LogRecord.severity_text,
    "service_name": LogRecord.service_name,
    "body": LogRecord.body,
    "runner_id": LogRecord.runner_id,
    "job_id": LogRecord.runner_job_id,
    "step": LogRecord.runner_job_execution_step,
    "trace_id": LogRecord.trace_id,
    "span_id": LogRecord.span_id,
    "scope_name": LogRecord.scope_name,
    "resource_attributes": LogRecord.resource_attributes,
    "log_attributes": LogRecord.log_attributes,
}
_NUMBERS: dict[str, Any] = {
    "client_seq": LogRecord.client_seq,
    "timestamp": LogRecord.timestamp,
    "severity_number": LogRecord.severity_number,
}
GIVEN = (*_TEXTS, *_NUMBERS)
_CASTS: dict[str, Any] = {"severity_number": Integer, "resource_attributes": JSONB, "log_attributes": JSONB}


def _append() -> ReturningInsert[tuple[int]]:
    """Insert records in their order, but for those that the stream has; return the numbers of the new ones."""
    arrays = [bindparam(name, type_=ARRAY(BigInteger if name in _NUMBERS else Text)) for name in GIVEN]
    columns = (column(name, BigInteger if name in _NUMBERS else Text) for name in GIVEN)
    given = func.unnest(*arrays).table_valued(*columns, with_ordinality="place").render_derived(name="given")
    values: dict[str, ColumnElement[Any]] = {
        LogRecord.org_id.key: bindparam("org", type_=String),
        LogRecord.log_stream_id.key: bindparam("stream", type_=String),
        LogRecord.created_at.key: bindparam("moment", type_=DateTime(timezone=True)),
    }
    for name, attribute in {**_TEXTS, **_NUMBERS}.items():
        values[attribute.key] = cast(given.c[name], _CASTS[name]) if name in _CASTS else given.c[name]
    new = insert(LogRecord).from_select(list(values), select(*values.values()).order_by(given.c.place), include_defaults=False)
    once = [LogRecord.log_stream_id, LogRecord.runner_job_execution_id, LogRecord.client_seq]
    return new.on_conflict_do_nothing(index_elements=once).returning(LogRecord.seq)


APPEND: Prepared[int] = Prepared(_append())


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
