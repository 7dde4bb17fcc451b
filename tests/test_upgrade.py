"""Bringing a database to the newest schema."""

import subprocess
import sys

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from exclave.kit.postgres import Cluster
from exclave.migrations import upgrade


def test_the_newest_revision_is_told_by_the_names_of_the_files():
    config = Config()
    config.set_main_option("script_location", str(upgrade.__file__).rpartition("/")[0])
    assert upgrade.newest() == ScriptDirectory.from_config(config).get_current_head()


async def test_a_database_with_the_newest_schema_is_left_as_it_is(database: Cluster):
    engine = create_async_engine(database.owner_url)
    try:
        async with engine.connect() as connection:
            before = (await connection.execute(text("select xmin, version_num from alembic_version"))).all()
        await upgrade.upgrade(database.owner_url)
        async with engine.connect() as connection:
            assert (await connection.execute(text("select xmin, version_num from alembic_version"))).all() == before
            assert [row.version_num for row in before] == [upgrade.newest()]
    finally:
        await engine.dispose()


def test_the_server_imports_no_alembic_until_a_schema_is_to_be_changed():
    said = subprocess.run(
        [sys.executable, "-P", "-c", "import sys, exclave.server.up; print('alembic' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "False"
