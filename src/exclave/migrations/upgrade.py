"""Bring a database to the newest schema."""

import importlib
import pkgutil
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text
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


def config(connection: Connection) -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["connection"] = connection
    made.attributes["metadata"] = metadata()
    return made


def _upgrade(connection: Connection) -> None:
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    for role in (APP, ENGINE):
        if not connection.execute(text("select 1 from pg_roles where rolname = :role"), {"role": role}).scalar():
            connection.execute(text(f"create role {role} nologin"))  # constant names
    command.upgrade(config(connection), "head")


async def upgrade(owner_url: str) -> None:
    """Run what is missing, as the owner of the schema (not as the server's role)."""
    engine = create_async_engine(owner_url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
