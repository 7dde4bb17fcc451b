"""What a block sends to PostgreSQL: through SQLAlchemy, and past it on the driver (kit/session.py)."""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

import exclave
from exclave.kit import session
from exclave.kit.prepared import Prepared


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

    fetch = session.fetch

    async def noted(driver: Any, text: str, values: Sequence[Any], **more: Any) -> Any:
        found.append(Statement(text, values))
        return await fetch(driver, text, values, **more)

    event.listen(Engine, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session, "fetch", noted)
        try:
            yield found
        finally:
            event.remove(Engine, "before_cursor_execute", note)


def prepared() -> list[tuple[str, Prepared[object]]]:
    """Every statement of the product that is made once, with its name."""
    found = {}
    for module in pkgutil.walk_packages(exclave.__path__, "exclave."):
        if not re.match(r"exclave\.(engine|domain|api)\b", module.name) or module.name == "exclave.engine.carrier":
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            each = value.values() if isinstance(value, dict) else (value,)
            found |= {id(one): (f"{module.name}.{name}", one) for one in each if isinstance(one, Prepared)}
    return sorted(found.values(), key=lambda one: one[0])
