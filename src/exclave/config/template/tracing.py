"""Where the values of a template come from: what `exclave render` shows beside the text."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .references import variables
from .tree import grow
from .values import shown

MASK = "********"

# A name that says secret, unless it names where the secret is kept rather than the secret.
_SENSITIVE = re.compile(r"secret|passw(or)?d|passphrase|token|credential|private_?key|api_?key|access_?key", re.IGNORECASE)
_POINTER = re.compile(r"(_|^)(arn|name|namespace|id|length|timestamp|exists)$", re.IGNORECASE)

# What fills each branch of the state, longest path first. A `*` stands for any key.
_SOURCES: list[tuple[tuple[str, ...], str]] = [
    (("nuon", "inputs", "inputs", "*"), "input {3}"),
    (("nuon", "install", "inputs", "*"), "input {3}"),
    (("nuon", "install", "sandbox", "outputs"), "outputs of the sandbox"),
    (("nuon", "sandbox", "outputs"), "outputs of the sandbox"),
    (("nuon", "install_stack", "outputs"), "outputs of the install stack"),
    (("nuon", "components", "*", "outputs"), "outputs of the component {2}"),
    (("nuon", "components", "*"), "component {2}"),
    (("nuon", "actions", "workflows", "*", "outputs"), "outputs of the action {3}"),
    (("nuon", "actions", "workflows", "*"), "action {3}"),
    (("nuon", "secrets", "*"), "secret {2}"),
    (("nuon", "app", "variables", "*"), "variable {3} of the app"),
    (("nuon", "cloud_account"), "the cloud account"),
    (("nuon", "install_stack"), "the install stack"),
    (("nuon", "sandbox"), "the sandbox"),
    (("nuon", "runner"), "the runner"),
    (("nuon", "domain"), "the domains of the sandbox"),
    (("nuon", "org"), "the organization"),
    (("nuon", "app"), "the app"),
    (("nuon", "install"), "the install"),
    (("nuon", "id"), "the install"),
    (("nuon", "name"), "the install"),
]


@dataclass(frozen=True, slots=True)
class Origin:
    """One variable of a text: where it stands, what fills it, and its value now. A secret shows only that it is there."""

    path: tuple[str, ...]
    line: int
    column: int
    source: str
    found: bool
    value: Any = None
    masked: bool = False
    missing_at: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return shown(self.path)


def trace(text: str, state: Mapping[str, Any], *, secrets: Collection[tuple[str, ...]] = ()) -> list[Origin]:
    """Return the origin of every variable of a text, in its order. `secrets` are further paths to mask, whole branches too."""
    if ".nuon" not in text:
        return []
    root: Mapping[str, Any] = state if "nuon" in state else {"nuon": state}
    hidden = {tuple(path) for path in secrets}
    return [_origin(variable.path, variable.line, variable.column, root, hidden) for variable in variables(grow(text))]


def _origin(path: tuple[str, ...], line: int, column: int, root: Mapping[str, Any], hidden: set[tuple[str, ...]]) -> Origin:
    try:
        value, masked = _masked_at(root, path, 0, (), hidden)
    except _Missing as missing:
        return Origin(path, line, column, _source(path), found=False, missing_at=missing.path)
    return Origin(path, line, column, _source(path), True, value, masked)


class _Missing(Exception):
    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path


def _masked_at(value: Any, path: tuple[str, ...], depth: int, here: tuple[str, ...], hidden: set[tuple[str, ...]]) -> tuple[Any, bool]:
    """Return what stands at the rest of the path; for a `*`, one value for each item that has it."""
    if depth == len(path):
        return _masked(value, here, hidden)
    key = path[depth]
    items = _items(value)
    if key != "*":
        if key not in items:
            raise _Missing((*here, key))
        return _masked_at(items[key], path, depth + 1, (*here, key), hidden)
    values, any_masked = {}, False
    for name, held in items.items():
        with suppress(_Missing):
            values[name], masked = _masked_at(held, path, depth + 1, (*here, name), hidden)
            any_masked |= masked
    if not values:
        raise _Missing((*here, key))
    return values, any_masked


def _items(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    return {str(index): held for index, held in enumerate(value)} if isinstance(value, list | tuple) else {}


def _masked(value: Any, path: tuple[str, ...], hidden: set[tuple[str, ...]]) -> tuple[Any, bool]:
    """Return the value with every secret in it replaced, and whether there was one."""
    if isinstance(value, Mapping):
        pairs = {key: _masked(held, (*path, str(key)), hidden) for key, held in value.items()}
        return {key: held for key, (held, _) in pairs.items()}, any(masked for _, masked in pairs.values())
    if isinstance(value, list | tuple):
        items = [_masked(held, (*path, str(index)), hidden) for index, held in enumerate(value)]
        return [held for held, _ in items], any(masked for _, masked in items)
    if value is None or isinstance(value, bool) or not _is_secret(path, hidden):
        return value, False
    return MASK, True


def _is_secret(path: tuple[str, ...], hidden: set[tuple[str, ...]]) -> bool:
    if any(path[: len(secret)] == secret for secret in hidden):
        return True
    if path[:2] == ("nuon", "secrets"):
        return not (len(path) > 3 and (_POINTER.search(path[-1]) or path[-1].startswith("kubernetes_")))
    return any(_SENSITIVE.search(name) for name in path[1:]) and not _POINTER.search(path[-1])


def _source(path: tuple[str, ...]) -> str:
    for pattern, words in _SOURCES:
        if len(path) >= len(pattern) and all(want in ("*", have) for want, have in zip(pattern, path, strict=False)):
            return words.format(*("each" if key == "*" else key for key in path))
    return "the state"
