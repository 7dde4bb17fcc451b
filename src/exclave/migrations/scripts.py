"""Scripts of many statements, for migrations."""

from typing import Any, cast

from sqlalchemy import Connection


def run_script(connection: Connection, script: str) -> None:
    """Run many statements in one trip to the database, within the migration's transaction."""
    driver = cast(Any, connection.connection.dbapi_connection)  # SQLAlchemy's face of an asyncpg connection
    driver.run_async(lambda asyncpg: asyncpg.execute(script))
