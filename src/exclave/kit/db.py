"""Tables and sessions: what every row has, column types, and how a process connects."""

import functools
import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from sqlalchemy import BigInteger, CheckConstraint, DateTime, LargeBinary, String, TypeDecorator, event, types
from sqlalchemy import inspect as inspect_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.sql import Executable

from exclave.kit import errors, ids, time
from exclave.kit.session import OneFlush, decoded, encoded

T = TypeVar("T")

# Rows are found by their keys. Otherwise PostgreSQL reads small tables from end to end, which asks row-level security about every row,
# and keeps to that in a prepared statement while they grow.
PLANNER = {"jit": "off", "random_page_cost": "1.1", "enable_seqscan": "off"}

# After 5 s of silence the other system is asked, every 5 s, and given up with the third question; what was sent is given up after 20 s.
_WATCH = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}

_STATEMENTS = 500  # that a connection keeps prepared: more than the product has hot ones


class Encrypted(TypeDecorator[bytes]):
    """A column whose value is sealed by the org's data key (see domain/orgs/keys.py); the database sees ciphertext only."""

    impl = LargeBinary
    cache_ok = True


class RawJSON(TypeDecorator[Any]):
    """JSON that passes through byte for byte: a `json` column (not `jsonb`), read as `msgspec.Raw`."""

    impl = types.JSON
    cache_ok = True


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[str]: JSONB,
        dict[str, str]: JSONB,
        bytes: LargeBinary,
    }


class Row(Base):
    """What every entity has: an id of 26 characters, who made it and when, soft deletion (0 = live)."""

    __abstract__ = True

    prefix: ClassVar[str] = "def"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    created_by_id: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=time.now)
    updated_at: Mapped[datetime] = mapped_column(default=time.now, onupdate=time.now)
    deleted_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")

    def __init__(self, **values: Any) -> None:
        """Make a row that is not stored yet. Its id is there from the start, so that rows can name one another before they are flushed."""
        if not values.keys() <= _attributes(type(self)):
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(values.keys() - _attributes(type(self))))}")
        if not values.get("id"):
            values["id"] = ids.new_id(type(self).prefix)
        self.__dict__.update(values)  # all at once and without events: a new row has no history

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (CheckConstraint("char_length(id) = 26", name=f"{cls.__tablename__}_id_length"), *cls.constraints())

    @classmethod
    def constraints(cls) -> Sequence[Any]:
        """Indexes and constraints of this table, beyond those of every row."""
        return ()


@functools.cache
def _attributes(model: type[Row]) -> frozenset[str]:
    return frozenset(inspect_(model).column_attrs.keys())


class Tenant(Row):
    """A row that belongs to one org. Row-level security holds for its table from the first migration."""

    __abstract__ = True

    org_id: Mapped[str] = mapped_column(String(26), index=True)


def connect(url: str, *, pool: int, overflow: int = 0, settings: dict[str, str] | None = None) -> AsyncEngine:
    """Open a pool of connections as the role that the URL names."""
    server_settings = {**PLANNER, "timezone": "UTC", "application_name": "exclave", **(settings or {})}
    engine = create_async_engine(
        url,
        pool_size=pool,
        max_overflow=overflow,
        pool_use_lifo=True,  # the connection used last has most of its statements prepared
        pool_pre_ping=False,
        pool_recycle=1800,
        hide_parameters=True,  # an error must not carry values into a log
        json_serializer=encoded,
        json_deserializer=decoded,
        connect_args={
            "server_settings": server_settings,
            "timeout": 10,
            "statement_cache_size": _STATEMENTS,
            "max_cacheable_statement_size": 0,  # none is too long: a page's has 60 kB, and planning takes longer than running
            "prepared_statement_cache_size": _STATEMENTS,
        },
    )
    event.listen(engine.sync_engine, "connect", _watched)
    return engine


def _watched(adapted: Any, _record: object) -> None:
    """Have the system end a connection whose other end was lost without a word, its machine or the way to it: who waits for an answer
    would wait for ever. No answer is too late for this, as long as the other system is there."""
    watched: socket.socket = adapted.driver_connection._transport.get_extra_info("socket")
    if watched.family == socket.AF_UNIX:
        return
    watched.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _WATCH.items():
        if (option := getattr(socket, name, None)) is not None:  # not every system has all of them
            watched.setsockopt(socket.IPPROTO_TCP, option, value)


def sessions(engine: AsyncEngine) -> Callable[[], AsyncSession]:
    return lambda: AsyncSession(engine, sync_session_class=OneFlush, expire_on_commit=False, autoflush=True)


async def one(db: AsyncSession, statement: Executable, *, or_raise: errors.Problem | None = None) -> Any:
    """Return the one row of the statement, or raise: what you may not see does not exist."""
    found = (await db.execute(statement)).scalars().first()
    if found is None:
        raise or_raise or errors.NotFound()
    return found


async def first(db: AsyncSession, statement: Executable) -> Any | None:
    """Return the first row, or None."""
    return (await db.execute(statement)).scalars().first()


async def every(db: AsyncSession, statement: Executable) -> list[Any]:
    """Return all rows."""
    return list((await db.execute(statement)).scalars().all())
