"""Go's own functions of text/template, and the sprig functions that gotpl gets wrong, with the semantics that vendors see."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from gotpl._compat.gofmt.go import sprintf as go_sprintf
from gotpl.funcs.sprig import lists, numeric, regex
from gotpl.funcs.sprig._values import NilSlice
from gotpl.funcs.sprig.dates import duration as sprig_duration
from gotpl.funcs.sprig.semver import Version
from gotpl.runtime import sync_vm

from .values import NO_VALUE, Int64, is_true, kind

_ORDERED = {"int", "float64", "string"}
_BASIC = _ORDERED | {"bool", "complex128"}


def _basic(value: object) -> str:
    found = kind(value)
    return "int" if found == "int64" else found if found in _BASIC else "other"


def equal(first: object, second: object, *others: object) -> bool:
    return any(_pair_equal(first, other) for other in (second, *others))


def _pair_equal(left: object, right: object) -> bool:
    if _basic(left) != _basic(right):
        if left is None or right is None:
            return False
        raise TypeError("incompatible types for comparison")
    if _basic(left) != "other":
        return left == right
    if left is None or right is None:
        return left is right
    raise TypeError("lists and maps cannot be compared")


def not_equal(left: object, right: object) -> bool:
    return not _pair_equal(left, right)


def less(left: Any, right: Any) -> bool:
    if not {_basic(left), _basic(right)} <= _ORDERED:
        raise TypeError("only numbers and texts have an order")
    if _basic(left) != _basic(right):
        raise TypeError("incompatible types for comparison")
    return bool(left < right)


def less_or_equal(left: Any, right: Any) -> bool:
    return less(left, right) or bool(left == right)


def greater(left: Any, right: Any) -> bool:
    return not less_or_equal(left, right)


def greater_or_equal(left: Any, right: Any) -> bool:
    return not less(left, right)


def negated(value: object) -> bool:
    return not is_true(value)


def length(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict | list | tuple):
        return len(value)
    raise TypeError("null has no length" if value is None else f"a {kind(value)} has no length")


def index(value: Any, *keys: Any) -> Any:
    """Return what stands below the keys. A key that a map lacks gives null, never an error, but nothing stands below null."""
    if value is None:
        raise TypeError("null has no items")
    for key in keys:
        if value is None:
            raise TypeError(f"nothing stands below null, so there is no {_key(key)}")
        if isinstance(value, dict):
            if not isinstance(key, str):
                raise TypeError(f"the key of a map is text, not a {kind(key)}")
            value = value.get(key)
        elif isinstance(value, list | tuple | str):
            items = value.encode() if isinstance(value, str) else value
            if kind(key) not in ("int", "int64"):
                raise TypeError(f"the index of a list is an int, not a {kind(key)} (write `int`)")
            if not 0 <= key < len(items):
                raise IndexError(f"there is no item {_key(key)} in a list of {len(items)}")
            value = items[key]
        else:
            raise TypeError(f"a {kind(value)} has no items")
    return value


def _key(key: object) -> str:
    return repr(key[:80]) if isinstance(key, str) else str(key) if isinstance(key, int) else f"a {kind(key)}"


def sprint(*values: object) -> str:
    parts: list[str] = []
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            parts.append(" ")
        parts.append(value if isinstance(value, str) else go_sprintf("%v", value))
    return "".join(parts)


def sprintln(*values: object) -> str:
    return " ".join(value if isinstance(value, str) else go_sprintf("%v", value) for value in values) + "\n"


_DIRECTIVE = re.compile(r"%(?:%|[-+# 0]*\d*(?:\.\d*)?[a-zA-Z])")
_ZEROS = re.compile(r"%0([1-9]\d*)((?:\.\d*)?[a-zA-Z])")


def sprintf(text: str, *values: object) -> str:
    """Format as Go's fmt. gotpl misses verbs that reach into lists and maps, int64, and zeros before a negative float."""
    if not any(isinstance(value, dict | list | tuple | Int64 | float) for value in values) or "*" in text or "%[" in text:
        return str(go_sprintf(text, *values))
    parts: list[str] = []
    position = used = 0
    for found in _DIRECTIVE.finditer(text):
        directive = found.group()
        if directive == "%%":
            continue
        parts.append(go_sprintf(text[position : found.start()]))
        parts.append(_formatted(directive, values[used]) if used < len(values) else go_sprintf(directive))
        used += 1
        position = found.end()
    # What is over goes last, with the arguments that no verb took: gotpl writes %!(EXTRA ...) for them.
    return "".join(parts) + go_sprintf(text[position:], *values[used:])


def _formatted(directive: str, value: object, *, nested: bool = False) -> str:
    if directive == "%T":
        return type_of(value)
    if nested and value is None:
        return "<nil>"
    if isinstance(value, float) and value < 0 and (zeros := _ZEROS.fullmatch(directive)):
        return "-" + str(go_sprintf(f"%0{int(zeros[1]) - 1}{zeros[2]}", -value))
    if directive[-1] in "Tp" or directive == "%v" or "#" in directive:
        return str(go_sprintf(directive, value))
    if isinstance(value, dict):
        items = (f"{_formatted(directive, key)}:{_formatted(directive, value[key], nested=True)}" for key in sorted(value))
        return f"map[{' '.join(items)}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(_formatted(directive, item, nested=True) for item in value)}]"
    return str(go_sprintf(directive, value))


def _escaper(escape: Callable[..., str]) -> Callable[..., str]:
    def escaped(*values: object) -> str:
        shown = [NO_VALUE if value is None else value for value in values]
        return str(escape(shown[0] if len(shown) == 1 and isinstance(shown[0], str) else sprint(*shown)))

    return escaped


def type_of(value: object) -> str:
    if isinstance(value, Version):
        return "*semver.Version"
    return "int64" if isinstance(value, Int64) else str(go_sprintf("%T", value))


def kind_of(value: object) -> str:
    return kind(value)


def duration(value: object) -> str:
    """Return seconds as Go writes a duration. sprig counts only texts and int64; any other number is no duration."""
    return str(sprig_duration(str(int(value)) if isinstance(value, Int64) else value))


def call(function: object, *arguments: object) -> object:
    raise TypeError(f"a {kind(function)} cannot be called, and no value here can")


def _none_found() -> list[Any]:
    return NilSlice()


def some_or_empty(find: Callable[..., list[str] | None]) -> Callable[..., list[str]]:
    def found(pattern: str, text: str, count: int) -> list[str]:
        return find(pattern, text, count) or _none_found()

    return found


def without_negative_zero(compute: Callable[..., float]) -> Callable[..., float]:
    """sprig computes in decimals, which have no -0."""

    def computed(first: object, *others: object) -> float:
        return compute(first, *others) + 0.0

    return computed


def part(value: object, *bounds: object) -> object:
    """Return sprig's `slice`, which takes the place of Go's: nothing at all of an empty list."""
    return None if isinstance(value, list | tuple) and not value else lists.slice_list(value, *bounds)


GO: dict[str, Callable[..., Any]] = {
    "call": call,
    "eq": equal,
    "ne": not_equal,
    "lt": less,
    "le": less_or_equal,
    "gt": greater,
    "ge": greater_or_equal,
    "not": negated,
    "len": length,
    "index": index,
    "print": sprint,
    "println": sprintln,
    "printf": sprintf,
    "html": _escaper(partial(sync_vm._html, format_mode="go")),
    "js": _escaper(partial(sync_vm._js, format_mode="go")),
    "urlquery": _escaper(partial(sync_vm._urlquery, format_mode="go")),
}

MENDED: dict[str, Callable[..., Any]] = {
    "typeOf": type_of,
    "typeIs": lambda wanted, value: wanted == type_of(value),
    "typeIsLike": lambda wanted, value: type_of(value) in (wanted, f"*{wanted}"),
    "kindOf": kind_of,
    "kindIs": lambda wanted, value: wanted == kind_of(value),
    "duration": duration,
    "divf": without_negative_zero(numeric.divf),
    "mulf": without_negative_zero(numeric.mulf),
    "regexFindAll": some_or_empty(regex.regex_find_all),
    "slice": part,
}
