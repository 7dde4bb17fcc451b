"""Values as Go's templates see them: JSON data with every number a float64, and the integers that templates make themselves."""

import json
from collections.abc import Mapping
from typing import Any

from gotpl._compat.gofmt.go import sprintf

from .errors import TemplateError

NO_VALUE = "<no value>"


class Int64(int):
    """An int64, which sprig's sums give. Go keeps it apart from `int`, the type of constants, `len` and `index`."""


class _Absent:
    """What a missing key gives when missing keys are allowed: no value at all, not even null."""

    def __repr__(self) -> str:
        return NO_VALUE

    def __bool__(self) -> bool:
        return False


ABSENT = _Absent()


def from_json_data(value: Any, path: tuple[str, ...] = ()) -> Any:
    """Return a private copy in which whole numbers are floats, as Go decodes JSON. Anything that is no JSON is refused.

    The copy keeps `set`, `unset` and `merge` of a template off the caller's state.
    """
    if isinstance(value, str):
        # Go's JSON has no lone surrogates: each becomes U+FFFD.
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            raise TemplateError(f"the number at {shown(path)} is too large", variable=path) from None
    if isinstance(value, Mapping):
        return {key: from_json_data(held, (*path, key)) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [from_json_data(held, (*path, str(index))) for index, held in enumerate(value)]
    raise TemplateError(f"the value at {shown(path)} is a {type(value).__name__}, not JSON data", variable=path)


def shown(path: tuple[str, ...]) -> str:
    """Return a path as a vendor would write it: `.nuon.install.id`, odd keys quoted."""
    return "".join(f".{key}" if key.isidentifier() or key == "*" else f".{json.dumps(key, ensure_ascii=False)}" for key in path) or "."


def is_true(value: object) -> bool:
    """Return whether `if` and `with` take their first branch."""
    return bool(value) and value is not ABSENT


def kind(value: object) -> str:
    """Return Go's kind of a value."""
    match value:
        case None | _Absent():
            return "invalid"
        case bool():
            return "bool"
        case Int64():
            return "int64"
        case int():
            return "int"
        case float():
            return "float64"
        case complex():
            return "complex128"
        case str():
            return "string"
        case dict():
            return "map"
        case list() | tuple() | bytes():
            return "slice"
        case _:
            return "ptr"


def described(value: object) -> str:
    """Return what a value is, for an error message."""
    names = {"invalid": "null", "string": "text", "slice": "a list", "map": "a map", "bool": "true or false"}
    return names.get(kind(value), "a number")


def printed(value: object) -> str:
    """Return what an action `{{ value }}` writes."""
    if isinstance(value, str):
        return value
    if value is None or value is ABSENT:
        return NO_VALUE
    return str(sprintf("%v", value))
