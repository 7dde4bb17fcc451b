"""Does a Rego policy parse? Asked of the interpreter that evaluates it; where that is not installed, only the first line is checked."""

from __future__ import annotations

import re

MAX_NESTING = 200
_ERROR = re.compile(r"\(error \d+:m\|(\d+)\|\d+\s*\(errormsg \d+:(.*?)\)\s*\(errorast", re.DOTALL)
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


def problems(text: str) -> list[tuple[int, int, str]]:
    """List what keeps a module from parsing, as line, column and message."""
    if not re.search(r"^\s*package\s+\S", _COMMENT.sub("", text), re.MULTILINE):
        return [(1, 1, "a Rego module begins with `package`")]
    # The interpreter is native code and recurses.
    if _nesting(text) > MAX_NESTING:
        return [(1, 1, f"the module is nested deeper than {MAX_NESTING} levels")]
    try:
        import regopy
    except ImportError:
        return []
    interpreter = regopy.Interpreter()
    interpreter.log_level = regopy.LogLevel.NONE
    try:
        interpreter.add_module("m", text)
    except regopy.RegoError as error:
        found = [(*_place(text, int(offset)), f"this is not Rego: {said.strip()}") for offset, said in _ERROR.findall(str(error))]
        return found[:1] or [(1, 1, "this is not Rego")]
    return []


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text.encode()[:offset].decode("utf-8", "replace")
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _nesting(text: str) -> int:
    deepest = depth = 0
    for bracket in re.findall(r"[\[\](){}]", text):
        depth += 1 if bracket in "[({" else -1
        deepest = max(deepest, depth)
    return deepest
