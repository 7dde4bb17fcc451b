"""An action run from its step to its outputs. The runner is played by the verbs that its API calls."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from exclave.domain.actions import service as actions
from exclave.domain.actions.models import InstallActionWorkflowRun, InstallActionWorkflowRunStep
from exclave.domain.actions.steps import RunAction
from exclave.domain.installs import service as installs
from exclave.domain.installs.service import Account
from exclave.domain.jobs import claims, executions
from exclave.domain.jobs import service as jobs
from exclave.domain.logs.models import LogStream
from exclave.domain.runners import service as runners
from exclave.domain.states import service as states
from exclave.engine.definition import Done, Fail, StepSpec, Wait
from exclave.engine.models import Workflow, WorkflowStep
from exclave.engine.status import composite
from exclave.kit import errors
from exclave.kit.context import Actor
from tests.domain.installs import made

SCRIPT = "#!/bin/sh\necho {{ .nuon.inputs.inputs.region }} > $NUON_ACTIONS_OUTPUT_FILEPATH\n"
STEPS = (
    {"name": "say", "inline_contents": SCRIPT, "env_vars": {"WHERE": "{{ .nuon.install.name }}"}},
    {"name": "then", "command": "./check {{ .nuon.install.id }}"},
)


class Scene:
    """An install with one action, and a workflow to run it in."""

    def __init__(self, install, workflow, action, config) -> None:
        self.install, self.workflow, self.action, self.config = install, workflow, action, config


async def scene(ctx, *, steps=STEPS, triggers=(("post-provision", 0),), **more) -> Scene:
    app = await made.app(ctx)
    action, config = await made.action(ctx, app, "check", steps=steps, triggers=triggers, **more)
    inputs = {"region": "eu", "password": "canary-input"}
    created = await installs.create(ctx, app, name="acme", inputs=inputs, account=Account())
    await made.runner_role(ctx)
    await runners.provision(ctx, await runners.of_install(ctx, created.install.id))
    return Scene(created.install, created.workflow, action, config)


async def step_row(ctx, found: Scene, spec: StepSpec, **more) -> WorkflowStep:
    row = WorkflowStep(
        org_id=ctx.org_id,
        created_by_id=ctx.actor.account_id,
        install_workflow_id=found.workflow.id,
        owner_id=found.install.id,
        owner_type="installs",
        name=spec.name,
        status=composite("pending"),
        idx=0,
        kind=spec.kind,
        args=dict(spec.args),
        attempt=1,
        **more,
    )
    ctx.db.add(row)
    await ctx.db.flush()
    return row


async def one_step(ctx, found: Scene, trigger: str = "post-provision") -> WorkflowStep:
    (spec,) = await actions.lifecycle_steps(ctx, found.install, trigger, workflow=found.workflow)
    return await step_row(ctx, found, spec)


async def runner_actor(ctx, found: Scene) -> Actor:
    runner = await runners.of_install(ctx, found.install.id)
    return Actor(account_id=runner.account_id, org_id=ctx.org_id, org_ids=(ctx.org_id,), kind="service", runner_id=runner.id)


async def work(ctx, found: Scene, *, ends: str = "finished", outputs=None, sensitive=(), error_metadata=None):
    """What the runner does: claim, report, deliver."""
    as_runner = ctx.acting_as(await runner_actor(ctx, found))
    claim = await claims.claim(as_runner, as_runner.actor.runner_id, ["actions"])
    assert claim is not None
    job_id, execution_id = claim.job.id, claim.execution.id
    if outputs is not None:
        body = json.dumps({"outputs": outputs, "sensitive": list(sensitive)}).encode()
        await executions.give_outputs(as_runner, job_id, execution_id, body)
    result = {"success": ends == "finished", "error_code": 1, "error_metadata": error_metadata or {}}
    await executions.give_result(as_runner, job_id, execution_id, json.dumps(result).encode())
    for status in ("in-progress", ends):
        await executions.move(as_runner, job_id, execution_id, status)
    return claim


async def test_actions_of_a_trigger_become_steps_with_the_environment_of_their_workflow(ctx):
    found = await scene(ctx)
    (spec,) = await actions.lifecycle_steps(ctx, found.install, "post-provision", workflow=found.workflow)
    assert (spec.kind, spec.name) == ("action.run", "check Action Run (post-provision)")
    assert spec.args["run_env_vars"] == {
        "TRIGGER_TYPE": "post-provision",
        "FLOW_TYPE": "provision",
        "FLOW_ID": found.workflow.id,
        "INSTALL_WORKFLOW_TYPE": "provision",
        "INSTALL_WORKFLOW_ID": found.workflow.id,
    }
    assert await actions.lifecycle_steps(ctx, found.install, "pre-provision", workflow=found.workflow) == ()


async def test_a_config_that_the_install_does_not_pin_does_not_run(ctx):
    found = await scene(ctx)
    newer = await made.app(ctx)
    install = found.install
    install.app_config_id = newer.config_id
    await ctx.db.flush()
    assert await actions.lifecycle_steps(ctx, install, "post-provision", workflow=found.workflow) == ()


async def test_a_component_trigger_runs_around_its_component_with_its_name(ctx):
    found = await scene(ctx)
    row = (await installs.components(ctx, found.install.id))[0]
    app = await ctx.db.get(made.App, found.install.app_id)
    app.config_id = found.install.app_config_id
    await made.action(ctx, app, "around", triggers=[("pre-deploy-component", 0)], component_id=row.component_id)
    ask = actions.lifecycle_steps(ctx, found.install, "pre-deploy-component", row.component_id, workflow=found.workflow)
    (spec,) = await ask
    assert spec.args["run_env_vars"]["COMPONENT_NAME"] == "db"
    assert await actions.lifecycle_steps(ctx, found.install, "pre-deploy-component", workflow=found.workflow) == ()


async def test_a_run_is_opened_with_a_rendered_plan_and_no_token(ctx):
    found = await scene(ctx)
    step = await one_step(ctx, found)
    outcome = await RunAction().run(ctx, step)
    assert isinstance(outcome, Wait)
    run = await ctx.db.get(InstallActionWorkflowRun, step.step_target_id)
    assert (step.step_target_type, run.status, run.trigger_type) == ("install_action_workflow_runs", "in-progress", "post-provision")
    statement = select(InstallActionWorkflowRunStep.status).where(InstallActionWorkflowRunStep.install_action_workflow_run_id == run.id)
    assert (await ctx.db.execute(statement)).scalars().all() == ["pending", "pending"]
    job = await jobs.get(ctx, outcome.on)
    assert (job.type, job.operation, job.group) == ("actions-workflow", "exec", "actions")
    assert job.execution_timeout == (60 + 60) * 1_000_000_000
    plan = json.loads(await jobs.plan_of(ctx, job.id))
    assert plan["steps"][0]["interpolated_inline_contents"] == SCRIPT.replace("{{ .nuon.inputs.inputs.region }}", "eu")
    assert plan["steps"][0]["interpolated_env_vars"] == {"WHERE": "acme"}
    assert plan["steps"][1]["interpolated_command"] == f"./check {found.install.id}"
    assert plan["builtin_env_vars"]["NUON_INSTALL_ID"] == found.install.id
    assert plan["override_env_vars"]["TRIGGER_TYPE"] == "post-provision"
    assert plan["sensitive_values"] == ["canary-input"]
    assert not any("TOKEN" in name for env in (plan["builtin_env_vars"], plan["override_env_vars"]) for name in env)


async def test_running_a_step_twice_opens_one_run(ctx):
    found = await scene(ctx)
    step = await one_step(ctx, found)
    first = await RunAction().run(ctx, step)
    second = await RunAction().run(ctx, step)
    assert (first.on, isinstance(second, Wait)) == (second.on, True)
    runs = select(InstallActionWorkflowRun.id).where(InstallActionWorkflowRun.install_workflow_id == found.workflow.id)
    assert len((await ctx.db.execute(runs)).all()) == 1


async def test_outputs_of_a_finished_action_are_in_the_state(ctx):
    found = await scene(ctx)
    step = await one_step(ctx, found)
    handler = RunAction()
    await handler.run(ctx, step)
    assert isinstance(await handler.then(ctx, step), Wait)
    await work(ctx, found, outputs={"url": "http://x", "token": "canary-out", "steps": {"say": {"n": 1}}}, sensitive=["token"])
    assert await handler.then(ctx, step) == Done()
    assert await handler.then(ctx, step) == Done()
    run = await ctx.db.get(InstallActionWorkflowRun, step.step_target_id)
    assert (run.status, run.status_v2["status"]) == ("finished", "success")
    outputs = (await states.document(ctx, found.install.id))["actions"]["workflows"]["check"]
    assert outputs["outputs"] == {"url": "http://x", "token": "canary-out", "steps": {"say": {"n": 1}}}
    assert outputs["status"] == "finished"
    assert (await states.shown_plain(ctx, found.install.id))["actions"]["workflows"]["check"]["outputs"]["token"] == "********"
    stream = (await ctx.db.execute(select(LogStream).where(LogStream.owner_id == run.id))).scalar_one()
    assert stream.open is False


async def test_a_failed_action_fails_its_step_with_the_runners_reason(ctx):
    found = await scene(ctx)
    step = await one_step(ctx, found)
    handler = RunAction()
    await handler.run(ctx, step)
    await work(
        ctx, found, ends="failed", error_metadata={"message": "step say exited with 3", "reason": "action-failed", "tail": "no such file"}
    )
    outcome = await handler.then(ctx, step)
    assert isinstance(outcome, Fail)
    assert "check" in outcome.reason
    assert "exited with 3" in outcome.reason
    assert outcome.metadata == {"code": "action-failed", "tail": "no such file"}
    run = await ctx.db.get(InstallActionWorkflowRun, step.step_target_id)
    assert run.status == "error"
    statement = select(InstallActionWorkflowRunStep.status).where(InstallActionWorkflowRunStep.install_action_workflow_run_id == run.id)
    assert set((await ctx.db.execute(statement)).scalars().all()) == {"error"}
    assert (await states.document(ctx, found.install.id))["actions"]["workflows"] == {}


async def test_a_missing_value_fails_the_step_naming_action_step_and_key(ctx):
    found = await scene(ctx, steps=({"name": "say", "inline_contents": "echo {{ .nuon.components.web.outputs.nope }}"},))
    step = await one_step(ctx, found)
    outcome = await RunAction().run(ctx, step)
    assert isinstance(outcome, Fail)
    for word in ("check", "say", "inline_contents"):
        assert word in outcome.reason
    run = await ctx.db.get(InstallActionWorkflowRun, step.step_target_id)
    assert (run.status, run.status_description) == ("error", outcome.reason)
    assert await jobs.by_key(ctx, run.step_key) is None


async def test_a_cancelled_step_cancels_its_run_and_its_job(ctx):
    found = await scene(ctx)
    step = await one_step(ctx, found)
    handler = RunAction()
    outcome = await handler.run(ctx, step)
    await handler.settled(ctx, step, "cancelled")
    run = await ctx.db.get(InstallActionWorkflowRun, step.step_target_id)
    assert run.status == "cancelled"
    assert jobs.is_final((await jobs.get(ctx, outcome.on)).status)


async def test_an_action_around_the_sandbox_knows_its_run(ctx):
    found = await scene(ctx, triggers=(("pre-provision", 0), ("post-provision", 0)))
    before = await one_step(ctx, found, "pre-provision")
    await RunAction().run(ctx, before)
    run = await ctx.db.get(InstallActionWorkflowRun, before.step_target_id)
    assert run.sandbox_run_id == ""
    await actions.link_to_sandbox_run(ctx, found.workflow.id, "sbr00000000000000000000001")
    await ctx.db.refresh(run)
    assert run.sandbox_run_id == "sbr00000000000000000000001"
    plan = StepSpec("sandbox.plan", "provision sandbox plan")
    await step_row(ctx, found, plan, group_idx=6, step_target_type="install_sandbox_runs", step_target_id="sbr00000000000000000000002")
    after = await one_step(ctx, found, "post-provision")
    await RunAction().run(ctx, after)
    assert (await ctx.db.get(InstallActionWorkflowRun, after.step_target_id)).sandbox_run_id == "sbr00000000000000000000002"


async def test_a_manual_run_needs_the_installs_own_config_and_a_manual_trigger(ctx):
    found = await scene(ctx)
    with pytest.raises(errors.Invalid, match="manual"):
        await actions.run(ctx, found.install, found.config.id, {})
    elsewhere = await made.app(ctx)
    _, foreign = await made.action(ctx, elsewhere, "check", triggers=[("manual", 0)])
    with pytest.raises(errors.Invalid, match="does not belong"):
        await actions.run(ctx, found.install, foreign.id, {})
    with pytest.raises(errors.NotFound):
        await actions.run(ctx, found.install, "acc00000000000000000000000", {})


async def test_a_manual_run_is_a_workflow_with_one_step(ctx):
    found = await scene(ctx, triggers=(("manual", 0),))
    workflow = await actions.run(ctx, found.install, found.config.id, {"DEBUG": "1"})
    assert workflow.type == "action_workflow_run"
    assert workflow.workflow_metadata["RUNENV_DEBUG"] == "1"
    assert workflow.workflow_metadata["triggerred_by_id"] == ctx.actor.account_id
    (spec,) = await actions.manual_steps(ctx, workflow)
    assert spec.name == "manual action workflow run"
    assert spec.args["run_env_vars"] == {"DEBUG": "1", "TRIGGER_TYPE": "manual"}
    row = await step_row(ctx, replace_workflow(found, workflow), spec)
    assert isinstance(await RunAction().run(ctx, row), Wait)


def replace_workflow(found: Scene, workflow: Workflow) -> Scene:
    return Scene(found.install, workflow, found.action, found.config)


async def test_only_the_installs_own_runner_reports_its_steps(ctx):
    found = await scene(ctx)
    step = await one_step(ctx, found)
    await RunAction().run(ctx, step)
    run_id = step.step_target_id
    own = ctx.acting_as(await runner_actor(ctx, found))
    run_step = (await ctx.db.execute(select(InstallActionWorkflowRunStep).limit(1).where(
        InstallActionWorkflowRunStep.install_action_workflow_run_id == run_id
    ))).scalars().first()  # fmt: skip
    told = await actions.report_step(own, found.install.id, run_id, run_step.id, status="in-progress", execution_duration=0)
    assert told.status == "in-progress"
    by_workflow = await actions.report_step(own, found.install.id, found.workflow.id, run_step.id, status="finished", execution_duration=5)
    assert (by_workflow.status, by_workflow.execution_duration) == ("finished", 5)
    foreign = ctx.acting_as(replace(own.actor, runner_id="run00000000000000000000000"))
    with pytest.raises(errors.NotFound):
        await actions.report_step(foreign, found.install.id, run_id, run_step.id, status="error", execution_duration=0)
    await work(ctx, found, outputs={})
    await RunAction().then(ctx, step)
    with pytest.raises(errors.Stale):
        await actions.report_step(own, found.install.id, run_id, run_step.id, status="error", execution_duration=0)
