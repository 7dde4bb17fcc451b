"""Bring a database to the newest schema."""

import importlib
import pkgutil
from pathlib import Path

from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

import exclave.domain
import exclave.engine.models
from exclave.kit.db import Base
from exclave.kit.rls import APP, ENGINE

_LOCK = 0x45584C41  # one migration at a time, however many processes start


def metadata() -> MetaData:
    """Every table of the product."""
    for module in pkgutil.walk_packages(exclave.domain.__path__, "exclave.domain."):
        if module.name.endswith(".models"):
            importlib.import_module(module.name)
    return Base.metadata


def newest() -> str:
    """The revision that a database of this version has: the files of `versions/` begin with theirs."""
    return max(path.name.partition("_")[0] for path in Path(__file__).parent.glob("versions/[0-9]*_*.py"))


def prepare() -> None:
    """Import what changes a schema: a fifth of a second that a database at the newest revision saves."""
    importlib.import_module("alembic.command")


def _upgrade(connection: Connection) -> None:
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    for role in (APP, ENGINE):
        if not connection.execute(text("select 1 from pg_roles where rolname = :role"), {"role": role}).scalar():
            connection.execute(text(f"create role {role} nologin"))  # constant names
    if _revision(connection) != newest():
        _change(connection)


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("select version_num from alembic_version")).scalar() or "")


def _change(connection: Connection) -> None:
    from alembic import command  # only when there is something to change, see `prepare`
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata()
    command.upgrade(config, "head")
    connection.execute(text(f"grant select on alembic_version to {APP}, {ENGINE}"))  # a server looks whether it fits


async def upgrade(owner_url: str) -> None:
    """Run what is missing, as the owner of the schema (not as the server's role)."""
    engine = create_async_engine(owner_url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
