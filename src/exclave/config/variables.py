"""Which variables a template reads.

Nearly every template of a configuration is a plain path. Those are read here by one pattern; the template engine, whose import costs
more than loading a whole app, is asked only for what is more than a path.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Variable(NamedTuple):
    """One reading of the state, `line` and `column` from 1 inside the text.

    `guarded`: the author provides for an empty value. `optional`: even a missing key is no error (`index`, `dig`).
    """

    path: tuple[str, ...]
    line: int
    column: int
    guarded: bool = False
    optional: bool = False


class Unparsable(Exception):
    """The text is not a template."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PLAIN = re.compile(
    rf"\{{\{{(?:- )?[ \t]*(index[ \t]+)?(\.{_NAME}(?:\.{_NAME})*)"
    r"((?:[ \t]+(?:\"[^\"\\\n]+\"|[0-9]+))*)"
    r"((?:[ \t]*\|[ \t]*(?:default|join|quote|squote|upper|lower|trim|toString|toJson|b64enc|int)(?:[ \t]+\"[^\"\\\n]*\")?)*)"
    r"[ \t]*(?: -)?\}\}"
)
_CONSTANT = re.compile(r"\"[^\"]+\"|[0-9]+")


def read(text: str) -> list[Variable]:
    """List what a template reads, in the order of the text; raises `Unparsable`."""
    found = []
    at = text.find("{{")
    while at >= 0:
        plain = _PLAIN.match(text, at)
        # Constants follow a path only under `index`.
        if plain is None or bool(plain[1]) != bool(plain[3]):
            return _parsed(text)
        start = plain.start(2)
        before = text.rfind("\n", 0, start)
        line = text.count("\n", 0, start) + 1
        path = (*plain[2][1:].split("."), *(constant.strip('"') for constant in _CONSTANT.findall(plain[3])))
        found.append(Variable(path, line, start - before, "default" in plain[4], bool(plain[1])))
        at = text.find("{{", plain.end())
    return found


def _parsed(text: str) -> list[Variable]:
    from exclave.config import template

    try:
        variables = template.parse(text).variables()
    except template.TemplateError as error:
        raise Unparsable(error.reason, error.line or 1, error.column or 1) from None
    return [Variable(v.path, v.line, v.column, v.guarded, v.optional) for v in variables]
