"""Look at a database that somebody else runs before a process starts on it, and say in one line what is missing."""

import asyncpg
from sqlalchemy.engine import URL, make_url

from exclave.kit.rls import APP, ENGINE
from exclave.migrations.upgrade import newest

_OLDEST = 15
_PATIENCE = 10.0  # seconds to connect


class DatabaseUnfit(Exception):
    """The database cannot be used as it is. The message names what is wrong and the way out."""


async def check(url: str, *, roles: bool = True) -> None:
    """Raise DatabaseUnfit unless the login reaches the database and, with `roles`, may act as both roles on the newest schema."""
    where = make_url(url)
    for role in (APP, ENGINE) if roles else ("",):
        connection = await _connect(where, role)
        try:
            await _look(connection, where, schema=roles)
        finally:
            await connection.close()


async def _connect(where: URL, role: str) -> asyncpg.Connection:
    place = f"{where.host or 'localhost'}:{where.port or 5432}"
    login = where.username or "(no user)"
    try:
        connection = await asyncpg.connect(where.set(drivername="postgresql").render_as_string(hide_password=False), timeout=_PATIENCE)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise DatabaseUnfit(
            f"PostgreSQL at {place} refuses the login {login}: {error}. Look at the user and password of the URL"
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        raise DatabaseUnfit(f"PostgreSQL at {place} has no database {where.database!r}: create it, or name another in the URL") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise DatabaseUnfit(
            f"PostgreSQL at {place} cannot be reached: {said}. Is it running, and does EXCLAVE_DATABASE_URL name it?"
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


async def _look(connection: asyncpg.Connection, where: URL, *, schema: bool) -> None:
    version = connection.get_server_version()
    if version.major < _OLDEST:
        raise DatabaseUnfit(f"PostgreSQL {version.major} is too old: {_OLDEST} or newer is needed")
    if not schema:
        return
    if await connection.fetchval("select to_regclass('alembic_version') is null"):
        raise DatabaseUnfit(f"the database {where.database} has no schema yet: run `exclave migrate` as its owner first")
    found = await connection.fetchval("select version_num from alembic_version")
    if found != newest():
        raise DatabaseUnfit(
            f"the database {where.database} has the schema {found}, this version needs {newest()}: run `exclave migrate` as its owner"
        )
