"""The session of a transaction: SQLAlchemy's, but a flush is one statement, and what is hot runs on the driver itself.

Making statements is most of what a transaction costs this process: an insert of the ORM takes 0.37 ms of processor, a query by id 0.32,
a statement made once and run by the driver 0.06 (measured on 2 cores). So whatever a transaction has added and changed goes over as one
`with a as (insert …), b as (update …)` of arrays. The database checks foreign keys at the end of a statement, so that the order of
the tables does not matter.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import asyncpg
import msgspec
from sqlalchemy import ClauseElement, Column, Connection, Engine, types
from sqlalchemy import inspect as inspect_
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.orm.state import InstanceState
from sqlalchemy.util import IdentitySet, await_only


def encoded(value: object) -> str:
    """JSON as it is stored."""
    return msgspec.json.encode(value).decode()


def decoded(text: str) -> Any:
    """JSON as it was stored; numbers that no float holds are infinite."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


DIALECT = PGDialect_asyncpg(json_serializer=encoded)  # type: ignore[no-untyped-call]


class Begun(Protocol):
    """What a session is told of the transaction that it is in (`kit.transaction`)."""

    driver: asyncpg.Connection
    once: bool  # it has one statement, which `only` runs
    waiting: bytes  # what goes over with the next statement

    @property
    def connection(self) -> Connection: ...

    async def only(self, statement: str, values: Sequence[Any]) -> list[asyncpg.Record]: ...

    async def send(self, statement: str, values: Sequence[Any]) -> None: ...

    def go_over(self) -> None: ...


class OneFlush(Session):
    """A session whose flush is one statement. What this does not know (deletions, SQL expressions, odd keys) is left to the ORM."""

    begun: Begun | None = None

    def get_bind(self, *args: Any, **named: Any) -> Engine | Connection:
        if self.begun is None:
            return super().get_bind(*args, **named)
        if self.begun.once:
            raise RuntimeError("a transaction of one statement is none for the ORM")
        return self.begun.connection

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        writes = _writes(self) if objects is None and not self.deleted else None
        if writes is None:
            super().flush(objects)
            return
        if writes:
            await_only(self._written(self._driver(), writes))
        self._clean()

    async def _written(
        self, driver: asyncpg.Connection, writes: "Sequence[_Write]", beside: str = "", values: Sequence[Any] = ()
    ) -> asyncpg.Record:
        """Write rows, together with the statement `beside`; return its row."""
        if self.begun is not None and self.begun.once:
            raise RuntimeError("a transaction of one statement has no rows to write")
        shapes = tuple((write.shape, len(write.states) == 1) for write in writes)
        given = [column[0] if alone else column for write, (_, alone) in zip(writes, shapes, strict=True) for column in write.values]
        (row,) = await fetch(driver, _statement(shapes, beside, len(values)), [*values, *given], begun=self.begun)
        for position, write in enumerate(writes):
            if row[f"w{position}"] != len(write.states):
                raise StaleDataError(f"{len(write.states)} rows of {write.shape.table.name} were to be written, {row[f'w{position}']} were")
        return row

    def _clean(self) -> None:
        """As after a flush of the ORM: what was new is persistent, what was changed is clean."""
        if self.in_transaction():  # a savepoint may take it back
            self._register_persistent({instance_state(row) for row in (*self.new, *_dirty(self))})
            return
        changed = [instance_state(row) for row in _dirty(self)]
        for state, row in self._new.items():
            state.key = (type(row), (state.dict["id"],), None)
            self.identity_map.replace(state)
            changed.append(state)
        InstanceState._commit_all_states([(state, state.dict) for state in changed], self.identity_map)
        self._new.clear()

    def add(self, row: object, *, _warn: bool = True) -> None:
        """Write it with the next flush."""
        state = instance_state(row)
        if state.key is not None or state.session_id:
            super().add(row, _warn=_warn)
            return
        state.session_id, state.insert_order = self.hash_key, len(self._new)
        self._new[state] = row

    def adopt(self, row: Any, key: Any) -> None:
        """Know a row that was read and that the session does not know yet, as the ORM does with one that it loads."""
        state = instance_state(row)
        state.key, state.session_id = key, self.hash_key
        self.identity_map._add_unpresent(state, key)

    def release(self, row: Any) -> None:
        """Know it no longer."""
        self._expunge_states([instance_state(row)])

    def _driver(self) -> asyncpg.Connection:
        """The driver's connection; a transaction is begun on it."""
        known = known_driver(self)
        if known is not None:
            return known
        connection = self.connection()
        adapted: Any = connection.connection.dbapi_connection
        driver = cast(asyncpg.Connection, adapted.driver_connection)
        if not driver.is_in_transaction():
            try:
                await_only(adapted._start_transaction())  # as SQLAlchemy does with its first statement
            except Exception:
                connection.exec_driver_sql("select 1")  # fails too, and has SQLAlchemy give up the connections that are gone
        self.info["driver"] = (self.get_transaction(), driver)
        return driver


def known_driver(session: "OneFlush") -> asyncpg.Connection | None:
    """The driver's connection of the session's transaction, once it was asked for; in a savepoint, once that is set."""
    nested = session.get_nested_transaction()
    if nested is not None and not nested._connections:
        return None
    if session.begun is not None:
        return session.begun.driver
    transaction, driver = session.info.get("driver", (None, None))
    return driver if transaction is not None and transaction is session.get_transaction() else None


async def on_driver(
    db: AsyncSession, statement: str, values: Sequence[Any], *, reads: frozenset[str] | None = None
) -> list[asyncpg.Record]:
    """Run a statement in the session's transaction, after what the session has yet to write; `reads`: only if it is to these tables."""
    session = cast(OneFlush, db.sync_session)
    if not session._is_clean() and (reads is None or not reads.isdisjoint(row.__tablename__ for row in _pending(session))):
        await db.flush()
    if session.begun is not None and session.begun.once:
        return await session.begun.only(statement, values)
    driver = known_driver(session) or await db.run_sync(OneFlush._driver)  # type: ignore[arg-type]
    return await fetch(driver, statement, values, begun=session.begun)


async def sent_on_driver(db: AsyncSession, statement: str, values: Sequence[Any]) -> None:
    """Run a statement that returns no row as `on_driver` does, and do not wait: what goes wrong is told by the next, or by the commit."""
    session = cast(OneFlush, db.sync_session)
    if session.begun is None or session.in_nested_transaction():
        await on_driver(db, statement, values)
        return
    if not session._is_clean():
        await db.flush()
    try:
        await session.begun.send(statement, values)
    except DRIVERS as error:
        raise raised(statement, error) from error


async def flushed_with(db: AsyncSession, statement: str, values: Sequence[Any]) -> asyncpg.Record:
    """Write what the session has yet to write and run a statement, both as one; return its one row.

    The statement begins with `with` and ends with its select list; it does not see the rows that are written beside it.
    """
    session = cast(OneFlush, db.sync_session)
    driver = known_driver(session)
    writes = None if session.deleted or driver is None else _writes(session)
    if driver is None or not writes:
        return (await on_driver(db, statement, values))[0]
    row = await session._written(driver, writes, statement, values)
    session._clean()
    return row


def written_elsewhere(db: AsyncSession) -> IdentitySet:
    """Rows that the session knows and a flush leaves alone: whoever puts them here writes them."""
    found: IdentitySet = db.sync_session.info.setdefault("written elsewhere", IdentitySet())
    return found


def _dirty(session: Session) -> Iterator[Any]:
    elsewhere = session.info.get("written elsewhere", ())
    return (row for row in session.dirty if row not in elsewhere)


def _pending(session: Session) -> Iterator[Any]:
    yield from session.new
    yield from _dirty(session)
    yield from session.deleted


async def fetch(driver: asyncpg.Connection, statement: str, values: Sequence[Any], *, begun: Begun | None = None) -> list[asyncpg.Record]:
    """Run a statement, with the errors that SQLAlchemy would raise. What waits to go over in its transaction does, in the same trip."""
    try:
        if begun is not None and begun.waiting:
            await driver._get_statement(statement, None)  # a trip of its own where this connection does not know it yet
            begun.go_over()
        rows: list[asyncpg.Record] = await driver.fetch(statement, *values)
    except DRIVERS as error:
        raise raised(statement, error) from error
    return rows


# The last is what asyncpg says of a connection whose end it has only half heard of.
DRIVERS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncpg.InternalClientError)


def raised(statement: str, error: Exception) -> DBAPIError:
    """What SQLAlchemy would raise for an error of the driver."""
    match error:
        case asyncpg.IntegrityConstraintViolationError():
            return IntegrityError(statement, None, error, hide_parameters=True)
        case asyncpg.PostgresError():
            return DBAPIError(statement, None, error, hide_parameters=True)
    return InterfaceError(statement, None, error, hide_parameters=True, connection_invalidated=True)


@dataclass(frozen=True)
class _Shape:
    """Rows of one table that are inserted, or updated in the same columns."""

    table: Any
    columns: tuple[Column[Any], ...]
    update: bool

    @property
    def order(self) -> tuple[str, bool, list[str]]:
        return self.table.name, self.update, [column.name for column in self.columns]


@dataclass(frozen=True)
class _Write:
    shape: _Shape
    states: list[Any] = field(default_factory=list)
    values: list[list[Any]] = field(default_factory=list)  # of each column


class _Mapped:
    """What is known of a mapped class, once and for all."""

    def __init__(self, model: type[Any]) -> None:
        mapper = inspect_(model)
        self.table = mapper.local_table
        self.columns: dict[str, Column[Any]] = {attribute.key: attribute.columns[0] for attribute in mapper.column_attrs}
        self.processors = {key: column.type.dialect_impl(DIALECT).bind_processor(DIALECT) for key, column in self.columns.items()}
        self.renewed = {key: cast(Any, column.onupdate) for key, column in self.columns.items() if column.onupdate is not None}

        self.inserted = _Shape(self.table, tuple(self.columns.values()), update=False)
        self.defaults = [(key, cast(Any, column.default), self.processors[key]) for key, column in self.columns.items()]

    def new(self, values: dict[str, Any]) -> list[Any] | None:
        """The columns of a new row, with defaults for attributes that were never set; None where one is an expression."""
        columns = []
        for key, default, processor in self.defaults:
            if key in values:
                value = values[key]
                if isinstance(value, ClauseElement):
                    return None
            else:
                value = values[key] = None if default is None else default.arg(None) if default.is_callable else default.arg
                if default is None:
                    processor = None
            columns.append(value if processor is None else processor(value))
        return columns

    def processed(self, key: str, value: Any) -> Any:
        processor = self.processors[key]
        return value if processor is None else processor(value)


_mapped: dict[type[Any], _Mapped] = {}


def _mapped_as(model: type[Any]) -> _Mapped:
    if model not in _mapped:
        _mapped[model] = _Mapped(model)
    return _mapped[model]


def _writes(session: Session) -> list[_Write] | None:
    """What is to be written; None where only the ORM knows how."""
    groups: dict[_Shape, _Write] = {}
    for row in session.new:
        mapped, state = _mapped_as(type(row)), instance_state(row)
        if not isinstance(state.dict.get("id"), str):
            return None  # the database makes the key
        new = mapped.new(state.dict)
        if new is None:
            return None
        _gather(groups, mapped.inserted, state, new)
    for row in _dirty(session):
        mapped, state = _mapped_as(type(row)), instance_state(row)
        values, before = state.dict, state.committed_state
        changed = [key for key in before if key in mapped.columns and key in values and _differs(before[key], values[key])]
        if not changed:
            continue
        if "id" in changed or not isinstance(values.get("id"), str) or any(isinstance(values[key], ClauseElement) for key in changed):
            return None
        for key, renewed in mapped.renewed.items():
            if key not in changed:
                values[key] = renewed.arg(None) if renewed.is_callable else renewed.arg
                changed.append(key)
        keys = [key for key in mapped.columns if key == "id" or key in changed]
        shape = _Shape(mapped.table, tuple(mapped.columns[key] for key in keys), update=True)
        _gather(groups, shape, state, [mapped.processed(key, values[key]) for key in keys])
    # What was changed comes in any order: one for each set of shapes keeps statements few, which each connection has to learn.
    return sorted(groups.values(), key=lambda write: write.shape.order)


def _differs(before: Any, now: Any) -> bool:
    return before is not now and (type(before) is not type(now) or bool(before != now))


def _gather(groups: dict[_Shape, _Write], shape: _Shape, state: Any, values: list[Any]) -> None:
    write = groups.setdefault(shape, _Write(shape, [], [[] for _ in values]))
    write.states.append(state)
    for column, value in zip(write.values, values, strict=True):
        column.append(value)


_Shapes = tuple[tuple[_Shape, bool], ...]  # with whether it is one row: its values go over as they are, those of several as arrays
_statements: dict[tuple[_Shapes, str], str] = {}


def _statement(shapes: _Shapes, beside: str = "", number: int = 0) -> str:
    """One statement for all shapes, and for `beside` with its `number` parameters; it answers how many rows of each were written."""
    if (shapes, beside) not in _statements:
        parts = []
        for position, (shape, alone) in enumerate(shapes):
            parts.append(f"w{position} as ({_write_of(shape, alone, number)} returning 1)")
            number += len(shape.columns)
        counts = ", ".join(f"(select count(*) from w{position}) as w{position}" for position in range(len(shapes)))  # noqa: S608 - no values
        rest = f", {beside.removeprefix('with ')}, {counts}" if beside else f" select {counts}"
        _statements[shapes, beside] = f"with {', '.join(parts)}{rest}"
    return _statements[shapes, beside]


def _write_of(shape: _Shape, alone: bool, number: int) -> str:
    """Insert or update the rows of one shape, whose parameters follow after the first `number`."""
    table, many = shape.table.name, "" if alone else "[]"
    names = [f'"{column.name}"' for column in shape.columns]
    sent = [f"${place}::{_carried(column)}{many}" for place, column in enumerate(shape.columns, number + 1)]
    source = "" if alone else f" from unnest({', '.join(sent)}) as q({', '.join(names)})"
    values = [value if alone else f"q.{name}" for name, value in zip(names, sent, strict=True)]
    given = dict(zip(names, (f"{value}{_cast(column)}" for value, column in zip(values, shape.columns, strict=True)), strict=True))
    if not shape.update:
        return f'insert into "{table}" ({", ".join(names)}) select {", ".join(given.values())}{source}'
    row_id = given.pop('"id"')
    return f'update "{table}" t set {", ".join(f"{name} = {value}" for name, value in given.items())}{source} where t.id = {row_id}'  # noqa: S608 - the same


def _carried(column: Column[Any]) -> str:
    """The type that a column's values have on the way. Text is cast by the assignment only: a cast to varchar(26) would cut it."""
    if isinstance(column.type, types.String) or _cast(column):
        return "text"
    return str(column.type.compile(DIALECT))


def _cast(column: Column[Any]) -> str:
    kind = column.type.impl if isinstance(column.type, types.TypeDecorator) else column.type
    return f"::{kind.compile(DIALECT)}" if isinstance(kind, types.JSON) else ""
