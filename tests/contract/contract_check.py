"""Compare an OpenAPI document with the contract that it must honour.

    python -m tests.contract.contract_check CONTRACT.json OURS.json [--list]

Operations are matched by method and path (names of path parameters do not matter), schemas by structure (their names do not
matter). For every operation of the contract:

- the path is there, and a documented success status is among ours;
- every query parameter is taken;
- the request body takes every property and every word of an enum, and requires nothing that the contract leaves optional;
- the answer has every property with the same JSON type, arrays have typed items, an enum carries no word that the contract lacks.

An untyped property where the contract has a type is a difference. Where the contract marks that the wire differs from its own
schema (`x-wire`), the wire is what counts. An operation that answers 501 for now carries `x-status: planned` in our document: it is
counted apart, never as present. Ours may have more operations and properties. The exit status is 0 when nothing is missing.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_DEPTH = 7
METHODS = ("get", "post", "put", "patch", "delete")
WIRE_TYPES = {"base64 string": "string", "integer nanoseconds": "number", "object of string or null": "object"}


@dataclass
class Report:
    """What was found, by operation: `GET /v1/apps/{} (GetApps)` and what differs there."""

    differences: dict[str, list[str]] = field(default_factory=dict)
    planned: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.differences) + len(self.planned) + len(self.missing) + len(self.clean)


def check(contract: dict[str, Any], ours: dict[str, Any]) -> Report:
    """Hold our document to the contract."""
    their_side, our_side = Side(contract), Side(ours)
    served = {(method, path): (operation, shared) for method, path, operation, shared in operations(ours)}
    report = Report()
    for method, path, operation, shared in operations(contract):
        name = f"{method} {path} ({operation.get('operationId', '?')})"
        if (method, path) not in served:
            report.missing.append(name)
            continue
        mine, my_shared = served[method, path]
        if mine.get("x-status") == "planned":
            report.planned.append(name)
            continue
        problems = list(_problems(their_side, our_side, operation, shared, mine, my_shared))
        if problems:
            report.differences[name] = problems
        else:
            report.clean.append(name)
    return report


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], list[Any]]]:
    """Every operation: method, path without names, itself, and the parameters that its path shares."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), nameless(path), operation, item.get("parameters", [])


def nameless(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path.rstrip("/"))


class Side:
    """One of the two documents."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def deref(self, node: Any) -> Any:
        for _ in range(20):
            if not (isinstance(node, dict) and "$ref" in node):
                break
            target: Any = self.document
            for part in node["$ref"].lstrip("#/").split("/"):
                target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
            node = target
        return node or {}

    def flat(self, node: Any) -> "Flat":
        """Merge `allOf` and its like, and drop the alternative null."""
        flat = Flat()
        parts = [node]
        while parts:
            part = self.deref(parts.pop())
            if not isinstance(part, dict):
                continue
            for key in ("allOf", "anyOf", "oneOf"):
                parts.extend(part.get(key, []))
            flat.add(part)
        return flat


@dataclass
class Flat:
    """What a schema allows, its alternatives together."""

    types: set[str] = field(default_factory=set)
    properties: dict[str, Any] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    items: Any = None
    words: set[str] = field(default_factory=set)
    free_text: bool = False

    def add(self, part: dict[str, Any]) -> None:
        kinds = part.get("type") or []
        kinds = [kinds] if isinstance(kinds, str) else kinds
        self.types |= {"number" if kind == "integer" else kind for kind in kinds if kind != "null"}
        values = part.get("enum", []) + ([part["const"]] if "const" in part else [])
        words = {value for value in values if isinstance(value, str)}
        self.words |= words
        if words and not kinds:
            self.types.add("string")
        if "string" in kinds and not values:
            self.free_text = True
        if part.get("properties"):
            self.types.add("object")
            self.properties.update(part["properties"])
        self.required.update(part.get("required", []))
        if part.get("items") is not None:
            self.types.add("array")
            self.items = part["items"]
        if part.get("additionalProperties") not in (None, False):
            self.types.add("object")


def _problems(
    theirs: Side, ours: Side, operation: dict[str, Any], shared: list[Any], mine: dict[str, Any], my_shared: list[Any]
) -> Iterator[str]:
    want, have = _successes(operation), _successes(mine)
    if want and not want & have:
        yield f"success status {sorted(want)} expected, {sorted(have)} found"
    taken = {(p.get("in"), p.get("name", "").lower()) for p in map(ours.deref, my_shared + mine.get("parameters", []))}
    for parameter in map(theirs.deref, shared + operation.get("parameters", [])):
        if parameter.get("in") == "query" and ("query", parameter["name"].lower()) not in taken:
            yield f"query parameter {parameter['name']}: missing"
    comparison = Comparison(theirs, ours)
    body = _schema(theirs.deref(operation.get("requestBody", {})))
    my_body = _schema(ours.deref(mine.get("requestBody", {})))
    if body is not None and theirs.flat(body).properties:
        yield from comparison.differences(body, my_body, "body", reply=False)
        extra = ours.flat(my_body).required - theirs.flat(body).required
        if extra:
            yield f"body requires {sorted(extra)}, optional in the contract"
    for code in sorted(want & have)[:1]:
        answer, my_answer = (_schema(side.deref(its["responses"][code])) for side, its in ((theirs, operation), (ours, mine)))
        yield from comparison.differences(answer, my_answer, code, reply=True)


def _successes(operation: dict[str, Any]) -> set[str]:
    return {code for code in operation.get("responses", {}) if code.startswith("2")}


def _schema(node: dict[str, Any]) -> Any:
    content = node.get("content") or {}
    for kind in ("application/json", "*/*", "text/plain", "application/octet-stream"):
        if kind in content:
            return content[kind].get("schema")
    return next(iter(content.values()), {}).get("schema") if content else None


class Comparison:
    """Every property of their schema must be in ours with a type that fits. A pair of schemas is looked at once."""

    def __init__(self, theirs: Side, ours: Side) -> None:
        self._theirs = theirs
        self._ours = ours
        self._seen: set[tuple[str, str, bool]] = set()

    def differences(self, their: Any, our: Any, where: str, *, reply: bool, depth: int = 0) -> Iterator[str]:
        key = (json.dumps(their, sort_keys=True)[:400], json.dumps(our, sort_keys=True)[:400], reply)
        if their is None or key in self._seen or depth > MAX_DEPTH:
            return
        self._seen.add(key)
        node = self._theirs.deref(their)
        expected, found = self._theirs.flat(their), self._ours.flat(our)
        wire = node.get("x-wire") or (their.get("x-wire") if isinstance(their, dict) else None)
        if wire:
            if found.types != {WIRE_TYPES[wire]}:
                yield f"{where}: {wire} expected, {'|'.join(sorted(found.types)) or 'no type'} found"
            return
        if expected.types and not expected.types & found.types:
            kinds = "|".join(sorted(expected.types))
            yield f"{where}: type {kinds} expected, {'|'.join(sorted(found.types)) or 'no type'} found"
            return
        yield from _word_differences(expected, found, where, reply=reply)
        for name, inner in expected.properties.items():
            if name not in found.properties:
                yield f"{where}.{name}: missing"
            else:
                yield from self.differences(inner, found.properties[name], f"{where}.{name}", reply=reply, depth=depth + 1)
        if expected.items is not None and self._theirs.flat(expected.items).types:
            if found.items is None:
                yield f"{where}[]: items have no type"
            else:
                yield from self.differences(expected.items, found.items, f"{where}[]", reply=reply, depth=depth + 1)


def _word_differences(expected: Flat, found: Flat, where: str, *, reply: bool) -> Iterator[str]:
    if not expected.words or expected.free_text:
        return
    anything = found.free_text or not found.words
    if reply and anything:
        yield f"{where}: enum expected, free text found"
    elif reply and found.words - expected.words:
        yield f"{where}: values {sorted(found.words - expected.words)} are not in the contract"
    elif not anything and expected.words - found.words:
        yield f"{where}: values {sorted(expected.words - found.words)} are not accepted"


def main(arguments: list[str]) -> int:
    contract, ours = (json.loads(Path(name).read_text(encoding="utf-8")) for name in arguments if not name.startswith("--"))
    report = check(contract, ours)
    if "--list" in arguments:
        for name in report.missing:
            print(f"{name}\n    operation missing")
        for name in report.planned:
            print(f"{name}\n    planned")
        for name, problems in report.differences.items():
            print("\n    ".join([name, *problems]))
    present = len(report.clean) + len(report.differences)
    print(f"{present}/{report.total} operations present ({len(report.planned)} more planned), {len(report.clean)} without a difference")
    return 0 if len(report.clean) == report.total else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
