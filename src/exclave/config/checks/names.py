"""Names given twice, and names that nothing has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from exclave.config.documents import Path
from exclave.config.places import Ledger

_SECTIONS = {
    "component": ("components",),
    "action": ("actions",),
    "input": ("inputs",),
    "group": ("inputs", "input_groups"),
    "secret": ("secrets",),
    "role": ("permissions",),
    "break-glass role": ("break_glass",),
    "Kubernetes context": ("kubernetes_contexts",),
}


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def unique(items: Iterable[_Named], noun: str, path: Path, ledger: Ledger, code: str = "EX-C040") -> None:
    """Report every name that an earlier item of the list has already."""
    first: dict[str, int] = {}
    for i, item in enumerate(items):
        if not item.name:
            continue
        if item.name in first:
            place = ledger.place((*path, first[item.name], "name"))
            at = ledger.origin((*path, i, "name"))
            ledger.say(code, f'a second {noun} has the name "{item.name}"', f"the first is in {place.file}:{place.line}", at=at)
        else:
            first[item.name] = i


def known(name: str, names: Iterable[str], what: str, code: str, path: Path, ledger: Ledger) -> bool:
    """Say whether a name exists; report it otherwise, with the one that was probably meant."""
    choices = list(names)
    if name in choices or incomplete(what, ledger):
        return True
    ledger.say(code, f'there is no {what} "{name}"', suggestion(name, choices, what, ledger), at=ledger.origin(path))
    return False


def incomplete(noun: str, ledger: Ledger) -> bool:
    """Say whether a file that may hold such a thing could not be read."""
    return not ledger.incomplete.isdisjoint(_SECTIONS.get(noun, ()))


def suggestion(name: str, choices: list[str], what: str, ledger: Ledger) -> str:
    """Say what was probably meant, or what there is."""
    close = ledger.guess(name, choices)
    if close:
        return f'did you mean "{close}"?'
    if not choices:
        return f"the app has no {what}s" if not what.endswith("y") else f"the app has no {what[:-1]}ies"
    shown = ", ".join(sorted(choices)[:8])
    return f"there are {shown}{' and others' if len(choices) > 8 else ''}"
