"""Runners, jobs and workspaces as people see them."""

import json

import pytest

from exclave.domain.jobs import executions
from exclave.domain.runners import service as runners
from exclave.domain.runners import sweep
from exclave.domain.workspaces import service as workspaces
from exclave.kit.context import Runtime
from tests.domain.runners.fleet import Fleet, fleet, sandbox_plan


@pytest.fixture
async def home(runtime: Runtime, org) -> Fleet:
    return await fleet(runtime, org)


async def beat(home: Fleet, process: str) -> None:
    async with home.runtime.request(home.actor) as ctx:
        await runners.beat(ctx, home.runner.id, process, "1.0.0", 5_000_000_000)


async def test_how_a_runner_is(home, client):
    where = f"/v1/runners/{home.runner.id}"
    assert (await client.get(f"{where}/card-details")).status_code == 404
    assert (await client.get(f"{where}/connected")).json() == {"connected": False, "latest_heartbeat_timestamp": 0}
    await beat(home, "mng")
    await beat(home, "install")
    assert (await client.get(f"{where}/connected")).json()["connected"] is True
    assert (await client.get(f"{where}/latest-heart-beat")).json()["process"] == "install"
    assert set((await client.get(f"{where}/heart-beats/latest")).json()) == {"mng", "install"}
    card = (await client.get(f"{where}/card-details")).json()
    assert card["runner"]["status"] == "active"
    assert card["runner"]["runner_group"]["settings"]["logging_level"] == "INFO"
    await sweep.check(home.runtime)
    checks = (await client.get(f"{where}/recent-health-checks", params={"window": "1h"})).json()
    assert {(check["process"], check["status_code"]) for check in checks} == {("mng", 0), ("install", 0)}
    assert (await client.get(f"{where}/recent-health-checks", params={"window": "soon"})).status_code == 400


async def test_settings_are_changed_within_their_bounds(home, client):
    where = f"/v1/runners/{home.runner.id}/settings"
    changed = await client.patch(where, json={"container_image_tag": "v2", "aws_max_instance_lifetime": 90_000})
    assert changed.status_code == 200
    settings = (await client.get(where)).json()
    assert (settings["container_image_tag"], settings["aws_max_instance_lifetime"]) == ("v2", 90_000)
    assert (await client.patch(where, json={"aws_max_instance_lifetime": 5})).status_code == 400


async def test_a_job_and_its_plan_without_secrets(home, client):
    job = await home.job(plan=sandbox_plan("w", vars={"password": "canary-1"}, sensitive_vars=["password"]), type="sandbox-terraform")
    claim = await home.claim()
    body = b'{"outputs":{"url":"u","key":"canary-2"},"sensitive":["key"]}'
    async with home.runtime.request(home.actor) as ctx:
        await executions.give_outputs(ctx, job.id, claim.execution.id, body)
    answers = [
        await client.get(path)
        for path in (
            f"/v1/runner-jobs/{job.id}",
            f"/v1/runners/{home.runner.id}/jobs/{job.id}",
            f"/v1/runner-jobs/{job.id}/plan",
            f"/v1/runner/{home.runner.id}/jobs/{job.id}/plan",
            f"/v1/runner-jobs/{job.id}/composite-plan",
            f"/v1/runner-jobs/{job.id}/executions",
            f"/v1/runners/{home.runner.id}/jobs",
        )
    ]
    assert [answer.status_code for answer in answers] == [200] * 7
    assert not any("canary" in answer.text for answer in answers)
    assert answers[0].json()["outputs"] == {"url": "u", "key": "********"}
    assert answers[4].json()["sandbox_run_plan"]["vars"] == {"password": "********"}


async def test_jobs_by_group_and_status(home, client):
    build, deploy = await home.job(type="noop-build", operation="build"), await home.job()
    where = f"/v1/runners/{home.runner.id}/jobs"
    assert [job["id"] for job in (await client.get(where)).json()] == [deploy.id, build.id]
    assert [job["id"] for job in (await client.get(where, params={"groups": "build,sync"})).json()] == [build.id]
    assert (await client.get(where, params={"status": "finished"})).json() == []


async def test_a_job_is_cancelled(home, client):
    job = await home.job()
    answer = await client.post(f"/v1/runner-jobs/{job.id}/cancel", json={})
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert (await client.post(f"/v1/runner-jobs/{job.id}/cancel", json={})).status_code == 202


@pytest.mark.parametrize(
    ("path", "job_type", "metadata"),
    [
        ("graceful-shutdown", "shut-down", {"shutdown_type": "graceful"}),
        ("force-shutdown", "shut-down", {"shutdown_type": "force"}),
        ("mng/shutdown", "mng-shut-down", {}),
        ("mng/shutdown-vm", "mng-vm-shut-down", {"shutdown_type": "vm"}),
        ("mng/update", "mng-runner-update-version", {"upgrade_type": "mng"}),
    ],
)
async def test_a_runner_is_operated_by_jobs(home, client, path, job_type, metadata):
    answer = await client.post(f"/v1/runners/{home.runner.id}/{path}", json={})
    assert (answer.status_code, answer.json()) == (201, True)
    (job,) = (await client.get(f"/v1/runners/{home.runner.id}/jobs")).json()
    assert (job["type"], job.get("metadata", {})) == (job_type, metadata)
    assert job["log_stream_id"]


async def test_others_find_nothing(home, stranger):
    job, workspace = await home.job(plan={}), await home.workspace()
    runner = f"/v1/runners/{home.runner.id}"
    for method, path in (
        ("GET", runner),
        ("GET", f"{runner}/card-details"),
        ("GET", f"{runner}/connected"),
        ("GET", f"{runner}/latest-heart-beat"),
        ("GET", f"{runner}/heart-beats/latest"),
        ("GET", f"{runner}/recent-health-checks"),
        ("GET", f"{runner}/settings"),
        ("PATCH", f"{runner}/settings"),
        ("POST", f"{runner}/force-shutdown"),
        ("GET", f"/v1/runner-jobs/{job.id}"),
        ("GET", f"/v1/runner-jobs/{job.id}/plan"),
        ("GET", f"/v1/runner-jobs/{job.id}/composite-plan"),
        ("POST", f"/v1/runner-jobs/{job.id}/cancel"),
        ("GET", f"/v1/terraform-workspaces/{workspace.id}"),
        ("DELETE", f"/v1/terraform-workspaces/{workspace.id}"),
        ("GET", f"/v1/terraform-workspaces/{workspace.id}/lock"),
        ("POST", f"/v1/terraform-workspaces/{workspace.id}/unlock"),
        ("GET", f"/v1/terraform-backend?workspace_id={workspace.id}"),
    ):
        assert (await stranger.request(method, path, json={} if method in ("POST", "PATCH") else None)).status_code == 404, (method, path)
    for path in (f"{runner}/jobs", f"/v1/terraform-workspaces/{workspace.id}/states", f"/v1/runner-jobs/{job.id}/executions"):
        assert (await stranger.get(path)).json() == []


async def test_a_runners_token_opens_no_public_route(home, client):
    answer = await client.get(f"/v1/runners/{home.runner.id}", headers={"Authorization": f"Bearer {home.token}"})
    assert answer.status_code == 403


async def test_a_workspace_with_its_states_and_lock(home, client):
    workspace = await home.workspace()
    await home.terraform_job(workspace)
    claim = await home.claim("sandbox")
    where = f"/v1/terraform-workspaces/{workspace.id}"
    assert (await client.get(f"/v1/terraform-backend?workspace_id={workspace.id}")).status_code == 204
    assert (await client.get(f"{where}/lock")).json() is None
    state = {
        "version": 4, "serial": 1, "lineage": "x", "terraform_version": "1.11.4", "resources": [],
        "outputs": {"key": {"value": "canary-1", "sensitive": True, "type": "string"}, "url": {"value": "u", "type": "string"}},
    }  # fmt: skip
    shown = {"values": {"outputs": {"key": {"value": "canary-2", "sensitive": True}}, "root_module": {"resources": [{"address": "a.b"}]}}}
    async with home.runtime.request(home.actor) as ctx:
        await workspaces.lock(ctx, workspace.id, b'{"ID":"l1","Who":"me"}', job_id=claim.job.id)
        await workspaces.put(ctx, workspace.id, json.dumps(state).encode(), lock_id="l1", job_id=claim.job.id)
        await workspaces.put_snapshot(ctx, workspace.id, json.dumps(shown).encode(), job_id=claim.job.id)
    lock = (await client.get(f"{where}/lock")).json()
    assert (lock["lock"], lock["runner_job"]["id"]) == ({"id": "l1", "who": "me"}, claim.job.id)
    (version,) = (await client.get(f"{where}/states")).json()
    assert (version["revision"], version["runner_job"]["id"]) == (1, claim.job.id)
    one = await client.get(f"{where}/states/{version['id']}")
    current = await client.get(f"/v1/terraform-backend?workspace_id={workspace.id}")
    assert current.json()["outputs"]["url"]["value"] == "u"
    (snapshot,) = (await client.get(f"{where}/state-json")).json()
    document = await client.get(f"{where}/state-json/{snapshot['id']}")
    resources = await client.get(f"/v1/runners/terraform-workspace/{workspace.id}/states/{snapshot['id']}/resources")
    assert resources.json() == ["a.b"]
    assert not any("canary" in answer.text for answer in (one, current, document))
    assert (await client.delete(where)).status_code == 409
    assert (await client.post(f"{where}/unlock", content=b"{}")).status_code == 200
    assert (await client.get(f"{where}/lock")).json() is None
    assert (await client.delete(where)).status_code == 200
    assert (await client.get(where)).status_code == 404
