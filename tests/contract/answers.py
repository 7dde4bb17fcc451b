"""Hold one answer to a document: every value has its documented type, every word is documented, and (if asked) every key is."""

import re
from collections.abc import Iterator
from typing import Any

from tests.contract.contract_check import WIRE_TYPES, Side, nameless

JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


def operation_of(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """The operation that serves a real path; one with fewer parameters goes first."""
    fitting = []
    for template, methods in document["paths"].items():
        if method.lower() in methods and re.fullmatch(re.sub(r"\\\{.*?\\\}", "[^/]*", re.escape(template)), path):
            fitting.append((nameless(template).count("{}"), methods[method.lower()]))
    if not fitting:
        raise LookupError(f"no {method} {path} in the document")
    return min(fitting, key=lambda pair: pair[0])[1]


def faults(document: dict[str, Any], method: str, path: str, status: int, body: Any, *, keys: bool) -> list[str]:
    """What in this answer is not as documented, as `200[].name: …`. `keys` also finds what is not documented at all."""
    operation = operation_of(document, method, path)
    response = operation["responses"].get(str(status))
    if response is None:
        return [f"{status}: not a documented status"]
    schema = response.get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return []
    return list(_faults(Side(document), schema, body, str(status), keys=keys))


def _faults(side: Side, schema: Any, value: Any, where: str, *, keys: bool) -> Iterator[str]:
    node = side.deref(schema)
    choices = node.get("anyOf") or node.get("oneOf")
    if choices:
        attempts = [list(_faults(side, choice, value, where, keys=keys)) for choice in choices]
        if all(attempts):
            yield from attempts[0]
        return
    for part in node.get("allOf", ()):
        yield from _faults(side, part, value, where, keys=keys)
    if value is None:
        return  # the original writes null for whatever is absent
    kind = JSON_TYPES[type(value)]
    if node.get("type") == "null":
        yield f"{where}: null expected, {kind} found"
        return
    wire = node.get("x-wire") or (schema.get("x-wire") if isinstance(schema, dict) else None)
    if wire:
        if kind != WIRE_TYPES[wire]:
            yield f"{where}: {wire} expected, {kind} found"
        return
    flat = side.flat(node)
    if flat.types and kind not in flat.types:
        yield f"{where}: type {'|'.join(sorted(flat.types))} expected, {kind} found"
        return
    if flat.words and not flat.free_text and value not in flat.words and value != "":
        yield f"{where}: {value!r} is not one of {sorted(flat.words)}"
    if isinstance(value, list) and flat.items is not None:
        for item in value:
            yield from _faults(side, flat.items, item, f"{where}[]", keys=keys)
    if isinstance(value, dict):
        yield from _key_faults(side, node, flat.properties, value, where, keys=keys)


def _key_faults(
    side: Side, node: dict[str, Any], properties: dict[str, Any], value: dict[str, Any], where: str, *, keys: bool
) -> Iterator[str]:
    rest = node.get("additionalProperties")
    for name, item in value.items():
        if name in properties:
            yield from _faults(side, properties[name], item, f"{where}.{name}", keys=keys)
        elif isinstance(rest, dict):
            yield from _faults(side, rest, item, f"{where}.*", keys=keys)
        elif keys and rest is not True and (properties or node.get("type") == "object"):
            yield f"{where}.{name}: not documented"
