"""The statements of an advance. Claim and read are two statements on purpose: the second one's snapshot is younger than the lock,
so that no event between the two is lost and no step runs twice. What is written goes in one statement per table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from typing import cast as cast_

import msgspec
from sqlalchemy import (
    ARRAY,
    JSON,
    DateTime,
    String,
    Table,
    Text,
    all_,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy import inspect as inspect_
from sqlalchemy.ext.asyncio import AsyncSession

from exclave.engine.models import Wakeup, Workflow, WorkflowStep
from exclave.engine.rules import GONE, SATISFYING
from exclave.kit.prepared import Prepared
from exclave.kit.session import OneFlush, written_elsewhere
from exclave.kit.time import now

_IDS = bindparam("ids", type_=ARRAY(String))

WINDOW = 5
"""How many pending steps of a workflow are read, in canonical order. Whoever a step waits for comes before it, so what is read is
closed; when the window is full, `rules` is told that there may be more."""


W, S, K = cast_(Table, Workflow.__table__), cast_(Table, WorkflowStep.__table__), cast_(Table, Wakeup.__table__)
_decode = msgspec.json.decode


class _Reader:
    """Reads rows of one model without the ORM, and makes the objects that the ORM would: a fifth of the cost."""

    def __init__(self, model: type[Any]) -> None:
        self._manager = inspect_(model).class_manager
        mapped = [(attribute.key, attribute.columns[0]) for attribute in inspect_(model).column_attrs]
        self.keys = tuple(key for key, _ in mapped)
        self.names = tuple(column.name for _, column in mapped)
        self._documents = tuple(key for key, column in mapped if isinstance(column.type, JSON))

    def columns(self, of: Any) -> list[Any]:
        """What to select. JSON comes as text: it is decoded here, faster."""
        found = [(key, of.c[name]) for key, name in zip(self.keys, self.names, strict=True)]
        return [(cast(column, Text) if key in self._documents else column).label(key) for key, column in found]

    def made(self, row: Any) -> Any:
        made = self._manager.new_instance()
        values = made.__dict__
        values.update(zip(self.keys, row, strict=False))  # a claimed row carries the time too
        for key in self._documents:
            values[key] = _decode(values[key])
        return made


_WORKFLOW, _STEP = _Reader(Workflow), _Reader(WorkflowStep)
_MOMENT = cast(func.statement_timestamp(), DateTime(timezone=True)).label("moment")  # the database's clock decides what is due

_DUE: Prepared[Any] = Prepared(
    select(*_WORKFLOW.columns(W), _MOMENT)
    .select_from(K.join(W, W.c.id == K.c.workflow_id))
    .where(K.c.due <= func.statement_timestamp(), K.c.workflow_id != "")  # by index: clock_timestamp() would be asked for each timer
    .order_by(K.c.due)
    .limit(bindparam("limit"))
    .with_for_update(key_share=True, skip_locked=True, of=W)
)
_ONE: Prepared[Any] = Prepared(
    select(*_WORKFLOW.columns(W), _MOMENT).where(W.c.id == bindparam("id")).with_for_update(key_share=True, skip_locked=True, of=W)
)

_EATEN = delete(K).where(K.c.workflow_id == any_(_IDS)).returning(K.c.id).cte("eaten")
_Q = func.unnest(_IDS).table_valued("id", name="q").render_derived()
_ORDER = (S.c.group_idx, S.c.group_retry_idx, S.c.idx, S.c.created_at)
# One walk along the index for each workflow: the planner would rather read the whole table while it is small.
_OF_ONE = (
    select(S, func.sum(case((S.c.state == "pending", 1), else_=0)).over(order_by=_ORDER).label("pending"))
    .where(S.c.install_workflow_id == _Q.c.id, or_(S.c.state != all_(literal(sorted(GONE), ARRAY(String))), S.c.settling != ""))
    .lateral("s")
)
_LIVE: Prepared[Any] = Prepared(
    select(*_STEP.columns(_OF_ONE))
    .select_from(_Q.join(_OF_ONE, or_(_OF_ONE.c.state != "pending", _OF_ONE.c.pending <= WINDOW, _OF_ONE.c.settling != "")))
    .add_cte(_EATEN)
)
_ALL: Prepared[Any] = Prepared(select(*_STEP.columns(S)).where(S.c.install_workflow_id == bindparam("id")))


async def claim(db: AsyncSession, limit: int, only: str = "") -> tuple[list[Workflow], datetime]:
    """Lock workflows that are due and nobody else advances, or `only` one. The lock is the lease: it ends with the transaction
    or the connection. Returned with the database's time."""
    found = await _ONE.records(db, id=only) if only else await _DUE.records(db, limit=limit)
    seen: dict[str, Any] = {row["id"]: row for row in found}  # a workflow comes once for each of its wake-ups
    return [_WORKFLOW.made(row) for row in seen.values()], found[-1]["moment"] if found else now()


async def eat_and_read(db: AsyncSession, ids: Sequence[str]) -> dict[str, list[WorkflowStep]]:
    """Eat the wake-ups of locked workflows and read their steps in one snapshot: an event is seen if and only if its wake-up is eaten."""
    steps: dict[str, list[WorkflowStep]] = {workflow_id: [] for workflow_id in ids}
    for row in await _LIVE.records(db, ids=list(ids)):
        steps[row["install_workflow_id"]].append(_STEP.made(row))
    return steps


async def read_all(db: AsyncSession, workflow_id: str) -> list[WorkflowStep]:
    return [_STEP.made(row) for row in await _ALL.records(db, id=workflow_id)]


# Is there a pending step of a workflow outside of those read whose predecessors have all ended, as rows say or `ended` (of this advance)?
_BEYOND = """exists (
    select 1 from install_workflow_steps s
    where s.install_workflow_id = {id} and s.state = 'pending' and s.id <> all(cast(:known as text[])) and not exists (
        select 1 from jsonb_array_elements_text(s.after) as a(id) join install_workflow_steps p on p.id = a.id
        where p.state <> all(cast(:satisfying as text[])) and p.id <> all(cast(:ended as text[]))))"""
_MAY_RUN_BEYOND: Prepared[bool] = Prepared(text(f"select {_BEYOND.format(id=':id')}"))


async def may_run_beyond(db: AsyncSession, workflow_id: str, known: Sequence[str]) -> bool:
    """Could a step run that the window left out? Most often none could, and then the rest of the workflow is not read."""
    found = await _MAY_RUN_BEYOND.records(db, id=workflow_id, known=list(known), satisfying=sorted(SATISFYING), ended=[])
    return bool(found[0][0])


def attach(db: AsyncSession, *objects: Any) -> None:
    """Make rows read here known to the session, so that a handler that looks for them finds these objects."""
    session, elsewhere = cast_(OneFlush, db.sync_session), written_elsewhere(db)
    for row in objects:
        key = (type(row), (row.id,), None)
        known = session.identity_map.get(key)
        if known is row:
            continue
        if known is not None:  # a handler of a sibling has read it
            session.release(known)
        session.adopt(row, key)
        elsewhere.add(row)


def detach(db: AsyncSession, *objects: Any) -> None:
    """Take the rows back from the session: they are written by `write`."""
    session, elsewhere = cast_(OneFlush, db.sync_session), written_elsewhere(db)
    for row in objects:
        if row in session:
            session.release(row)
        elsewhere.discard(row)


# Workflows of one serial key start one after another. The lock comes first, the look in a statement of its own after it.
_TURN_LOCK: Prepared[Any] = Prepared(
    text("""
select k.key from unnest(cast(:keys as text[])) as k(key) where pg_try_advisory_xact_lock(hashtextextended('workflow:' || k.key, 0))
""")
)
_TURN: Prepared[Any] = Prepared(
    text("""
select w.id from install_workflows w where w.id = any(cast(:ids as text[])) and not exists (
    select 1 from install_workflows o where o.serial_key = w.serial_key and o.state <> 'finished' and o.id <> w.id
    and (o.state = 'running' or (o.created_at, o.id) < (w.created_at, w.id)))
""")
)
_BATON: Prepared[Any] = Prepared(
    text("""
insert into wakeup (workflow_id)
select o.id from unnest(cast(:keys as text[])) as k(key) cross join lateral (
    select id from install_workflows where serial_key = k.key and state <> 'finished' order by created_at, id limit 1) o
""")
)


async def turns(db: AsyncSession, pending: Sequence[Workflow]) -> tuple[set[str], set[str]]:
    """Return the ids that may start now, and those that must look again since another process decides over the same key."""
    keys = sorted({workflow.serial_key for workflow in pending})
    locked = {row["key"] for row in await _TURN_LOCK.records(db, keys=keys)}
    mine = [workflow.id for workflow in pending if workflow.serial_key in locked]
    free = {row["id"] for row in await _TURN.records(db, ids=mine)} if mine else set()
    return free, {workflow.id for workflow in pending} - set(mine)


async def pass_on(db: AsyncSession, keys: Sequence[str]) -> None:
    """Wake the oldest unfinished workflow of each key."""
    await _BATON.send(db, keys=sorted(set(keys)))


_STEP_WRITTEN = (
    ("state", "text"), ("status", "jsonb"), ("started_at", "timestamptz"), ("finished_at", "timestamptz"), ("step_target_id", "text"),
    ("step_target_type", "text"), ("waits_for", "text"), ("wake_at", "timestamptz"), ("attempt", "int"), ("raised", "int"),
    ("settling", "text"), ("error", "text"),
)  # fmt: skip
_STEP_SELDOM = (("metadata", "jsonb"), ("args", "jsonb"), ("after", "jsonb"), ("needs", "jsonb"), ("group_retry_idx", "int"))
_TARGET = (("step_target_id", "text"), ("step_target_type", "text"))
_SELDOM = frozenset({"step_metadata", "args", "after", "needs", "group_retry_idx"})
_WORKFLOW_WRITTEN = (
    ("state", "text"), ("status", "jsonb"), ("started_at", "timestamptz"), ("finished_at", "timestamptz"), ("attempts", "int"),
)  # fmt: skip


def _update(table: str, written: Sequence[tuple[str, str]], tag: str) -> str:
    # Arrays of JSON go over as text: one encoding on our side, one cast on the server's.
    arrays = ", ".join(f"cast(:{tag}_{name} as {'text' if kind == 'jsonb' else kind}[])" for name, kind in written)
    sets = ", ".join(f'"{name}" = q."{name}"::{kind}' for name, kind in written)
    names = ", ".join(f'"{name}"' for name, _ in written)
    return (
        f"update {table} t set {sets}, updated_at = clock_timestamp() "  # noqa: S608 - names of columns, no values
        f"from unnest(cast(:{tag}_id as text[]), {arrays}) as q(id, {names}) where t.id = q.id"
    )


_WRITE: Prepared[Any] = Prepared(
    text(
        f"with s as ({_update('install_workflow_steps', _STEP_WRITTEN, 's')}), "  # noqa: S608 - names of columns, no values
        f"w as ({_update('install_workflows', _WORKFLOW_WRITTEN, 'w')}), "
        "k as (insert into wakeup (workflow_id, due) select q.id, coalesce(q.due, clock_timestamp()) "
        "from unnest(cast(:k_id as text[]), cast(:k_due as timestamptz[])) as q(id, due)), "
        "b as (insert into wakeup (workflow_id) select q.id from unnest(cast(:beyond as text[])) as q(id) "
        f"where {_BEYOND.format(id='q.id')} returning 1) "
        "select (select extract(epoch from min(due) - clock_timestamp()) from wakeup where due > :moment and workflow_id <> '') as later, "
        "exists(select from wakeup where due <= :moment and workflow_id <> '') as left, exists(select from b) as beyond"
    )
)
_WRITE_TARGETS: Prepared[Any] = Prepared(text(_update("install_workflow_steps", _TARGET, "s")))
_WRITE_SELDOM: Prepared[Any] = Prepared(text(_update("install_workflow_steps", _STEP_SELDOM, "s")))
_ATTRIBUTE = {"metadata": "step_metadata"}
_encode = msgspec.json.encode


def _columns(written: Sequence[tuple[str, str]], changed: Sequence[Any], tag: str) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {f"{tag}_id": [row.id for row in changed]}
    for name, kind in written:
        attribute = _ATTRIBUTE.get(name, name)
        column = [getattr(row, attribute) for row in changed]
        values[f"{tag}_{name}"] = [_encode(value).decode() for value in column] if kind == "jsonb" else column
    return values


async def aim(db: AsyncSession, steps: Sequence[WorkflowStep]) -> None:
    """Write the targets of steps ahead of the rest."""
    await _WRITE_TARGETS.send(db, **_columns(_TARGET, steps, "s"))


@dataclass(frozen=True)
class Ahead:
    """What is there to do after an advance."""

    at_once: bool  # something that this advance wrote is due
    left: bool  # something was due beside what was claimed: there is more, or another process has it
    later: float | None  # seconds until the next timer

    @classmethod
    def after(cls, moment: datetime, wakeups: Sequence[tuple[str, datetime | None]], row: Any) -> "Ahead":
        timers = [(due - moment).total_seconds() for _, due in wakeups if due is not None]
        timers += [] if row["later"] is None else [float(row["later"])]
        later = min(timers, default=None)
        at_once = row["beyond"] or any(due is None for _, due in wakeups) or (later is not None and later <= 0)
        return cls(at_once, row["left"], later)


@dataclass
class Written:
    """What an advance changed: rows, wake-ups (one without a time is due at once), and the workflows that are to be looked at again
    if a step may run that was not among those read."""

    steps: dict[str, WorkflowStep] = field(default_factory=dict)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    wakeups: list[tuple[str, datetime | None]] = field(default_factory=list)
    beyond: dict[str, list[str]] = field(default_factory=dict)  # ids of the steps that were read
    ended: list[str] = field(default_factory=list)  # ids of steps of those workflows


async def write(db: AsyncSession, written: Written, moment: datetime) -> Ahead:
    """Write it with what the session has yet to write, and say what is ahead of what was due at `moment`."""
    steps = list(written.steps.values())
    seldom = [step for step in steps if not _SELDOM.isdisjoint(inspect_(step).committed_state)]
    if seldom:
        await _WRITE_SELDOM.run(db, **_columns(_STEP_SELDOM, seldom, "s"))
    woken = {"k_id": [one for one, _ in written.wakeups], "k_due": [due for _, due in written.wakeups]}
    look = {
        "beyond": list(written.beyond),
        "known": [step_id for known in written.beyond.values() for step_id in known],
        "ended": written.ended,
        "satisfying": sorted(SATISFYING) if written.beyond else [],
        "moment": moment,
    }
    values = {**_columns(_STEP_WRITTEN, steps, "s"), **_columns(_WORKFLOW_WRITTEN, list(written.workflows.values()), "w")}
    row = await _WRITE.with_flush(db, **values, **woken, **look)
    return Ahead.after(moment, written.wakeups, row)


_NEXT_DUE: Prepared[Any] = Prepared(
    text("select extract(epoch from min(due) - clock_timestamp()) as seconds from wakeup where workflow_id <> ''")
)


async def seconds_until_due(db: AsyncSession) -> float | None:
    """Return how long until the next wake-up is due; None when there is none."""
    found = (await _NEXT_DUE.records(db))[0]["seconds"]
    return None if found is None else float(found)
