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
_FILLED = re.compile(r"[^\n]")
_BRANCH = re.compile(rf"\{{\{{(?:- )?[ \t]*(?:(else[ \t]+if|if)[ \t]+(\.{_NAME}(?:\.{_NAME})*)|(else|end))[ \t]*(?: -)?\}}\}}")


def read(text: str) -> list[Variable]:
    """List what a template reads, in the order of the text; raises `Unparsable`."""
    found: list[Variable] = []
    open_branches: list[str] = []
    place = _Places(text)
    at = text.find("{{")
    while at >= 0:
        match = _PLAIN.match(text, at)
        if match is not None:
            # Constants follow a path only under `index`.
            if bool(match[1]) != bool(match[3]):
                return _parsed(text)
            path = (*match[2][1:].split("."), *(constant.strip('"') for constant in _CONSTANT.findall(match[3])))
            guarded = "default" in match[4] or bool(open_branches)
            found.append(Variable(path, *place.of(match.start(2)), guarded, bool(match[1])))
        else:
            match = _BRANCH.match(text, at)
            if match is None or not _follows(match[1] or match[3], open_branches):
                return _parsed(text)
            if match[2]:
                found.append(Variable(tuple(match[2][1:].split(".")), *place.of(match.start(2)), guarded=True))
        at = text.find("{{", match.end())
    return found if not open_branches else _parsed(text)


class _Places:
    """Turns offsets that only grow into lines and columns, looking at each character once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.start = 0

    def of(self, offset: int) -> tuple[int, int]:
        self.line += self.text.count("\n", self.at, offset)
        newline = self.text.rfind("\n", self.at, offset)
        self.start = newline + 1 if newline >= 0 else self.start
        self.at = offset
        return self.line, offset - self.start + 1


def blanked(text: str, fill: str) -> str:
    """Write `fill` over every action, so that a text of another language keeps its lines and columns."""
    parts = []
    at = 0
    while (start := text.find("{{", at)) >= 0 and (end := text.find("}}", start)) >= 0:
        parts += [text[at:start], _FILLED.sub(fill, text[start : end + 2])]
        at = end + 2
    return "".join([*parts, text[at:]])


def _follows(word: str, open_branches: list[str]) -> bool:
    """Keep account of the open branches; say whether a word may stand here."""
    if word == "if":
        open_branches.append("if")
        return len(open_branches) < 50
    if not open_branches or (word != "end" and open_branches[-1] == "else"):
        return False
    if word == "end":
        open_branches.pop()
    elif word == "else":
        open_branches[-1] = "else"
    return True


def _parsed(text: str) -> list[Variable]:
    from exclave.config import template

    try:
        variables = template.parse(text).variables()
    except template.TemplateError as error:
        raise Unparsable(error.reason, error.line or 1, error.column or 1) from None
    return [Variable(v.path, v.line, v.column, v.guarded, v.optional) for v in variables]
