"""No request to the public API, however wrong, is answered with 500: every operation of its document is asked with garbage."""

import httpx
import pytest
from sqlalchemy import select, text

from exclave.domain.orgs import keys
from exclave.kit.context import Ctx
from exclave.kit.db import Encrypted, Row
from exclave.server import wiring
from tests import factories
from tests.api import garbage
from tests.factories_full_run import everything_around_a_run

DOCUMENT = wiring.document("public")

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
        await sealed(ctx, org.id)
        for parameter, table in TABLES.items():
            row = (await ctx.db.execute(text(f"select id from {table} where org_id = :org order by id limit 1"), {"org": org.id})).first()
            found[parameter] = row[0] if row else "x" * 26
    return org, found


async def sealed(ctx: Ctx, org_id: str) -> None:
    """Seal what the factories left open, so that verbs can read it."""
    for mapper in Row.registry.mappers:
        for column in mapper.columns:
            if column.type is Encrypted or isinstance(column.type, Encrypted):
                for row in (await ctx.db.execute(select(mapper.class_).where(mapper.class_.org_id == org_id))).scalars():
                    setattr(row, column.key, await keys.seal(ctx, row, column.key, b"{}"))


@pytest.mark.parametrize(("method", "path", "operation"), garbage.operations(DOCUMENT))
async def test_garbage_is_never_answered_with_500(client_of, ground, method, path, operation):
    org, ids = ground
    async with client_of(org.token) as client:
        await garbage.assert_never_500(client, method, garbage.requests(DOCUMENT, path, operation, ids))


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


async def test_a_body_that_breaks_off_is_no_failure_of_ours(public_app, runtime, caplog):
    org = await factories.org(runtime)
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "", "query_string": b""},
        **{"method": "POST", "path": "/v1/apps", "raw_path": b"/v1/apps", "client": ("127.0.0.1", 1), "server": ("exclave.test", 80)},
        "headers": [(b"authorization", f"Bearer {org.token}".encode()), (b"content-length", b"100")],
    }
    told = iter([{"type": "http.request", "body": b'{"name": "', "more_body": True}, {"type": "http.disconnect"}])
    sent = []

    async def receive():
        return next(told)

    async def send(message):
        sent.append(message)

    await public_app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert b"the body broke off after 10 bytes" in sent[1]["body"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
