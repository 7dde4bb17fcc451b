"""What a plan of Terraform would change, read from `terraform show -json` (spec domain.md 3.7). Pure functions."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

_QUIET = ("no-op", "read")


def is_noop(display: bytes) -> bool:
    """Would applying the plan change nothing?

    A document that is not there says nothing, so it counts as a change. Any list of actions but `no-op` and `read` is one, a
    replacement (delete and create) included. Drift counts: the world differs from what was last applied.
    """
    document = _document(display)
    if not document:
        return False
    if document.get("deferred_changes"):
        return False
    if any(_imports(entry) for entry in _entries(document, "resource_changes")):
        return False
    return not any(_changes(actions) for actions in _actions(document))


def summary(display: bytes) -> dict[str, int]:
    """Count what the plan would do: add, change, replace, destroy, and outputs that change."""
    counts = {"add": 0, "change": 0, "replace": 0, "destroy": 0, "outputs": 0}
    document = _document(display)
    for change in _entries(document, "resource_changes"):
        match _of(change):
            case ["create"]:
                counts["add"] += 1
            case ["update"]:
                counts["change"] += 1
            case ["delete"]:
                counts["destroy"] += 1
            case [_, _]:
                counts["replace"] += 1
    outputs = document.get("output_changes")
    if isinstance(outputs, Mapping):
        counts["outputs"] = sum(_changes(_list(change)) for change in outputs.values())
    return counts


def in_words(counts: Mapping[str, int]) -> str:
    """Write a summary as a sentence: `2 to add, 1 to destroy`."""
    named = (
        ("add", "to add"),
        ("change", "to change"),
        ("replace", "to replace"),
        ("destroy", "to destroy"),
        ("outputs", "outputs change"),
    )
    return ", ".join(f"{counts[key]} {words}" for key, words in named if counts.get(key)) or "no resource changes"


def _document(display: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(display) if display else None
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _actions(document: Mapping[str, Any]) -> Iterator[list[str]]:
    for key in ("resource_changes", "resource_drift"):
        for change in _entries(document, key):
            yield _of(change)
    outputs = document.get("output_changes")
    if isinstance(outputs, Mapping):
        for change in outputs.values():
            yield _list(change)


def _entries(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = document.get(key)
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _of(entry: Mapping[str, Any]) -> list[str]:
    return _list(entry.get("change"))


def _imports(entry: Mapping[str, Any]) -> bool:
    change = entry.get("change")
    return isinstance(change, Mapping) and bool(change.get("importing"))


def _list(change: Any) -> list[str]:
    found = change.get("actions") if isinstance(change, Mapping) else None
    return [str(action) for action in found] if isinstance(found, list) else []


def _changes(actions: list[str]) -> bool:
    return bool(actions) and not all(action in _QUIET for action in actions)
