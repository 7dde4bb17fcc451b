"""The transaction of a session, begun and committed on the driver: 0.1 ms of processor, SQLAlchemy takes 0.25.

What nobody reads the answer of waits for none: BEGIN, a statement that tells the database who asks, what is `send`. They go over with
the next statement that does wait, or with the commit, and fail with that. A trip costs more than most statements: two processes fall
asleep and wake up. They do not go over sooner: PostgreSQL counts no time of a session that has not said Sync, so that the locks of a
process that is frozen then would be held until it goes on (`idle_in_transaction_session_timeout`, see `server.runtime`).
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import asyncpg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from exclave.kit import session as sessions


@dataclass(frozen=True)
class Opening:
    """A statement that runs before the first one of a transaction and goes over with it. It returns no row: nobody would read it."""

    statement: str
    values: tuple[str | bytes, ...]


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


# Statements in the words of the wire: bind and execute, with no portal named and all rows. There is no Sync, so the database answers
# together with the first statement after it, in whose answer the driver reads over this one.
_EXECUTE = _message(b"E", b"\0" + bytes(4))


def _unsynced(statement: str) -> bytes:
    """A statement without parameters, parsed under no name."""
    return _message(b"P", b"\0" + statement.encode() + b"\0" + bytes(2)) + _message(b"B", b"\0\0" + bytes(6)) + _EXECUTE


def _unsynced_prepared(name: str, values: Sequence[object]) -> bytes:
    """A statement that the connection knows by a name, with its parameters as text."""
    texts = [_as_text(value) for value in values]
    given = len(texts).to_bytes(2) + b"".join(_NULL if text is None else len(text).to_bytes(4) + text for text in texts)
    return _message(b"B", b"\0" + name.encode() + b"\0" + bytes(2) + given + bytes(2)) + _EXECUTE


_NULL = (-1).to_bytes(4, signed=True)


def _as_text(value: object) -> bytes | None:
    """A value as PostgreSQL reads it."""
    match value:
        case None:
            return None
        case str():
            return value.encode()
        case bytes():
            return b"\\x" + value.hex().encode()
        case datetime():
            return value.isoformat().encode()
        case timedelta():
            return f"{value.total_seconds()} seconds".encode()
        case list() if all(isinstance(one, str | None) for one in value):
            return b"{" + b",".join(b"NULL" if one is None else _quoted(one) for one in value) + b"}"
    raise TypeError(f"a {type(value).__name__} cannot be sent as text")


def _quoted(text: str) -> bytes:
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


_BEGIN = _unsynced("BEGIN")
_BEGIN_NOT_DURABLE = _BEGIN + _unsynced("SET LOCAL synchronous_commit TO off")


class _Begun:
    """A connection of the pool with a transaction that was begun without waiting. It is what the driver's adapter takes for one."""

    def __init__(self, engine: Engine, pooled: PoolProxiedConnection, *, once: bool) -> None:
        self.engine, self.pooled, self.once = engine, pooled, once
        self.adapted: Any = pooled.dbapi_connection
        self.driver = cast(asyncpg.Connection, pooled.driver_connection)
        self._opening, self._ran, self._answered = b"", False, True
        self.waiting = b""  # messages that go over with the next statement

    @functools.cached_property
    def connection(self) -> Connection:
        """The same as the ORM sees it, which finds a transaction there and begins none."""
        self.go_over()
        return Connection(self.engine, self.pooled)

    @property
    def known_to_the_orm(self) -> bool:
        return "connection" in self.__dict__

    async def begin(self, opening: Opening | None, *, durable: bool) -> None:
        """Begin with the first statement: a trip less in every transaction, and two where it is the only one."""
        if opening is not None:
            self._opening = await self._unsynced(opening.statement, opening.values)
        if not self.once:
            self.waiting = (_BEGIN if durable else _BEGIN_NOT_DURABLE) + self._opening
            self.adapted._transaction = self

    async def send(self, statement: str, values: Sequence[object]) -> None:
        """Run a statement that returns no row, and wait for nothing, but where the ORM takes part, which sends by itself, and where the
        connection does not know it yet."""
        if self.once:
            raise RuntimeError("a transaction of one statement waits for it")
        driver = self.driver
        if not self.known_to_the_orm and driver._stmt_cache.has((statement, driver._protocol.get_record_class(), False)):
            self.waiting += await self._unsynced(statement, values)
            return
        await driver._get_statement(statement, None)
        self.go_over()
        await driver.fetch(statement, *values)

    def go_over(self) -> None:
        """Send what waits for a statement that has a Sync: that one follows at once."""
        if self.waiting:
            self.driver._transport.write(self.waiting)
            self.waiting = b""

    async def _unsynced(self, statement: str, values: Sequence[object]) -> bytes:
        known = await self.driver._get_statement(statement, None)  # a trip where this connection does not know it yet
        return _unsynced_prepared(known.name, values)

    async def only(self, statement: str, values: Any) -> list[asyncpg.Record]:
        """Run the one statement. Its own Sync commits it with what went before."""
        if self._ran:
            raise RuntimeError("a transaction of one statement has run it")
        self._ran, self._answered = True, False
        self.waiting = self._opening
        try:
            rows = await sessions.fetch(self.driver, statement, values, begun=self)
        except DBAPIError:
            self._answered = True
            raise
        self._answered = True
        return rows

    @property
    def open(self) -> bool:
        return self.adapted._transaction is not None

    # Both as statements that end with a Sync: what was sent and has failed has the database leave out all that comes before one.
    async def commit(self) -> None:
        self.go_over()
        await self.driver.fetch("COMMIT")

    async def rollback(self) -> None:
        self.go_over()
        try:
            await self.driver.fetch("ROLLBACK")
        except asyncpg.PostgresError:  # of what was sent: it is still to be rolled back
            await self.driver.fetch("ROLLBACK")

    def give_back(self) -> None:
        """Roll back what was not committed, and return the connection to the pool. One that is gone, or whose end nobody waited for, is
        no use to anybody; nor are those that were made before one that is gone."""
        if self.pooled.is_valid and self.driver.is_closed():
            self.engine.pool._invalidate(self.pooled)
        elif self.pooled.is_valid and not self.open and (not self._answered or self.driver.is_in_transaction()):
            self.pooled.invalidate()
        if self.known_to_the_orm:
            self.connection.close()
        else:
            self.pooled.close()


@contextlib.asynccontextmanager
async def transaction(db: AsyncSession, opening: Opening | None = None, *, durable: bool = True, once: bool = False) -> AsyncIterator[None]:
    """The one transaction of a session.

    It begins with its first statement. What runs through the ORM joins it. Afterwards the session is closed. Where it is not `durable`,
    its commit waits for no disk: a crash of the database may undo it, with all that came after it and nothing that came before.
    `once`: it is one statement of `on_driver`, which commits by itself; whatever the block raises afterwards does not undo it.
    """
    session = cast(sessions.OneFlush, db.sync_session)
    engine = cast(Engine, session.bind)
    begun = _Begun(engine, await _taken_from_the_pool(engine), once=once)
    try:
        if begun.driver.is_closed():
            # Fails, and has SQLAlchemy give up the connections that are gone.
            await greenlet_spawn(begun.connection.exec_driver_sql, "select 1")
        try:
            await begun.begin(opening, durable=durable)
        except sessions.DRIVERS as error:
            raise sessions.raised("begin", error) from error
        session.begun = begun
        yield
        if begun.known_to_the_orm:
            await greenlet_spawn(session.commit)  # writes what is left, and commits
        elif not session._is_clean():
            await greenlet_spawn(session.flush)
        if begun.open:
            try:
                await begun.adapted._call_and_discard(begun.commit)
            except sessions.DRIVERS as error:
                raise sessions.raised("commit", error) from error
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
