"""Is a text YAML? Read as events only: no values are built, so neither deep nesting nor aliases of aliases cost anything."""

from __future__ import annotations

from typing import Any

from exclave.config.documents import Path
from exclave.config.places import Ledger
from exclave.config.variables import blanked

MAX_LEVELS = 200


def check(text: str, path: Path, ledger: Ledger, code: str, *, mapping: bool = False) -> None:
    """Report a text that is not YAML, or, when asked for, not one mapping."""
    # Templates are no YAML; a plain word of the same length keeps the columns.
    plain = blanked(text, "x")
    problem, line, column, roots = _read(plain)
    if problem:
        here = text.split("\n")[line - 1 : line]
        hint = "YAML is indented with spaces, not with tabs" if here and here[0].lstrip(" ").startswith("\t") else ""
        ledger.say_inside(code, f"this is not YAML: {problem}", hint, at=path, line=line, column=column)
    elif mapping and roots != ["mapping"]:
        ledger.say_inside(code, "a policy is one YAML mapping", "", at=path, line=1, column=1)


def _read(text: str) -> tuple[str, int, int, list[str]]:
    """Give what is wrong and where, and what each document is."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    roots: list[str] = []
    anchors: set[str] = set()
    depth = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.events.DocumentStartEvent):
                anchors.clear()
            elif isinstance(event, yaml.events.CollectionStartEvent):
                if depth == 0:
                    roots.append("mapping" if isinstance(event, yaml.events.MappingStartEvent) else "sequence")
                depth += 1
            elif isinstance(event, yaml.events.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.events.ScalarEvent) and depth == 0 and (event.value or not event.implicit[0]):
                roots.append("scalar")
            if depth > MAX_LEVELS:
                return f"nested deeper than {MAX_LEVELS} levels", *_place(event.start_mark), roots
            anchor = getattr(event, "anchor", None)
            if isinstance(event, yaml.events.AliasEvent) and anchor not in anchors:
                return f"the alias *{anchor} has no anchor", *_place(event.start_mark), roots
            if anchor:
                anchors.add(anchor)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).split("\n")[0]
        return str(said), *_place(mark), roots
    except ValueError as error:
        return str(error), 1, 1, roots
    return "", 0, 0, roots


def _place(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
