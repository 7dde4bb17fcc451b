"""No request, however wrong, is answered with 500: every operation of our own document is asked with garbage.

The ids in the paths are once real ones, so that the bodies reach the verbs, and once garbage themselves.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_from_bytes

import httpx
import pytest
from sqlalchemy import select, text

from exclave.domain.orgs import keys
from exclave.kit.context import Ctx
from exclave.kit.db import Encrypted, Row
from exclave.server import wiring
from tests import factories
from tests.factories_full_run import everything_around_a_run

DOCUMENT = wiring.document("public")
OPERATIONS = [
    pytest.param(method.upper(), path, operation, id=f"{method.upper()} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if operation.get("x-status") != "planned"
]

# Parameter of a path -> the table of what it names.
TABLES = {
    "app_id": "apps", "app_config_id": "app_configs", "config_id": "app_configs", "component_id": "components",
    "component_name_or_id": "components", "install_id": "installs", "workflow_id": "install_workflows", "step_id": "install_workflow_steps",
    "install_workflow_id": "install_workflows", "install_workflow_step_id": "install_workflow_steps",
    "approval_id": "install_workflow_step_approvals", "runner_id": "runners", "runner_job_id": "runner_jobs", "job_id": "runner_jobs",
    "action_id": "action_workflows", "action_workflow_id": "action_workflows", "action_config_id": "action_workflow_configs",
    "action_workflow_config_id": "action_workflow_configs", "deploy_id": "install_deploys", "build_id": "component_builds",
    "log_stream_id": "log_streams", "run_id": "install_sandbox_runs", "workflow_run_id": "install_action_workflow_runs",
    "workspace_id": "terraform_workspaces", "state_id": "terraform_workspace_states", "connection_id": "vcs_connections",
    "input_config_id": "app_input_configs",
}  # fmt: skip

LONG = "x" * 10_000
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


@pytest.fixture
def client_of(public_app):
    transport = httpx.ASGITransport(app=public_app, raise_app_exceptions=False)
    return lambda token: httpx.AsyncClient(
        transport=transport, base_url="http://exclave.test", headers={"Authorization": f"Bearer {token}"}
    )


@pytest.fixture
async def ground(runtime) -> tuple[factories.OrgWithToken, dict[str, str]]:
    """An org in which one of everything exists, and the id of one of each kind."""
    org = await factories.org(runtime)
    await everything_around_a_run(runtime, org)
    found = {}
    async with runtime.sweep() as ctx:
        await _sealed(ctx, org.id)
        for parameter, table in TABLES.items():
            row = (await ctx.db.execute(text(f"select id from {table} where org_id = :org order by id limit 1"), {"org": org.id})).first()
            found[parameter] = row[0] if row else "x" * 26
    return org, found


async def _sealed(ctx: Ctx, org_id: str) -> None:
    """Seal what the factories left open, so that verbs can read it."""
    for mapper in Row.registry.mappers:
        for column in mapper.columns:
            if column.type is Encrypted or isinstance(column.type, Encrypted):
                for row in (await ctx.db.execute(select(mapper.class_).where(mapper.class_.org_id == org_id))).scalars():
                    setattr(row, column.key, await keys.seal(ctx, row, column.key, b"{}"))


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
async def test_garbage_is_never_answered_with_500(client_of, ground, method, path, operation):
    org, ids = ground
    async with client_of(org.token) as client:
        bad = []
        for url, content in requests(path, operation, ids):
            answer = await client.request(method, url, content=content, headers={"Content-Type": "application/json"}, timeout=60)
            if answer.status_code >= 500:
                bad.append(f"{answer.status_code} {url[:150]} {(content or b'')[:120]!r}")
            elif answer.status_code >= 400:
                problem = answer.json()
                assert problem.get("description") or problem.get("error"), (url, content, answer.text)
        assert not bad, "\n".join(bad[:5]) + f"\n{len(bad)} in all"


def requests(path: str, operation: dict[str, Any], ids: dict[str, str]) -> Iterator[tuple[str, bytes | None]]:
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
        schema = body["content"]["application/json"]["schema"]
        yield from ((real, document) for document in documents(schema))


def documents(schema: Any) -> Iterator[bytes]:
    """Bodies of the right shape whose values are hostile, and bodies in which one field has the wrong type."""
    for string in STRINGS:
        yield json.dumps(_filled(schema, string, 1, depth=0)).encode()
    for number in NUMBERS:
        yield json.dumps(_filled(schema, "a", number, depth=0)).encode()
    fine = _filled(schema, "a", 1, depth=0)
    for key in fine if isinstance(fine, dict) else ():
        for wrong in (None, [], {}, 1, "a", True, [None], {"": None}, [[[]]]):
            yield json.dumps({**fine, key: wrong}).encode()


def _filled(schema: Any, string: str, number: Any, *, depth: int) -> Any:
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if depth > 6:
        return None
    if "enum" in schema:
        return string
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return _filled(choice, string, number, depth=depth + 1)
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {key: _filled(value, string, number, depth=depth + 1) for key, value in schema["properties"].items()}
        case "object":
            values = schema.get("additionalProperties")
            return {string[:100]: _filled(values, string, number, depth=depth + 1) if isinstance(values, dict) else string}
        case "array":
            return [_filled(schema.get("items", {}), string, number, depth=depth + 1)] * 2
        case "integer" | "number":
            return number
        case "boolean":
            return True
    return string


async def test_a_body_of_20_mb_is_413(client):
    answer = await client.post("/v1/apps", content=b'{"name": "' + b"x" * 20_000_000 + b'"}')
    assert answer.status_code == 413
    assert "20000012 bytes" in answer.json()["description"]


async def test_a_body_without_length_is_413_as_soon_as_it_is_too_long(client):
    async def endless():
        for _ in range(1000):
            yield b"x" * 100_000

    assert (await client.post("/v1/apps", content=endless())).status_code == 413


@pytest.mark.parametrize("body", [b"{", b"not json", b'{"name": }', b"\xff", b'{"name": "a"} trailing'])
async def test_broken_json_is_400_and_says_so(client, body):
    answer = await client.post("/v1/apps", content=body)
    assert answer.status_code == 400
    assert "invalid request format" in answer.json()["description"]


async def test_a_wrong_method_is_405_and_an_unknown_path_404(client):
    wrong = await client.delete("/v1/account")
    assert (wrong.status_code, wrong.json()["user_error"]) == (405, True)
    assert "method" in wrong.json()["description"]
    unknown = await client.get("/v1/nothing")
    assert unknown.status_code == 404
    assert "/docs" in unknown.json()["description"]
