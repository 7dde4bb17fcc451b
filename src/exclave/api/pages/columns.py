"""From a row to its shape: what has the same name goes over, the rest is said by the caller."""

from typing import Any, TypeVar

import msgspec

from exclave.kit.db import Row

T = TypeVar("T", bound=msgspec.Struct)

_fields: dict[tuple[type, type], tuple[str, ...]] = {}


def fill(shape: type[T], row: Row, **more: Any) -> T:
    """Return the shape of a row: its columns by name, and what is given by keyword. Nothing nested comes by itself."""
    kind = (shape, type(row))
    names = _fields.get(kind)
    if names is None:
        columns = {attribute.key for attribute in type(row).__mapper__.column_attrs}
        names = tuple(name for name in shape.__struct_fields__ if name in columns)
        _fields[kind] = names
    return shape(**{name: getattr(row, name) for name in names if name not in more}, **more)
