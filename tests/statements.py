"""What a block sends to PostgreSQL: through SQLAlchemy, and past it on the driver (kit/session.py)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from exclave.kit import session


@dataclass(frozen=True)
class Statement:
    text: str
    values: Any


@contextmanager
def sent() -> Iterator[list[Statement]]:
    """Collect the statements of this process while the block runs; begin and commit are not among them."""
    found: list[Statement] = []

    def note(_connection: object, _cursor: object, text: str, values: Any, *_rest: object) -> None:
        found.append(Statement(text, values))

    fetch = session._fetch

    async def noted(driver: Any, text: str, values: Sequence[Any]) -> Any:
        found.append(Statement(text, values))
        return await fetch(driver, text, values)

    event.listen(Engine, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session, "_fetch", noted)
        try:
            yield found
        finally:
            event.remove(Engine, "before_cursor_execute", note)
