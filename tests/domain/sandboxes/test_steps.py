"""How the steps of a sandbox end: well, not at all, and in every way between. The runner is played in this process."""

import base64
import contextlib
import json

import pytest
from sqlalchemy import select, update

from exclave.domain.apps.models import AppSandboxConfig
from exclave.domain.installs import approvals
from exclave.domain.installs.models import InstallSandbox
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.logs.models import LogStream
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner
from exclave.domain.sandboxes import plans, service
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.states import service as states
from exclave.engine import service as engine
from exclave.engine.models import Workflow, WorkflowStepApproval
from exclave.kit import errors
from tests import factories
from tests.domain.installs import made
from tests.domain.workflows import stage as stages
from tests.domain.workflows.stage import CREATES, EMPTY, applied, failed, planned

PLAN, APPLY = ("sandbox-terraform", "create-apply-plan", ""), ("sandbox-terraform", "apply-plan", "")


async def configured(runtime, org, **config):
    async with runtime.request(org.actor) as ctx:
        await made.runner_role(ctx)
        app = await made.app(ctx, components=())
        await ctx.db.execute(update(AppSandboxConfig).where(AppSandboxConfig.app_id == app.id).values(**config))
    return app


@pytest.fixture
async def stage(runtime, org):
    stage = await stages.provisioning(runtime, org.actor, await configured(runtime, org, variables={"size": "1"}))
    await stage.beat()
    return stage


async def test_a_plan_that_fails_fails_its_step_with_the_runners_words(stage):
    stage.answers[PLAN] = failed("terraform cannot plan: no such region", tail="line 1\nline 2", reason="terraform-plan")
    await stage.work()
    step, run = await stage.step("provision sandbox plan"), await stage.row(InstallSandboxRun)
    assert (step.status["status"], step.status["status_human_description"]) == ("error", "terraform cannot plan: no such region")
    assert {key: step.status["metadata"][key] for key in ("reason", "code", "tail")} == {
        "reason": "terraform cannot plan: no such region",
        "code": "terraform-plan",
        "tail": "line 1\nline 2",
    }
    assert (run.status, run.status_description) == ("error", "terraform cannot plan: no such region")
    assert (await stage.row(InstallSandbox)).status == "queued", "a plan touches nothing"
    assert await stage.status() == "error"


async def test_a_missing_value_fails_the_step_naming_the_variable(runtime, org):
    app = await configured(runtime, org, variables={"net": "{{ .nuon.inputs.inputs.nope }}"})
    stage = await stages.provisioning(runtime, org.actor, app)
    await stage.beat()
    step = await stage.step("provision sandbox plan")
    assert step.status["status"] == "error"
    assert all(word in step.status["status_human_description"] for word in ("sandbox variables.net", "nope"))
    assert await stage.work() == []


async def test_a_plan_carries_rendered_variables_and_names_those_that_are_secret(runtime, org):
    app = await configured(
        runtime,
        org,
        variables={
            "region": "{{ .nuon.inputs.inputs.region }}",
            "secret": "{{ .nuon.inputs.inputs.password | b64enc }}",
            "all": "{{ .nuon.inputs.inputs | toJson }}",
            "plain": "x",
        },
        env_vars={"NAME": "{{ .nuon.install.name }}"},
        variables_files=['zone = "{{ .nuon.inputs.inputs.region }}-1"'],
    )
    stage = await stages.provisioning(runtime, org.actor, app)
    await stage.beat()
    await stage.work()
    plan = json.loads(bytes(stage.claimed[0].plan))
    assert plan["vars"]["region"] == "eu"
    assert plan["vars"]["secret"] == base64.b64encode(b"canary-input").decode()
    assert sorted(plan["sensitive_vars"]) == ["all", "secret"]
    assert plan["env_vars"] == {"NAME": "acme"}
    assert plan["vars_files"] == ['zone = "eu-1"']
    assert plan["git_source"]["url"] == "https://example.com/r.git"
    assert plan["terraform_version"] == "1.11.4"
    assert "vpc_id" not in plan["vars"], "builtin variables are those of AWS"


async def test_the_apply_carries_the_plan_that_was_approved_and_its_digest(stage):
    stage.answers[PLAN] = answer = planned(CREATES)
    await stage.work()
    run = await stage.row(InstallSandboxRun)
    await stage.approve("provision sandbox plan")
    await stage.work()
    apply = json.loads(bytes(stage.claimed[1].plan))
    assert base64.b64decode(apply["apply_plan_contents"]) == answer.contents
    assert apply["apply_plan_digest"] == run.plan_digest
    assert apply["vars"] == {"size": "1"}


@pytest.mark.parametrize("what", ["run", "approval"])
async def test_a_plan_that_is_not_the_approved_one_is_never_applied(runtime, stage, what):
    await stage.work()
    async with runtime.sweep() as ctx:
        kind = InstallSandboxRun if what == "run" else WorkflowStepApproval
        await ctx.db.execute(update(kind).where(kind.org_id == stage.actor.org_id).values(plan_digest="sha256:" + "0" * 64))
    await stage.approve("provision sandbox plan")
    assert await stage.work() == []
    step = await stage.step("provision sandbox apply plan")
    assert step.status["status"] == "error"
    assert "nothing is applied" in step.status["status_human_description"]


async def test_a_stale_plan_is_planned_and_asked_again(stage):
    stage.answers[APPLY] = failed("the state has moved on", reason="stale-plan")
    await stage.work()
    first = await stage.row(InstallSandboxRun)
    await stage.approve("provision sandbox plan")
    assert await stage.work() == ["apply-plan sandbox-terraform", "create-apply-plan sandbox-terraform"]
    again = await stage.step("provision sandbox plan (retry 1)")
    assert again.status["status"] == "approval-awaiting"
    assert (await stage.step("provision sandbox plan")).status["status"] == "discarded"
    second = await stage.row(InstallSandboxRun)
    assert second.id != first.id
    stage.answers.clear()
    await stage.approve("provision sandbox plan (retry 1)")
    assert await stage.work() == ["apply-plan sandbox-terraform"]
    assert await stage.status() == "success"
    assert (await stage.row(InstallSandbox)).status == "active"


async def test_a_failed_apply_leaves_the_sandbox_in_error_and_a_retry_plans_again(runtime, stage):
    stage.answers[APPLY] = failed("quota is used up")
    await stage.work()
    await stage.approve("provision sandbox plan")
    await stage.work()
    sandbox = await stage.row(InstallSandbox)
    assert (sandbox.status, sandbox.status_description) == ("error", "quota is used up")
    stage.answers[APPLY] = applied({"net": "n-1"})
    stage.answers[PLAN] = planned(EMPTY)
    async with runtime.request(stage.actor) as ctx:
        await engine.retry(ctx, await stage.step("provision sandbox apply plan"))
    # Nothing differs any more, but the outputs were never read: the empty plan is applied without asking.
    assert await stage.work() == ["create-apply-plan sandbox-terraform", "apply-plan sandbox-terraform"]
    assert await stage.status() == "success"
    async with runtime.request(stage.actor) as ctx:
        assert (await states.document(ctx, stage.install.id))["sandbox"]["outputs"] == {"net": "n-1"}


async def test_a_plan_without_changes_of_an_active_sandbox_is_skipped(stage):
    stage.answers[APPLY] = applied({"net": "n-1"})
    await stage.work()
    await stage.approve("provision sandbox plan")
    await stage.work()
    stage.answers[PLAN] = planned(EMPTY)
    await stage.start("reprovision_sandbox")
    assert await stage.work() == ["create-apply-plan sandbox-terraform"]
    statuses = await stage.statuses()
    assert (statuses["reprovision sandbox plan"], statuses["reprovision sandbox apply"]) == ("auto-skipped", "auto-skipped")
    run = await stage.row(InstallSandboxRun)
    assert (run.status, run.run_type) == ("auto-skipped", "reprovision")
    assert (await stage.row(InstallSandbox)).status == "active"


@pytest.mark.parametrize(("display", "status"), [(CREATES, "drifted"), (EMPTY, "no-drift")])
async def test_a_workflow_that_only_plans_says_whether_the_world_drifted(stage, display, status):
    await stage.work()
    await stage.approve("provision sandbox plan")
    await stage.work()
    stage.answers[PLAN] = planned(display)
    await stage.start("drift_run_reprovision_sandbox", plan_only=True)
    assert await stage.work() == ["create-apply-plan sandbox-terraform"]
    assert await stage.status() == "success"
    run = await stage.row(InstallSandboxRun)
    assert (run.status, run.status_v2["status"]) == (status, status)
    assert (await stage.row(InstallSandbox)).status == "active"


async def test_a_finished_plan_job_without_a_plan_fails(stage):
    stage.answers[PLAN] = applied()
    await stage.work()
    assert "without a plan" in (await stage.step("provision sandbox plan")).status["status_human_description"]


async def test_cancelling_ends_the_job_and_leaves_the_sandbox_in_doubt(runtime, stage):
    await stage.work()
    await stage.approve("provision sandbox plan")
    async with runtime.request(stage.actor) as ctx:
        await engine.cancel(ctx, await ctx.db.get(Workflow, stage.workflow.id))
    await stage.drain()
    async with runtime.request(stage.actor) as ctx:
        newest = select(RunnerJob).where(RunnerJob.operation == "apply-plan", RunnerJob.org_id == ctx.org_id)
        assert (await ctx.db.execute(newest)).scalars().one().status == "cancelled"
    assert (await stage.row(InstallSandboxRun)).status == "cancelled"
    assert (await stage.row(InstallSandbox)).status == "error"


async def test_what_was_approved_and_not_yet_applied_is_cancelled_with_its_workflow(runtime, stage):
    await stage.work()
    step = await stage.step("provision sandbox plan")
    async with runtime.request(stage.actor) as ctx:
        asked = select(WorkflowStepApproval).where(WorkflowStepApproval.install_workflow_step_id == step.id)
        await engine.respond(ctx, step, (await ctx.db.execute(asked)).scalars().one(), "approve")
    async with runtime.request(stage.actor) as ctx:  # before any worker has looked at the approval
        await engine.cancel(ctx, await ctx.db.get(Workflow, stage.workflow.id))
    await stage.drain()
    assert (await stage.statuses())["provision sandbox apply plan"] == "not-attempted"
    run = await stage.row(InstallSandboxRun)
    assert run.status == "cancelled"
    assert (await stage.row(InstallSandbox)).status == "queued", "nothing was applied"
    async with runtime.request(stage.actor) as ctx:
        assert not (await ctx.db.execute(select(LogStream.open).where(LogStream.owner_id == run.id))).scalar()


async def test_the_log_of_a_run_is_open_until_the_run_is_over(runtime, stage):
    async def is_open():
        run = await stage.row(InstallSandboxRun)
        async with runtime.request(stage.actor) as ctx:
            streams = (await ctx.db.execute(select(LogStream).where(LogStream.owner_id == run.id))).scalars().all()
        assert len(streams) == 1
        return streams[0].open

    await stage.work()
    assert await is_open()
    await stage.approve("provision sandbox plan")
    assert await is_open()
    await stage.work()
    assert not await is_open()


async def test_deprovisioning_a_sandbox_drops_its_outputs(runtime, stage):
    stage.answers[APPLY] = applied({"net": "n-1"})
    await stage.work()
    await stage.approve("provision sandbox plan")
    await stage.work()
    await stage.start("deprovision_sandbox", option="approve-all")
    assert await stage.work() == ["create-teardown-plan sandbox-terraform", "apply-plan sandbox-terraform"]
    run, sandbox = await stage.row(InstallSandboxRun), await stage.row(InstallSandbox)
    assert (run.status, run.status_v2["status"], run.status_v2["metadata"]["detail"]) == ("deprovisioned", "success", "deprovisioned")
    assert sandbox.status == "deprovisioned"
    async with runtime.request(stage.actor) as ctx:
        assert (await states.document(ctx, stage.install.id))["sandbox"]["outputs"] == {}


async def test_running_the_steps_twice_makes_one_run_and_one_job_each(runtime, stage):
    from exclave.domain.sandboxes.steps import Apply, Plan
    from exclave.engine.models import WorkflowStep

    async with runtime.request(stage.actor) as ctx:
        step = await ctx.db.get(WorkflowStep, (await stage.step("provision sandbox plan")).id)
        await Plan().run(ctx, step)
        await Plan().then(ctx, step)
    await stage.work()
    await stage.approve("provision sandbox plan")
    async with runtime.request(stage.actor) as ctx:
        step = await ctx.db.get(WorkflowStep, (await stage.step("provision sandbox apply plan")).id)
        await Apply().run(ctx, step)
        await Apply().then(ctx, step)
    async with runtime.request(stage.actor) as ctx:
        runs = (await ctx.db.execute(select(InstallSandboxRun.id).where(InstallSandboxRun.org_id == ctx.org_id))).all()
        jobs = (await ctx.db.execute(select(RunnerJob.operation).where(RunnerJob.org_id == ctx.org_id))).scalars().all()
    assert (len(runs), sorted(jobs)) == (1, ["apply-plan", "create-apply-plan"])


async def test_another_org_finds_neither_the_place_nor_what_was_made_there(runtime, stage):
    other = await factories.org(runtime)
    await stage.work()
    step, run = await stage.step("provision sandbox plan"), await stage.row(InstallSandboxRun)
    for actor, finds in ((stage.actor, True), (other.actor, False)):
        async with runtime.request(actor) as ctx:
            assert (await service.by_key(ctx, run.step_key) is not None) == finds
            assert (await service.planned_by(ctx, [step.id], key="none") is not None) == finds
            assert (await approvals.planned(ctx, run.plan_job_id, [step.id]) is not None) == finds
            with contextlib.nullcontext() if finds else pytest.raises(errors.NotFound, match="no install"):
                await plans.place_of(ctx, stage.install.id, key="none")


async def test_a_run_is_cancelled_when_its_runner_is_gone(runtime, stage):
    await stage.work()
    await stage.approve("provision sandbox plan")
    async with runtime.request(stage.actor) as ctx:
        await runners.deprovision(ctx, await runners.of_install(ctx, stage.install.id))
        await ctx.db.execute(update(Runner).where(Runner.org_id == ctx.org_id).values(deleted_at=1))
    async with runtime.request(stage.actor) as ctx:
        await engine.cancel(ctx, await ctx.db.get(Workflow, stage.workflow.id))
    await stage.drain()
    assert (await stage.row(InstallSandboxRun)).status == "cancelled"
