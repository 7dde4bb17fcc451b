"""Wrong requests to every operation of an OpenAPI document of ours: paths, queries and bodies that nobody means.

The ids in the paths are once real ones, so that the bodies reach the verbs, and once garbage themselves.
"""

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_from_bytes

import httpx
import pytest

Document = Mapping[str, Any]
Wrong = tuple[str, bytes | None]
"""A URL and a body."""

# Nothing in it repeats: PostgreSQL packs what does, and an index then takes it however long it is.
LONG = f"{random.Random(1).getrandbits(40_000):x}"
PATH_GARBAGE = [
    "%00", "a%00b", "%ff%fe", "%c3%28", quote("'; drop table apps; --"), quote("ключ\u202e🦊"), "..%2f..%2fetc", "%20", LONG[:4000],
    "x" * 26, "inl" + "0" * 23, "-1", "%25s%25n", "null", quote_from_bytes(bytes(range(1, 32))),
]  # fmt: skip
STRINGS = [
    "",
    LONG,
    "a\x00b",
    "\x00",
    "null",
    "%s%n{{.}}{{",
    "\u202e🦊",
    "-1",
    "9" * 400,
    "../../etc/passwd",
    "{{ .nuon.inputs",
    "\n\r\t\x1b[0m",
]
NUMBERS = [-1, 0, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, 1.5, 1e308]
RAW = [
    b"", b" ", b"{}", b"[]", b"null", b"0", b'""', b"true", b"{", b"[{}]", b'{"a":', b"\xff\xfe", b"\x00", b'{"name": "\\ud800"}',
    b'{"name": "\xff"}', b'{"name": 1e999}', b"[" * 5_000, b'{"a":' * 5_000, b"not json", b'{"name": "a", "name": ["b"]}',
]  # fmt: skip
QUERIES = [
    "limit=-1&offset=-1&page=-1", "limit=99999999999999999999&offset=99999999999999999999",
    "limit=2147483647&offset=2147483647&page=2147483647",
    "limit=1e9&offset=x&page=%00",
    "limit=&offset=&page=", "page=9223372036854775807", "org_id=%00", "token=%00", "limit=%ff", "a[]=1&a[]=2&&=",
]  # fmt: skip


def operations(document: Document) -> list[Any]:
    """Every served operation of a document as (method, path, operation), for `pytest.mark.parametrize`."""
    return [
        pytest.param(method.upper(), path, operation, id=f"{method.upper()} {path}")
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("x-status") != "planned"
    ]


async def assert_never_500(client: httpx.AsyncClient, method: str, wrong: Iterable[Wrong], *, media: str = "application/json") -> None:
    """Send them all: what is refused is refused with the error body, and never as our own failure."""
    bad = []
    for url, content in wrong:
        answer = await client.request(method, url, content=content, headers={"Content-Type": media}, timeout=60)
        if answer.status_code >= 500:
            bad.append(f"{answer.status_code} {url[:150]} {(content or b'')[:120]!r}")
        elif answer.status_code >= 400 and answer.status_code != 423:  # that one has the lock, as Terraform reads it
            problem = answer.json()
            assert problem.get("description") or problem.get("error"), (url, content, answer.text)
    assert not bad, "\n".join(bad[:5]) + f"\n{len(bad)} in all"


def requests(document: Document, path: str, operation: Mapping[str, Any], ids: Mapping[str, str]) -> Iterator[Wrong]:
    """Wrong requests to one operation: URL and body."""
    names = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
    queries = [p["name"] for p in operation["parameters"] if p["in"] == "query"]
    body = operation.get("requestBody")
    real = path.format(**{name: ids.get(name, "main") for name in names})
    if path.endswith("/tail") or path.endswith("/watch"):
        real += "?after=&offset=9"  # these wait for news: only their garbage is asked here
    else:
        yield from ((f"{real}?{query}", None) for query in QUERIES)
        for name in queries:
            yield from ((f"{real}?{name}={quote(value)}", None) for value in ("", "\x00", LONG[:4000], "-1", "9" * 30, "☃", "a,b,,c"))
    for garbage in PATH_GARBAGE if names else ():
        yield path.format(**dict.fromkeys(names, garbage)), b"{}" if body else None
        last = {name: ids.get(name, "main") for name in names} | {names[-1]: garbage}
        yield path.format(**last), b"{}" if body else None
    if body:
        yield from ((real, raw) for raw in RAW)
        for content in body["content"].values():
            yield from ((real, filled) for filled in bodies(document, content["schema"]))


def bodies(document: Document, schema: Any) -> Iterator[bytes]:
    """Bodies of the right shape whose values are hostile, and bodies in which one field has the wrong type."""
    for string in STRINGS:
        yield json.dumps(filled(document, schema, string, 1, depth=0)).encode()
    for number in NUMBERS:
        yield json.dumps(filled(document, schema, "a", number, depth=0)).encode()
    fine = filled(document, schema, "a", 1, depth=0)
    for key in fine if isinstance(fine, dict) else ():
        for wrong in (None, [], {}, 1, "a", True, [None], {"": None}, [[[]]]):
            yield json.dumps({**fine, key: wrong}).encode()


def filled(document: Document, schema: Any, string: str, number: Any, *, depth: int) -> Any:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if depth > 6:
        return None
    if "enum" in schema:
        return string
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return filled(document, choice, string, number, depth=depth + 1)
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {key: filled(document, value, string, number, depth=depth + 1) for key, value in schema["properties"].items()}
        case "object":
            values = schema.get("additionalProperties")
            return {string[:100]: filled(document, values, string, number, depth=depth + 1) if isinstance(values, dict) else string}
        case "array":
            return [filled(document, schema.get("items", {}), string, number, depth=depth + 1)] * 2
        case "integer" | "number":
            return number
        case "boolean":
            return True
    return string
