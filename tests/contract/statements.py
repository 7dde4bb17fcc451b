"""Count what is really sent to the database."""

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextlib.asynccontextmanager
async def counted() -> AsyncIterator[list[str]]:
    """Note the statements that all pools of this process send during a block."""
    sent: list[str] = []

    def note(conn: object, cursor: object, statement: str, *rest: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)
