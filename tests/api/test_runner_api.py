"""The runner API as runners use it, official ones and ours: success codes, the whole life of a job, and whose things are whose."""

import base64
import gzip
import json

import httpx
import pytest

from exclave.kit.context import Runtime
from exclave.server import wiring
from tests.contract import answers
from tests.contract.test_openapi import the_contract
from tests.domain.logs.otlp import export
from tests.domain.runners.fleet import Fleet, fleet

OURS, CONTRACT = wiring.document("runner"), the_contract("runner")


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


@pytest.fixture
async def api(home, runner_client_of):
    """A runner's client, whose every success is what the contract and our own document say."""
    async with runner_client_of(home.token) as client:
        client.event_hooks["response"].append(is_documented)
        yield client


async def is_documented(answer: httpx.Response) -> None:
    await answer.aread()
    if answer.is_success and answer.headers.get("content-type", "").startswith("application/json"):
        asked = (answer.request.method, answer.request.url.path, answer.status_code, answer.json())
        assert answers.faults(OURS, *asked, keys=True) == []
        if not asked[1].endswith(("/claims", "/renew")):  # these are ours
            assert answers.faults(CONTRACT, *asked, keys=False) == []


async def test_settings_are_never_empty(home, api):
    answer = await api.get(f"/v1/runners/{home.runner.id}/settings")
    assert answer.status_code == 200
    settings = answer.json()
    assert settings["logging_level"] == "INFO"
    assert settings["heart_beat_timeout"] == 5_000_000_000
    assert settings["metadata"]["org.id"] == home.org.id
    assert settings["platform"] == ""


async def test_a_runner_reads_itself_with_its_group(home, api):
    runner = (await api.get(f"/v1/runners/{home.runner.id}")).json()
    assert runner["runner_group"]["settings"]["runner_group_id"] == runner["runner_group_id"]


async def test_a_heartbeat_is_taken(home, api):
    answer = await api.post(
        f"/v1/runners/{home.runner.id}/heart-beats", json={"alive_time": 10_000_000_000, "version": "v1", "process": "install"}
    )
    assert answer.status_code == 201
    assert answer.json()["process"] == "install"
    assert (await api.get(f"/v1/runners/{home.runner.id}")).json()["status"] == "active"
    check = await api.post(f"/v1/runners/{home.runner.id}/health-checks", json={"process": "install"})
    assert (check.status_code, check.json()["status_code"]) == (201, 0)


async def test_the_life_of_a_job_with_an_official_runner(home, api):
    workspace = await home.workspace()
    first = await home.terraform_job(workspace)
    await home.job()
    waiting = await api.get(f"/v1/runners/{home.runner.id}/jobs", params={"group": "sandbox", "status": "available"})
    assert [job["id"] for job in waiting.json()] == [first.id]
    plan = await api.get(f"/v1/runner-jobs/{first.id}/plan")
    assert (plan.status_code, plan.headers["content-type"].split(";")[0]) == (200, "text/plain")
    assert json.loads(plan.text)["terraform_backend"]["workspaceID"] == workspace.id

    claimed = await api.post(f"/v1/runner-jobs/{first.id}/executions", json={}, headers={"X-Nuon-Client-Version": "runner:1.2"})
    assert claimed.status_code == 201
    execution = claimed.json()
    assert (execution["status"], execution["metadata"]) == ("pending", {"client.version": "runner:1.2"})
    assert (await api.post(f"/v1/runner-jobs/{first.id}/executions", json={})).status_code == 409
    assert (await api.get(f"/v1/runners/{home.runner.id}/jobs", params={"group": "sandbox"})).json() == []

    path = f"/v1/runner-jobs/{first.id}/executions/{execution['id']}"
    for status in ("initializing", "initializing", "in-progress"):
        assert (await api.patch(path, json={"status": status})).status_code == 200
    logged = await api.post(
        f"/v1/log-streams/{first.log_stream_id}/logs",
        content=export(["planning"], execution_id=execution["id"], first_seq=None),
        headers={"content-type": "application/x-protobuf"},
    )
    assert (logged.status_code, logged.json()) == (201, "ok")
    result = {
        "success": True,
        "contents_compressed": base64.urlsafe_b64encode(b"PK plan file").decode(),
        "contents_display_compressed": base64.urlsafe_b64encode(gzip.compress(b"{}")).decode(),
    }
    assert (await api.post(f"{path}/result", json=result)).status_code == 201
    outputs = await api.post(f"{path}/outputs", json={"outputs": {"url": "https://x", "n": None}})
    assert (outputs.status_code, outputs.json()["outputs"]) == (201, {"url": "https://x", "n": None})
    for status in ("cleaning-up", "finished"):
        assert (await api.patch(path, json={"status": status})).json()["status"] == status
    job = (await api.get(f"/v1/runner-jobs/{first.id}")).json()
    assert (job["status"], job["execution_count"], job["outputs"]) == ("finished", 1, {"url": "https://x", "n": None})
    assert [each["id"] for each in job["executions"]] == [execution["id"]]
    assert (await api.patch(path, json={"status": "failed"})).status_code == 409
    assert [each["id"] for each in (await api.get(f"/v1/runner-jobs/{first.id}/executions")).json()] == [execution["id"]]


async def test_the_life_of_a_job_with_our_runner(home, api):
    job = await home.job()
    claim = (await api.post(f"/v1/runners/{home.runner.id}/claims", json={"groups": ["deploy"], "wait_seconds": 0})).json()
    assert claim["job"]["id"] == job.id
    path = f"/v1/runner-jobs/{job.id}/executions/{claim['lease']['execution_id']}"
    renewed = await api.post(f"{path}/renew")
    assert (renewed.status_code, renewed.json()["job_status"]) == (200, "in-progress")
    await api.patch(path, json={"status": "finished"})
    late = await api.post(f"{path}/renew")
    assert (late.status_code, late.headers["x-exclave-error"]) == (409, "stale_epoch")
    empty = await api.post(f"/v1/runners/{home.runner.id}/claims", json={"groups": ["deploy"], "wait_seconds": 0})
    assert (empty.status_code, empty.content) == (204, b"")


async def test_a_runner_is_told_nothing_of_another(home, runner_client_of):
    other, stranger = await fleet(home.runtime, home.org), await fleet(home.runtime)
    job, waiting = await home.job(), await home.job()
    workspace = await home.workspace()
    execution = (await home.claim()).execution.id
    path = f"/v1/runner-jobs/{job.id}"
    calls = [
        ("GET", f"/v1/runners/{home.runner.id}", None),
        ("GET", f"/v1/runners/{home.runner.id}/settings", None),
        ("GET", f"/v1/runners/{home.runner.id}/jobs", None),
        ("POST", f"/v1/runners/{home.runner.id}/claims", {"groups": ["deploy"], "wait_seconds": 0}),
        ("POST", f"/v1/runners/{home.runner.id}/heart-beats", {"alive_time": 1}),
        ("POST", f"/v1/runners/{home.runner.id}/health-checks", {}),
        ("GET", path, None),
        ("PATCH", path, {"status": "finished"}),
        ("GET", f"{path}/plan", None),
        ("GET", f"{path}/executions", None),
        ("GET", f"{path}/executions/{execution}", None),
        ("POST", f"/v1/runner-jobs/{waiting.id}/executions", {}),
        ("PATCH", f"{path}/executions/{execution}", {"status": "finished"}),
        ("POST", f"{path}/executions/{execution}/renew", {}),
        ("POST", f"{path}/executions/{execution}/result", {"success": True}),
        ("POST", f"{path}/executions/{execution}/outputs", {"outputs": {}}),
        ("POST", f"/v1/log-streams/{job.log_stream_id}/logs", None),
        ("GET", f"/v1/terraform-backend?workspace_id={workspace.id}", None),
        ("POST", f"/v1/terraform-workspaces/{workspace.id}/lock", {"ID": "x"}),
        ("POST", f"/v1/terraform-workspaces/{workspace.id}/unlock", {"ID": "x"}),
        ("POST", f"/v1/terraform-workspaces/{workspace.id}/state-json", {}),
        ("GET", f"/v1/terraform-workspaces/{workspace.id}", None),
    ]
    lease = (await fresh_lease(other)).token
    for token in (other.token, stranger.token, lease):
        async with runner_client_of(token) as client:
            for method, where, body in calls:
                answer = await client.request(method, where, json=body)
                assert answer.status_code == 404, (method, where, answer.text)


async def fresh_lease(home: Fleet):
    await home.job()
    return (await home.claim()).lease


async def test_the_token_of_one_job_does_nothing_but_its_state(home, runner_client_of):
    job = await home.job()
    lease = (await home.claim()).lease
    async with runner_client_of(lease.token) as client:
        for method, path, body in (
            ("GET", f"/v1/runners/{home.runner.id}/settings", None),
            ("POST", f"/v1/runners/{home.runner.id}/claims", {"groups": ["deploy"], "wait_seconds": 0}),
            ("GET", f"/v1/runner-jobs/{job.id}/plan", None),
            ("GET", f"/v1/runner-jobs/{job.id}", None),
            ("PATCH", f"/v1/runner-jobs/{job.id}/executions/{lease.execution_id}", {"status": "finished"}),
            ("POST", f"/v1/runner-jobs/{job.id}/executions/{lease.execution_id}/result", {"success": True}),
            ("POST", f"/v1/log-streams/{job.log_stream_id}/logs", None),
        ):
            assert (await client.request(method, path, json=body)).status_code == 404, (method, path)


async def test_people_neither_read_plans_nor_claim_on_the_runner_api(home, runner_client_of):
    job = await home.job(plan={})
    workspace = await home.workspace()
    async with runner_client_of(home.org.token) as client:
        assert (await client.get(f"/v1/runner-jobs/{job.id}/plan")).status_code == 403
        assert (await client.get(f"/v1/terraform-backend?workspace_id={workspace.id}")).status_code == 403
        claim = await client.post(f"/v1/runners/{home.runner.id}/claims", json={"groups": ["deploy"], "wait_seconds": 0})
        assert claim.status_code == 403
        assert (await client.post(f"/v1/runner-jobs/{job.id}/executions", json={})).status_code == 403


async def test_without_a_token_nothing_is_served(home, runner_client_of):
    async with runner_client_of("") as client:
        assert (await client.get(f"/v1/runners/{home.runner.id}/settings")).status_code == 401


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"contents_compressed":"%%%"}', b'{"contents_display_compressed":"bm8gZ3ppcA=="}', b'{"success":"maybe"}']
)
async def test_a_bad_result_is_the_callers_mistake(home, api, body):
    job = await home.job()
    lease = (await home.claim()).lease
    answer = await api.post(f"/v1/runner-jobs/{job.id}/executions/{lease.execution_id}/result", content=body)
    assert answer.status_code == 400
