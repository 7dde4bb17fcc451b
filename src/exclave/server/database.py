"""Look at a database that somebody else runs before a process starts on it, and say in one line what is missing."""

import asyncpg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from exclave.kit.rls import APP, ENGINE
from exclave.migrations.upgrade import newest

REFUSALS = (asyncpg.PostgresError, DBAPIError)  # as the driver raises them, and wrapped
_OLDEST = 15
_PATIENCE = 10.0  # seconds to connect
_PARAMETERS = {"host", "port", "sslmode"}  # that every driver of ours reads in a URL


class DatabaseUnfit(Exception):
    """The database cannot be used as it is. The message names what is wrong and the way out."""


def as_async(text: str, setting: str) -> str:
    """Give a usual `postgresql://` URL the driver that we use, which has another word for `sslmode`. No message holds the URL."""
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        url = URL.create("")
    if not url.drivername.startswith("postgres"):
        raise DatabaseUnfit(f"{setting} is no URL of a PostgreSQL: write it as postgresql://user:password@host:5432/name")
    if "@" in (url.host or ""):  # it would be named where it cannot be reached, with the rest of a password in it
        raise DatabaseUnfit(f"{setting} has more than one @: the one that belongs to a password is written as %40")
    if more := sorted(url.query.keys() - _PARAMETERS):
        raise DatabaseUnfit(
            f"{setting} has the parameter {more[0]}, and may have {', '.join(sorted(_PARAMETERS))} only: "
            "what else a client of PostgreSQL can be told is in the environment (PGSSLROOTCERT, PGSSLCERT, PGSSLKEY)"
        )
    query = {("ssl" if key == "sslmode" else key): value for key, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=query).render_as_string(hide_password=False)


def plain(text: str) -> str:
    """The same URL as PostgreSQL's own clients write it."""
    url = make_url(text)
    query = {("sslmode" if key == "ssl" else key): value for key, value in url.query.items()}
    return url.set(drivername="postgresql", query=query).render_as_string(hide_password=False)


async def check(url: str, *, roles: bool = True) -> None:
    """Raise DatabaseUnfit unless the login reaches the database and, with `roles`, may act as both roles on the newest schema."""
    where = make_url(url)
    for role in (APP, ENGINE) if roles else ("",):
        connection = await _connect(plain(url), where, role)
        try:
            await _look(connection, where, schema=roles)
        finally:
            await connection.close()


async def _connect(url: str, where: URL, role: str) -> asyncpg.Connection:
    place = f"{where.host or 'localhost'}:{where.port or 5432}"
    login = where.username or "(no user)"
    try:
        connection = await asyncpg.connect(url, timeout=_PATIENCE)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise DatabaseUnfit(
            f"PostgreSQL at {place} refuses the login {login}: {error}. Look at the user and password of the URL"
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        raise DatabaseUnfit(f"PostgreSQL at {place} has no database {where.database!r}: create it, or name another in the URL") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnfit(
            f"PostgreSQL at {place} cannot be reached: {said(error)}. Is it running, and does EXCLAVE_DATABASE_URL name it?"
        ) from error
    if not role:
        return connection
    try:
        await connection.execute("select set_config('role', $1, false)", role)
    except asyncpg.PostgresError as error:
        await connection.close()
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            raise DatabaseUnfit(
                f"the login {login} is no member of {role}, as which the server works: "
                f"run `grant {APP}, {ENGINE} to {login}` as an administrator"
            ) from error
        raise DatabaseUnfit(f"the database {where.database} has no role {role}: run `exclave migrate` as its owner first") from error
    return connection


def said(error: BaseException) -> str:
    """What PostgreSQL or the system said, in one line and without the statement."""
    first = error.orig.__cause__ or error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(first).split()) or type(first).__name__


async def _look(connection: asyncpg.Connection, where: URL, *, schema: bool) -> None:
    version = connection.get_server_version()
    if version.major < _OLDEST:
        raise DatabaseUnfit(f"PostgreSQL {version.major} is too old: {_OLDEST} or newer is needed")
    if await connection.fetchval("select current_setting('transaction_read_only') = 'on'"):
        raise DatabaseUnfit(f"the database {where.database} is read-only here: name the primary of the cluster, or let it be written to")
    if not schema:
        return
    if await connection.fetchval("select to_regclass('alembic_version') is null"):
        raise DatabaseUnfit(f"the database {where.database} has no schema yet: run `exclave migrate` as its owner first")
    found = await connection.fetchval("select version_num from alembic_version")
    if found != newest():
        raise DatabaseUnfit(
            f"the database {where.database} has the schema {found}, this version needs {newest()}: run `exclave migrate` as its owner"
        )
