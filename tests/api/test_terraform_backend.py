"""Terraform's HTTP backend over HTTP: the codes and bodies that Terraform goes by."""

import base64
import hashlib
import json

import pytest

from exclave.kit.context import Runtime
from tests.domain.runners.fleet import Fleet, fleet, sandbox_plan

STATE = {"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "x", "outputs": {}, "resources": []}
LOCK = {
    "ID": "l1",
    "Operation": "OperationTypeApply",
    "Info": "",
    "Who": "me",
    "Version": "1.11.4",
    "Created": "2026-01-01T00:00:00Z",
    "Path": "",
}


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


@pytest.fixture
async def run(home):
    workspace = await home.workspace()
    await home.terraform_job(workspace)
    return workspace, await home.claim("sandbox")


async def test_a_state_by_basic_auth(run, runner_client_of):
    workspace, claim = run
    basic = "Basic " + base64.b64encode(f"{claim.execution.id}:{claim.lease.token}".encode()).decode()
    async with runner_client_of("") as client:
        client.headers["Authorization"] = basic
        where = f"/v1/terraform-backend?workspace_id={workspace.id}&job_id={claim.job.id}"
        empty = await client.get(where)
        assert (empty.status_code, empty.content) == (204, b"")
        assert (await client.post(f"/v1/terraform-workspaces/{workspace.id}/lock", json=LOCK)).status_code == 200
        raw = json.dumps(STATE).encode()
        md5 = base64.b64encode(hashlib.md5(raw).digest()).decode()
        assert (await client.post(f"{where}&ID=l1", content=raw, headers={"Content-MD5": md5})).status_code == 200
        wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        assert (await client.post(f"{where}&ID=l1", content=raw, headers={"Content-MD5": wrong})).status_code == 400
        assert (await client.get(where)).content == raw
        held = await client.post(f"/v1/terraform-workspaces/{workspace.id}/lock", json={**LOCK, "ID": "l2"})
        assert (held.status_code, held.json()) == (423, LOCK)
        assert (await client.post(f"/v1/terraform-workspaces/{workspace.id}/unlock", json={**LOCK, "ID": "l2"})).status_code == 409
        assert (await client.post(f"/v1/terraform-workspaces/{workspace.id}/unlock", json=LOCK)).status_code == 200


async def test_a_state_by_the_token_in_the_query(home, run, runner_client_of):
    workspace, claim = run
    async with runner_client_of("") as client:
        del client.headers["Authorization"]
        query = f"token={home.token}&workspace_id={workspace.id}&job_id={claim.job.id}"
        assert (
            await client.post(f"/v1/terraform-workspaces/{workspace.id}/lock?token={home.token}&job_id={claim.job.id}", json=LOCK)
        ).status_code == 200
        assert (await client.post(f"/v1/terraform-backend?{query}&ID=l1", json=STATE)).status_code == 200
        assert (await client.get(f"/v1/terraform-backend?{query}")).json() == STATE
        snapshot = await client.post(
            f"/v1/terraform-workspaces/{workspace.id}/state-json?token={home.token}&job_id={claim.job.id}", json={"format_version": "1.0"}
        )
        assert snapshot.status_code == 200
        unlocked = await client.post(
            f"/v1/terraform-workspaces/{workspace.id}/unlock?token={home.token}&job_id={claim.job.id}", content=b"{}"
        )
        assert (unlocked.status_code, unlocked.json()) == (200, "")


async def test_an_official_runner_applies_at_the_address_that_its_plan_was_made_with(home, runner_client_of):
    """Terraform keeps the address of its backend in a plan file, and applies it there: with the id of the job that planned."""
    workspace = await home.workspace()
    where = f"/v1/terraform-workspaces/{workspace.id}"
    async with runner_client_of(home.token) as client:

        async def begin(job) -> str:
            execution = (await client.post(f"/v1/runner-jobs/{job.id}/executions", json={})).json()["id"]
            return f"/v1/runner-jobs/{job.id}/executions/{execution}"

        planned = await home.terraform_job(workspace)
        planning = await begin(planned)
        assert (await client.patch(planning, json={"status": "finished"})).status_code == 200
        lock = f"{where}/lock?job_id={planned.id}"
        assert (await client.post(lock, json=LOCK)).status_code == 409  # nothing applies it yet
        applying = await begin(await home.job(plan=sandbox_plan(workspace.id), type="sandbox-terraform"))
        assert (await client.post(lock, json=LOCK)).status_code == 200
        state = f"/v1/terraform-backend?workspace_id={workspace.id}&job_id={planned.id}&ID=l1"
        assert (await client.post(state, json=STATE)).status_code == 200
        assert (await client.post(f"{where}/unlock?job_id={planned.id}", json=LOCK)).status_code == 200
        assert (await client.patch(applying, json={"status": "failed"})).status_code == 200
        again = await begin(await home.terraform_job(workspace))
        assert (await client.patch(again, json={"status": "finished"})).status_code == 200
        await begin(await home.job(plan=sandbox_plan(workspace.id), type="sandbox-terraform"))
        assert (await client.post(lock, json=LOCK)).status_code == 409  # what applied the older plan may not write any more
        assert (await client.post(state, json={**STATE, "serial": 2})).status_code == 409


async def test_a_foreign_serial_is_a_conflict(run, runner_client_of):
    workspace, claim = run
    where = f"/v1/terraform-backend?workspace_id={workspace.id}"
    async with runner_client_of(claim.lease.token) as client:
        assert (await client.post(where, json={**STATE, "serial": 5})).status_code == 200
        assert (await client.post(where, json={**STATE, "serial": 4})).status_code == 409
        assert (await client.post(where, content=b"nonsense")).status_code == 400
