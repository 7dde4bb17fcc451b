"""The session of a transaction: SQLAlchemy's, but a flush is one statement, and what is hot runs on the driver itself.

Making statements is most of what a transaction costs this process: an insert of the ORM takes 0.37 ms of processor, a query by id 0.32,
a statement made once and run by the driver 0.06 (measured on 2 cores). So whatever a transaction has added and changed goes over as one
`with a as (insert …), b as (update …)` of arrays. The database checks foreign keys at the end of a statement, so that the order of
the tables does not matter.
"""

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

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
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import IdentitySet, await_only, greenlet_spawn


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


class OneFlush(Session):
    """A session whose flush is one statement. What this does not know (deletions, SQL expressions, odd keys) is left to the ORM."""

    begun: "_Begun | None" = None  # inside `transaction`

    def get_bind(self, *args: Any, **named: Any) -> Engine | Connection:
        return super().get_bind(*args, **named) if self.begun is None else self.begun.connection

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
        shapes = tuple((write.shape, len(write.states) == 1) for write in writes)
        given = [column[0] if alone else column for write, (_, alone) in zip(writes, shapes, strict=True) for column in write.values]
        (row,) = await _fetch(driver, _statement(shapes, beside, len(values)), [*values, *given])
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


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


def _unsynced(statement: str) -> bytes:
    """A statement in the words of the wire: parse, bind, execute, with no statement or portal named, no parameters and all rows. There is
    no Sync, so the database answers together with the first statement after it, in whose answer the driver reads over this one."""
    return (
        _message(b"P", b"\0" + statement.encode() + b"\0" + bytes(2))
        + _message(b"B", b"\0\0" + bytes(6))
        + _message(b"E", b"\0" + bytes(4))
    )


_BEGIN = _unsynced("BEGIN")
_BEGIN_NOT_DURABLE = _BEGIN + _unsynced("SET LOCAL synchronous_commit TO off")


class _Begun:
    """A connection of the pool with a transaction that was begun without waiting. It is what the driver's adapter takes for one."""

    def __init__(self, engine: Engine, pooled: PoolProxiedConnection) -> None:
        self.engine, self.pooled = engine, pooled
        self.adapted: Any = pooled.dbapi_connection
        self.driver = cast(asyncpg.Connection, pooled.driver_connection)

    @functools.cached_property
    def connection(self) -> Connection:
        """The same as the ORM sees it, which finds a transaction there and begins none."""
        return Connection(self.engine, self.pooled)

    @property
    def known_to_the_orm(self) -> bool:
        return "connection" in self.__dict__

    def begin(self, *, durable: bool) -> None:
        """Begin with the first statement: a trip less in every transaction."""
        self.driver._transport.write(_BEGIN if durable else _BEGIN_NOT_DURABLE)
        self.adapted._transaction = self

    @property
    def open(self) -> bool:
        return self.adapted._transaction is not None

    async def commit(self) -> None:
        await self.driver.execute("COMMIT")

    async def rollback(self) -> None:
        await self.driver.execute("ROLLBACK")

    def give_back(self) -> None:
        """Roll back what was not committed, and return the connection to the pool. One that is gone, or whose end nobody waited for, is
        no use to anybody; nor are those that were made before one that is gone."""
        if self.pooled.is_valid and self.driver.is_closed():
            self.engine.pool._invalidate(self.pooled)
        elif self.pooled.is_valid and not self.open and self.driver.is_in_transaction():
            self.pooled.invalidate()
        if self.known_to_the_orm:
            self.connection.close()
        else:
            self.pooled.close()


@contextlib.asynccontextmanager
async def transaction(db: AsyncSession, *, durable: bool = True) -> AsyncIterator[None]:
    """The one transaction of a session, begun and committed on the driver: 0.1 ms of processor, SQLAlchemy takes 0.25.

    It begins with its first statement. What runs through the ORM joins it. Afterwards the session is closed. Where it is not `durable`,
    its commit waits for no disk: a crash of the database may undo it, with all that came after it and nothing that came before.
    """
    session = cast(OneFlush, db.sync_session)
    engine = cast(Engine, session.bind)
    begun = _Begun(engine, await _taken_from_the_pool(engine))
    try:
        if begun.driver.is_closed():
            # Fails, and has SQLAlchemy give up the connections that are gone.
            await greenlet_spawn(begun.connection.exec_driver_sql, "select 1")
        begun.begin(durable=durable)
        session.begun = begun
        yield
        if begun.known_to_the_orm:
            await greenlet_spawn(session.commit)  # writes what is left, and commits
        elif not session._is_clean():
            await greenlet_spawn(session.flush)
        if begun.open:
            try:
                await begun.adapted._call_and_discard(begun.commit)
            except _DRIVERS as error:
                raise _raised("commit", error) from error
    finally:
        session.begun = None
        if begun.open:  # a rollback must not be left halfway
            await asyncio.shield(asyncio.ensure_future(greenlet_spawn(_end, session, begun)))
        else:
            _end(session, begun)  # there is nothing to wait for, and a greenlet is not made for nothing


async def _taken_from_the_pool(engine: Engine) -> PoolProxiedConnection:
    """A connection of the pool; the error is the one of `Engine.connect` when the database takes none."""
    try:
        return cast(PoolProxiedConnection, await greenlet_spawn(engine.raw_connection))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, engine.dialect.loaded_dbapi.Error) as error:
        raise InterfaceError("connect", None, error, hide_parameters=True, connection_invalidated=True) from error


def _end(session: Session, begun: _Begun) -> None:
    try:
        if session.in_transaction() or session.identity_map or session.new:
            session.close()
    finally:
        begun.give_back()


async def on_driver(
    db: AsyncSession, statement: str, values: Sequence[Any], *, reads: frozenset[str] | None = None
) -> list[asyncpg.Record]:
    """Run a statement in the session's transaction, after what the session has yet to write; `reads`: only if it is to these tables."""
    session = cast(OneFlush, db.sync_session)
    if not session._is_clean() and (reads is None or not reads.isdisjoint(row.__tablename__ for row in _pending(session))):
        await db.flush()
    driver = known_driver(session) or await db.run_sync(OneFlush._driver)  # type: ignore[arg-type]
    return await _fetch(driver, statement, values)


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


async def _fetch(driver: asyncpg.Connection, statement: str, values: Sequence[Any]) -> list[asyncpg.Record]:
    """Fetch, with the errors that SQLAlchemy would raise."""
    try:
        rows: list[asyncpg.Record] = await driver.fetch(statement, *values)
    except _DRIVERS as error:
        raise _raised(statement, error) from error
    return rows


_DRIVERS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


def _raised(statement: str, error: Exception) -> DBAPIError:
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
    return list(groups.values())


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
