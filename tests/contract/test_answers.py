"""What our server really answers is what our document says, to the last key, and fits the contract."""

import httpx
import pytest

from exclave.domain.vcs.models import VCSConnection
from exclave.server import wiring
from tests import factories
from tests.contract import answers, seeded
from tests.contract.replay import Replay
from tests.contract.test_openapi import listed_differences, the_contract

OURS = wiring.document("public")
CONTRACT = the_contract("public")
READS = sorted(path for path, methods in OURS["paths"].items() if "get" in methods and methods["get"].get("x-status") != "planned")

# What a read needs beyond its path.
QUERIES = {
    "/v1/builds": "app_id={app_id}",
    "/v1/general/config-schema": "type=full",
    "/v1/installs/{install_id}/audit_logs": "start=2020-01-01T00:00:00Z&end=2040-01-01T00:00:00Z",
    "/v1/installs/{install_id}/sandbox-runs": "expand=all",
    "/v1/installs/{install_id}/sandbox-runs/{run_id}": "expand=all",
    "/v1/log-streams": "of={install_id}",
    "/v1/terraform-backend": "workspace_id={workspace_id}",
}
# Reads that have nothing to show here, and why.
NOT_REACHED = {
    "/v1/installs/{install_id}/events/{event_id}": "nothing writes events",
    "/v1/log-streams/{log_stream_id}/logs/tail": "a stream that does not end",
    "/v1/workflows/{workflow_id}/watch": "waits for news",
}


@pytest.fixture(scope="module")
async def everything(runtime, public_app):
    org = await factories.org(runtime)
    transport = httpx.ASGITransport(app=public_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://exclave.test", headers={"Authorization": f"Bearer {org.token}"}
    ) as client:
        async with runtime.sweep() as ctx:
            ctx.db.add(VCSConnection(org_id=org.id, github_install_id=org.id, github_account_id="1", github_account_name="acme"))
        replay = Replay(client, runtime, org, (), {})
        await seeded.seed(replay, "cli-installs-sync")
        yield replay


@pytest.mark.parametrize("path", [path for path in READS if path not in NOT_REACHED])
async def test_every_key_of_an_answer_is_documented(everything, path):
    async with everything.runtime.sweep() as ctx:
        template = f"{path}?{QUERIES[path]}" if path in QUERIES else path.replace("{cloud_platform}", "aws")
        urls = await seeded.paths(ctx, template, everything.org.id)
    reached = await seeded.successes(everything.client, urls)
    assert reached, f"nothing at {urls}"
    for url, answer in reached:
        if not answer.content or "json" not in answer.headers["content-type"]:
            continue
        body = answer.json()
        assert answers.faults(OURS, "GET", url, answer.status_code, body, keys=True) == []
        if "get" in CONTRACT["paths"].get(path, {}):
            allowed = listed_differences("public").get(CONTRACT["paths"][path]["get"]["operationId"], [])
            found = answers.faults(CONTRACT, "GET", url, answer.status_code, body, keys=False)
            assert [fault for fault in found if fault not in allowed] == []


DOCUMENT = {
    "paths": {
        "/v1/x/{x_id}": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/X"}}}}}}}
    },
    "components": {
        "schemas": {
            "X": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "kind": {"enum": ["a", "b"]},
                    "inner": {"anyOf": [{"$ref": "#/components/schemas/X"}, {"type": "null"}]},
                    "free": {"type": "object", "additionalProperties": {}},
                    "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
                },
            }
        }
    },
}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"id": "1", "kind": "a", "inner": None, "free": {"any": [1]}, "counts": {"n": 1}}, []),
        ({"secret": 1}, ["200.secret: not documented"]),
        ({"inner": {"inner": {"secret": 1}}}, ["200.inner.inner.secret: not documented"]),
        ({"id": 1}, ["200.id: type string expected, number found"]),
        ({"kind": "c"}, ["200.kind: 'c' is not one of ['a', 'b']"]),
        ({"counts": {"n": "1"}}, ["200.counts.*: type number expected, string found"]),
        ([], ["200: type object expected, array found"]),
    ],
)
def test_the_check_finds_what_an_answer_has_beyond_its_document(body, found):
    assert answers.faults(DOCUMENT, "GET", "/v1/x/1", 200, body, keys=True) == found
