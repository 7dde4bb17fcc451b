"""The operations of the contract (December 2025), as data: which exist, and what each answers on success.

`operations.json` holds method, path, operation id, tag, one line of purpose and the success status of every public and runner
operation. What no route serves yet answers 501 and is marked `x-status: planned` (see `api/app.py`).
"""

import functools
import importlib.resources
import re
from typing import Literal

import msgspec

Listener = Literal["public", "runner", "admin"]


class ContractOperation(msgspec.Struct, frozen=True):
    id: str
    method: str
    path: str
    tag: str
    summary: str
    status: int
    deprecated: bool = False
    also: list[str] = []

    @property
    def key(self) -> tuple[str, str]:
        return self.method, nameless(self.path)


def nameless(path: str) -> str:
    """A path without the names of its parameters: `/v1/apps/{}/configs`."""
    return re.sub(r"\{[^}]*\}", "{}", path.rstrip("/"))


@functools.cache
def operations(listener: Listener) -> tuple[ContractOperation, ...]:
    if listener == "admin":
        return ()  # our own; the original's has another shape
    text = importlib.resources.files("exclave.api").joinpath("operations.json").read_bytes()
    return tuple(msgspec.json.decode(text, type=dict[str, list[ContractOperation]])[listener])


@functools.cache
def by_key(listener: Listener) -> dict[tuple[str, str], ContractOperation]:
    return {operation.key: operation for operation in operations(listener)}
