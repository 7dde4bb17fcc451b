"""The schema that migrations make is the one that the code expects, and every tenant's table is behind its wall."""

import asyncio
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from exclave.kit.rls import APP
from exclave.migrations.upgrade import metadata, upgrade
from tests.cluster import Cluster

# Entered by id or hash only, or without any tenant's data.
OPEN = {"accounts", "tokens", "wakeup", "alembic_version"}


async def test_the_models_are_what_the_migrations_make(database: Cluster) -> None:
    engine = create_async_engine(database.owner_url)

    def differences(connection: Connection) -> list[object]:
        def ours(name: str | None, kind: str, _parents: object) -> bool:
            return kind != "table" or not str(name).startswith("procrastinate_")

        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": ours})
        known = set(metadata().tables)
        found = compare_metadata(context, metadata())
        return [difference for difference in found if difference[0] != "remove_table" or difference[1].name in known]

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def tables(database: Cluster, column: str) -> dict[str, Any]:
    """What the catalogue says of every table in one column of it."""
    engine = create_async_engine(database.owner_url)
    statement = f"select relname, {column} from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    async with engine.connect() as connection:
        found = dict((await connection.execute(text(statement))).all())  # type: ignore[arg-type]
    await engine.dispose()
    return found


async def test_every_table_of_a_tenant_is_forced_behind_row_level_security(database: Cluster) -> None:
    walls = await tables(database, "relrowsecurity and relforcerowsecurity")
    open_tables = {name for name, forced in walls.items() if not forced and not name.startswith("procrastinate_")}
    assert open_tables == OPEN


async def test_the_role_of_requests_owns_nothing_and_passes_no_wall(database: Cluster) -> None:
    engine = create_async_engine(database.owner_url)
    async with engine.connect() as connection:
        rights = (await connection.execute(text("select rolsuper, rolbypassrls from pg_roles where rolname = :r"), {"r": APP})).one()
        owned = (
            await connection.execute(
                text("select count(*) from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname = :r"), {"r": APP}
            )
        ).scalar()
    await engine.dispose()
    assert tuple(rights) == (False, False)
    assert owned == 0


def test_running_the_migrations_again_changes_nothing(database: Cluster) -> None:
    asyncio.run(upgrade(database.owner_url))


async def test_no_young_table_is_vacuumed_and_analyzed_each_minute(database: Cluster) -> None:
    """Each time all plans that read it are made anew. A migration that makes a table says so as 0005 does."""
    options = await tables(database, "coalesce(reloptions, '{}')")
    wanted = {f"autovacuum_{what}_threshold=5000" for what in ("vacuum", "vacuum_insert", "analyze")}
    wanted.add("vacuum_truncate=off")  # else it locks everybody out of a table to shorten it
    assert [name for name, set_ in options.items() if not wanted <= set(set_)] == []
    assert len(options) > 60
