"""An install from its creation to its end, with the runner played in this process."""

import json

import pytest

from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs.models import InstallComponent, InstallSandbox
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.states import service as states
from tests.domain.installs import made
from tests.domain.workflows import stage as stages
from tests.domain.workflows.stage import EMPTY, applied, planned


@pytest.fixture
async def app(runtime, org):
    async with runtime.request(org.actor) as ctx:
        await made.runner_role(ctx)
        made_ = await made.app(ctx, components=())
        db = await stages.component(ctx, made_, "db", variables={"password": "{{ .nuon.inputs.inputs.password }}"})
        url = "{{ .nuon.components.db.outputs.url }}"
        await stages.component(ctx, made_, "web", needs=[db], variables={"url": url, "net": "{{ .nuon.sandbox.outputs.net }}"})
        await made.action(ctx, made_, "check", triggers=[("post-provision", 0)])
        return made_


async def test_a_whole_life_from_provision_to_deprovision(runtime, org, app):
    stage = await stages.provisioning(runtime, org.actor, app)
    stage.answers["sandbox-terraform", "apply-plan", ""] = applied({"net": "n-1", "token": "canary-output"}, sensitive=["token"])
    stage.answers["terraform-deploy", "apply-plan", "db"] = applied({"url": "postgres://db"})
    await stage.beat()
    assert await stage.work() == ["create-apply-plan sandbox-terraform"]
    assert (await stage.statuses())["provision sandbox plan"] == "approval-awaiting"
    run = await stage.row(InstallSandboxRun)
    assert (run.status, run.status_v2["status"]) == ("pending-approval", "approval-awaiting")
    assert (await stage.row(InstallSandbox)).status == "queued"

    await stage.approve("provision sandbox plan")
    assert await stage.work() == ["apply-plan sandbox-terraform", "create-apply-plan db"]
    run = await stage.row(InstallSandboxRun)
    assert (run.status, (await stage.row(InstallSandbox)).status) == ("active", "active")

    await stage.approve("sync and plan db")
    assert await stage.work() == ["apply-plan db", "create-apply-plan web"]
    web = stage.claimed[-1]

    assert json.loads(bytes(web.plan))["terraform"]["vars"] == {"url": "postgres://db", "net": "n-1"}
    await stage.approve("sync and plan web")
    assert await stage.work() == ["apply-plan web", "exec check"]
    assert await stage.status() == "success"
    assert {step.status["status"] for step in await stage.steps()} <= {"success", "approved"}
    async with runtime.request(org.actor) as ctx:
        document = await states.document(ctx, stage.install.id)
        shown = await states.shown_plain(ctx, stage.install.id)
    assert document["sandbox"]["outputs"] == {"net": "n-1", "token": "canary-output"}
    assert shown["sandbox"]["outputs"]["token"] == "********"
    assert document["components"]["db"]["outputs"] == {"url": "postgres://db"}

    await stage.start("reprovision")
    for name in ("sandbox-terraform", "terraform-deploy"):
        for component in ("", "db", "web"):
            stage.answers[name, "create-apply-plan", component] = planned(EMPTY)
    assert await stage.work() == ["create-apply-plan sandbox-terraform", "create-apply-plan db", "create-apply-plan web"]
    assert await stage.status() == "success"
    assert (await stage.statuses())["reprovision sandbox plan"] == "auto-skipped"
    assert (await stage.statuses())["apply web"] == "auto-skipped"

    await stage.start("deprovision")
    assert await stage.work() == ["create-teardown-plan web"]
    await stage.approve("plan teardown web")
    assert await stage.work() == ["apply-plan web", "create-teardown-plan db"]
    await stage.approve("plan teardown db")
    assert await stage.work() == ["apply-plan db", "create-teardown-plan sandbox-terraform"]
    await stage.approve("deprovision sandbox plan")
    assert await stage.work() == ["apply-plan sandbox-terraform"]
    assert await stage.status() == "success"
    assert (await stage.row(InstallSandbox)).status == "deprovisioned"
    assert (await stage.row(InstallComponent)).status == "inactive"
    assert (await stage.row(InstallDeploy)).status == "inactive"
    async with runtime.request(org.actor) as ctx:
        document = await states.document(ctx, stage.install.id)
    assert document["components"] == {}
    assert document["sandbox"]["outputs"] == {}
