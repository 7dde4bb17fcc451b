"""Actions of an install over HTTP: for people, and for the install's own runner."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from exclave.domain.accounts import tokens
from exclave.domain.actions import service as actions
from exclave.domain.actions.models import InstallActionWorkflowRunStep
from exclave.domain.actions.steps import RunAction
from exclave.domain.installs import service as installs
from exclave.domain.installs.service import Account
from exclave.domain.jobs import service as jobs
from exclave.domain.runners import service as runners
from exclave.engine.models import WorkflowStep
from exclave.engine.status import composite
from tests.domain.installs import made

WORKFLOW = "x-nuon-install-workflow-id"


class World:
    """An install with an action that has run once, and the token of its runner."""


@pytest.fixture
async def world(runtime, org) -> World:
    found = World()
    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx)
        await made.runner_role(ctx)
        found.action, found.config = await made.action(ctx, app, "check", triggers=[("manual", 0), ("post-provision", 1)])
        await made.action(ctx, app, "idle", triggers=[("cron", 0)])
        created = await installs.create(ctx, app, name="acme", inputs={"region": "eu"}, account=Account())
        await actions.ensure(ctx, created.install)
        runner = await runners.of_install(ctx, created.install.id)
        await runners.provision(ctx, runner)
        await ctx.db.flush()
        found.token = await runners.mint_token(ctx, runner, timedelta(minutes=5))
        (spec,) = await actions.lifecycle_steps(ctx, created.install, "post-provision", workflow=created.workflow)
        step = WorkflowStep(
            org_id=ctx.org_id,
            created_by_id=ctx.actor.account_id,
            install_workflow_id=created.workflow.id,
            owner_id=created.install.id,
            owner_type="installs",
            name=spec.name,
            status=composite("pending"),
            idx=0,
            kind=spec.kind,
            args=dict(spec.args),
            attempt=1,
        )
        ctx.db.add(step)
        await ctx.db.flush()
        await RunAction().run(ctx, step)
        found.run_id, found.install_id, found.workflow_id = step.step_target_id, created.install.id, created.workflow.id
        found.app_id = app.id
    return found


async def test_actions_are_listed_by_both_paths(client, world):
    for path in ("actions", "action-workflows"):
        listed = (await client.get(f"/v1/installs/acme/{path}")).json()
        assert sorted(each["action_workflow"]["name"] for each in listed) == ["check", "idle"]
        assert {each["status"] for each in listed} == {"unknown"}


async def test_the_newest_run_of_each_action_is_there_with_its_job(client, world):
    listed = (await client.get("/v1/installs/acme/actions/latest-runs")).json()
    by_name = {each["action_workflow"]["name"]: each for each in listed}
    assert by_name["check"]["status"] == "in-progress"
    assert by_name["check"]["runs"][0]["runner_job"]["type"] == "actions-workflow"
    assert by_name["idle"]["runs"] == []
    only = (await client.get("/v1/installs/acme/actions/latest-runs", params={"trigger_types": "cron,pre-provision"})).json()
    assert [each["action_workflow"]["name"] for each in only] == ["idle"]
    assert [each["action_workflow"]["name"] for each in (await client.get("/v1/installs/acme/actions/latest-runs?q=CHE")).json()] == [
        "check"
    ]


async def test_one_run_shows_its_config_steps_job_and_log(client, world):
    for path in ("actions", "action-workflows"):
        run = (await client.get(f"/v1/installs/acme/{path}/runs/{world.run_id}")).json()
        assert run["workflow_id"] == world.workflow_id
        assert run["config"]["steps"][0]["name"] == "say"
        assert [each["type"] for each in run["config"]["triggers"]] == ["manual", "post-provision"]
        assert [each["status"] for each in run["steps"]] == ["pending"]
        assert run["log_stream"]["open"] is True
        assert run["runner_job"]["status"] == "available"
        assert run["run_env_vars"]["FLOW_ID"] == world.workflow_id
        assert run["trigger_type"] == "post-provision"
    step = run["steps"][0]
    assert (await client.get(f"/v1/installs/acme/actions/runs/{world.run_id}/steps/{step['id']}")).json()["id"] == step["id"]
    assert [each["id"] for each in (await client.get("/v1/installs/acme/actions/runs")).json()] == [world.run_id]
    assert (await client.get("/v1/installs/acme/actions/runs/iar00000000000000000000000")).status_code == 404


async def test_recent_runs_tell_who_started_them(client, world, org):
    for path in (f"actions/{world.action.id}", "actions/check", f"action-workflows/{world.action.id}"):
        found = (await client.get(f"/v1/installs/acme/{path}/recent-runs")).json()
        assert found["status"] == "in-progress"
        assert found["runs"][0]["created_by"]["email"] == org.actor.email
        assert found["action_workflow"]["configs"][0]["steps"][0]["name"] == "say"
    assert (await client.get("/v1/installs/acme/actions/nope/recent-runs")).status_code == 404


async def test_one_action_is_read_by_get_and_by_post(client, world):
    shown = (await client.get(f"/v1/installs/acme/actions/{world.action.id}")).json()
    assert shown["runs"][0]["id"] == world.run_id
    assert (await client.post(f"/v1/installs/acme/action-workflows/{world.action.id}")).json() == shown


async def test_an_action_is_run_by_hand(client, world):
    body = {"action_workflow_config_id": world.config.id, "run_env_vars": {"DEBUG": "1"}}
    for path in ("actions", "action-workflows"):
        answer = await client.post(f"/v1/installs/acme/{path}/runs", json=body)
        assert (answer.status_code, answer.json()) == (201, "ok")
        assert len(answer.headers[WORKFLOW]) == 26
    assert (await client.post("/v1/installs/acme/actions/runs", json={})).status_code == 400


async def test_the_installs_runner_reads_its_run_and_reports_its_steps(world, runner_client_of):
    async with runner_client_of(world.token) as runner:
        run = (await runner.get(f"/v1/installs/{world.install_id}/actions/runs/{world.run_id}")).json()
        assert run["config"]["steps"][0]["inline_contents"].startswith("#!/bin/sh")
        config = (await runner.get(f"/v1/action-workflows/configs/{world.config.id}")).json()
        assert (config["timeout"], config["steps"][0]["name"]) == (60_000_000_000, "say")
        newest = (await runner.get(f"/v1/apps/{world.app_id}/actions/{world.action.id}/latest-config")).json()
        assert newest["id"] == world.config.id
        tree = (await runner.get(f"/v1/apps/{world.app_id}/config/{world.config.app_config_id}")).json()
        assert tree["id"] == world.config.app_config_id
        path = f"/v1/installs/{world.install_id}/action-workflow-runs/{world.workflow_id}/steps/{run['steps'][0]['id']}"
        answer = await runner.put(path, json={"status": "in-progress", "execution_duration": 7})
        assert (answer.status_code, answer.json()["status"]) == (200, "in-progress")
        assert (await runner.put(path, json={"status": "sleeping"})).status_code == 400
        assert (await runner.get(f"/v1/installs/{world.install_id}/actions/runs/{world.run_id}")).json()["steps"][0][
            "status"
        ] == "in-progress"


async def test_an_official_runner_names_the_action_where_a_run_is_expected(world, runner_client_of):
    async with runner_client_of(world.token) as runner:
        (step,) = (await runner.get(f"/v1/installs/{world.install_id}/action-workflows/runs/{world.run_id}")).json()["steps"]
        config = (await runner.get(f"/v1/action-workflows/configs/{world.config.id}")).json()
        path = f"/v1/installs/{world.install_id}/action-workflow-runs/{config['action_workflow_id']}/steps/{step['id']}"
        for status in ("in-progress", "finished"):
            answer = await runner.put(path, json={"status": status, "execution_duration": 7})
            assert (answer.status_code, answer.json().get("status")) == (200, status), answer.text
        nowhere = path.replace(step["id"], step["id"][::-1])
        assert (await runner.put(nowhere, json={"status": "finished"})).status_code == 404


async def test_the_runner_of_another_install_finds_nothing(runtime, org, world, runner_client_of):
    async with runtime.request(org.actor) as ctx:
        other = await installs.create(ctx, await made.app(ctx), name="other", inputs={"region": "eu"}, account=Account())
        runner = await runners.of_install(ctx, other.install.id)
        await runners.provision(ctx, runner)
        await ctx.db.flush()
        token = await runners.mint_token(ctx, runner, timedelta(minutes=5))
        statement = select(InstallActionWorkflowRunStep.id)
        statement = statement.where(InstallActionWorkflowRunStep.install_action_workflow_run_id == world.run_id)
        step_id = (await ctx.db.execute(statement)).scalars().first()
    async with runner_client_of(token) as stranger:
        assert (await stranger.get(f"/v1/installs/{world.install_id}/actions/runs/{world.run_id}")).status_code == 404
        for run_ref in (world.run_id, world.action.id):
            path = f"/v1/installs/{world.install_id}/action-workflow-runs/{run_ref}/steps/{step_id}"
            assert (await stranger.put(path, json={"status": "error"})).status_code == 404
    await nothing_of_the_app(runner_client_of(token), world)


async def test_a_token_of_one_execution_opens_no_config(runtime, org, world, runner_client_of):
    async with runtime.request(org.actor) as ctx:
        runner = await runners.of_install(ctx, world.install_id)
        kind = {"token_type": "runner", "org_id": org.id, "scope": "job:a:b"}
        _, token = await tokens.mint(ctx, runner.account_id, ttl=timedelta(minutes=5), **kind)
    await nothing_of_the_app(runner_client_of(token), world)


async def nothing_of_the_app(client, world):
    async with client:
        for path in (
            f"/v1/apps/{world.app_id}/config/{world.config.app_config_id}",
            f"/v1/apps/{world.app_id}/actions/{world.action.id}/configs/{world.config.id}",
            f"/v1/action-workflows/configs/{world.config.id}",
            f"/v1/apps/{world.app_id}/actions/{world.action.id}/latest-config",
        ):
            assert (await client.get(path)).status_code == 404, path


async def test_a_runner_cannot_read_installs_as_people_do(public_app, world):
    transport = httpx.ASGITransport(app=public_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers={"Authorization": world.token}) as runner:
        assert (await runner.get("/v1/installs")).status_code == 403


async def test_people_who_read_the_plan_of_an_action_see_no_secret(client, runtime, org):
    """The runner needs the rendered script; people see it without the secrets that are in it."""
    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx)
        await made.runner_role(ctx)
        secret = "{{ .nuon.inputs.inputs.password }}"
        script = {"name": "say", "inline_contents": f"echo {secret}", "command": secret}
        await made.action(ctx, app, "leaky", steps=[script])
        inputs = {"region": "eu", "password": "canary-script"}
        created = await installs.create(ctx, app, name="leaky", inputs=inputs, account=Account())
        await runners.provision(ctx, await runners.of_install(ctx, created.install.id))
        (spec,) = await actions.lifecycle_steps(ctx, created.install, "post-provision", workflow=created.workflow)
        step = WorkflowStep(
            org_id=ctx.org_id, install_workflow_id=created.workflow.id, owner_id=created.install.id, owner_type="installs",
            name=spec.name, status=composite("pending"), idx=0, kind=spec.kind, args=dict(spec.args), attempt=1,
        )  # fmt: skip
        ctx.db.add(step)
        await ctx.db.flush()
        job_id = (await RunAction().run(ctx, step)).on
        assert b"canary-script" in await jobs.plan_of(ctx, job_id)
        assert b"canary" not in await jobs.shown_plan_of(ctx, job_id)
    run = (await client.get(f"/v1/installs/leaky/actions/runs/{step.step_target_id}")).text
    assert "canary" not in run
