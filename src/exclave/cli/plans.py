"""Show a Terraform plan to a person who must decide: what is made, changed, replaced, destroyed."""

from collections.abc import Mapping
from typing import Any

from exclave.cli import output

_SIGNS = {("create",): "+", ("update",): "~", ("delete",): "-", ("delete", "create"): "-/+", ("create", "delete"): "+/-", ("read",): "<="}


def show_plan(plan: Mapping[str, Any]) -> None:
    """Print one line per changed resource and output, then the count of each kind. Secrets come masked from the server."""
    counts = {"+": 0, "~": 0, "-": 0}
    for change in plan.get("resource_changes") or []:
        actions = tuple(change["change"]["actions"])
        sign = _SIGNS.get(actions, "")
        if not sign:
            continue
        output.data(f"{sign:>3} {change['address']}")
        for key, value in _shown(change["change"]):
            output.data(f"      {key} = {value}")
        for letter in counts:
            counts[letter] += letter in sign
    for name, change in (plan.get("output_changes") or {}).items():
        sign = _SIGNS.get(tuple(change["actions"]), "")
        if sign:
            output.data(f"{sign:>3} output {name}")
    output.data(f"plan: {counts['+']} to create, {counts['~']} to change, {counts['-']} to destroy")


def _shown(change: Mapping[str, Any]) -> list[tuple[str, str]]:
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    if not isinstance(after, Mapping) or not isinstance(before, Mapping):
        return []
    lines = []
    for key in sorted({*before, *after, *(unknown if isinstance(unknown, Mapping) else ())}):
        new = "(known after apply)" if isinstance(unknown, Mapping) and unknown.get(key) is True else after.get(key)
        if before.get(key) == new or new is None:
            continue
        lines.append((key, f"{before[key]!r} -> {new!r}" if before.get(key) is not None else f"{new!r}"))
    return lines
