"""Actions inside a real workflow: the engine runs the steps, the test plays the runner."""

import json
import secrets

import pytest
from sqlalchemy import select

from exclave.domain.actions import service as actions
from exclave.domain.actions.steps import RunAction
from exclave.domain.installs import service as installs
from exclave.domain.installs import steps as install_steps
from exclave.domain.installs.service import Account
from exclave.domain.jobs import claims, executions
from exclave.domain.runners import service as runners
from exclave.domain.states import service as states
from exclave.engine import service as engine
from exclave.engine.definition import Group, Registry
from exclave.engine.loop import Loop
from exclave.engine.models import Workflow, WorkflowStep
from exclave.engine.tasks import Calls
from exclave.kit.context import Actor
from tests.domain.installs import made


class Stage:
    """A workflow type whose groups are a state version and the actions of one trigger."""

    def __init__(self, runtime, actor, install_id: str) -> None:
        self.runtime, self.actor, self.install_id = runtime, actor, install_id
        self.registry = Registry()
        self.registry.handle("action.run", RunAction())
        self.registry.handle("state.generate", install_steps.GenerateState())
        self.registry.handle("install.forget", install_steps.Forget())
        self.calls = Calls(runtime)
        self.loop = Loop(runtime, self.registry, self.calls)

    async def start(self, *, forget: bool = False) -> str:
        kind = f"test_{secrets.token_hex(4)}"

        async def definition(ctx, workflow: Workflow) -> list[Group]:
            install = await installs.get(ctx, workflow.owner_id)
            found = await actions.lifecycles(ctx, install, workflow)
            groups = [Group((install_steps.generate_state(),)), Group(found.steps("post-provision"))]
            return [*groups, Group((install_steps.forget(),))] if forget else groups

        self.registry.define(kind, definition)
        async with self.runtime.request(self.actor) as ctx:
            workflow = await engine.start(ctx, kind, owner_id=self.install_id, owner_type="installs")
        assert await self.loop.drain()
        return workflow.id

    async def work(self, *, outputs=None, ends: str = "finished") -> None:
        async with self.runtime.request(self.actor) as ctx:
            runner = await runners.of_install(ctx, self.install_id)
            as_runner = Actor(account_id=runner.account_id, org_id=ctx.org_id, org_ids=(ctx.org_id,), kind="service", runner_id=runner.id)
        async with self.runtime.request(as_runner) as ctx:
            claim = await claims.claim(ctx, runner.id, ["actions"])
            assert claim is not None
            if outputs is not None:
                await executions.give_outputs(ctx, claim.job.id, claim.execution.id, json.dumps({"outputs": outputs}).encode())
            for status in ("in-progress", ends):
                await executions.move(ctx, claim.job.id, claim.execution.id, status)
            await engine.wake_waiting(ctx, claim.job.id)
        assert await self.loop.drain()

    async def seen(self, workflow_id: str) -> tuple[str, dict[str, str]]:
        async with self.runtime.request(self.actor) as ctx:
            workflow = await ctx.db.get(Workflow, workflow_id)
            steps = await ctx.db.execute(select(WorkflowStep).where(WorkflowStep.install_workflow_id == workflow_id))
            return workflow.status["status"], {step.name: step.status["status"] for step in steps.scalars()}


@pytest.fixture
async def stage(runtime, org) -> Stage:
    async with runtime.request(org.actor) as ctx:
        await made.runner_role(ctx)
        app = await made.app(ctx)
        steps = [{"name": "say", "inline_contents": "echo {{ .nuon.actions.workflows.first.outputs.token }}"}]
        await made.action(ctx, app, "second", triggers=[("post-provision", 2)], steps=steps)
        await made.action(ctx, app, "first", triggers=[("post-provision", 1)])
        created = await installs.create(ctx, app, name="acme", inputs={"region": "eu"}, account=Account())
        await engine.cancel(ctx, created.workflow)  # the provision of the product is not what this is about
        await runners.provision(ctx, await runners.of_install(ctx, created.install.id))
    return Stage(runtime, org.actor, created.install.id)


async def test_an_action_reads_what_the_one_before_put_out(stage):
    workflow_id = await stage.start()
    await stage.work(outputs={"token": "from-first"})
    status, steps = await stage.seen(workflow_id)
    assert (status, steps["first Action Run (post-provision)"]) == ("in-progress", "success")
    await stage.work(outputs={})
    assert await stage.seen(workflow_id) == (
        "success",
        {
            "generate install state": "success",
            "first Action Run (post-provision)": "success",
            "second Action Run (post-provision)": "success",
        },
    )


async def test_a_missing_output_fails_the_workflow_at_that_step(stage):
    workflow_id = await stage.start()
    await stage.work(outputs={})
    status, steps = await stage.seen(workflow_id)
    assert (status, steps["second Action Run (post-provision)"]) == ("error", "error")


async def test_a_retried_action_runs_again_as_a_run_of_its_own(stage):
    workflow_id = await stage.start()
    await stage.work(ends="failed")
    assert (await stage.seen(workflow_id))[0] == "error"
    async with stage.runtime.request(stage.actor) as ctx:
        statement = select(WorkflowStep).where(WorkflowStep.install_workflow_id == workflow_id, WorkflowStep.name.startswith("first"))
        await engine.retry(ctx, (await ctx.db.execute(statement)).scalars().one())
    assert await stage.loop.drain()
    await stage.work(outputs={"token": "x"})
    await stage.work(outputs={})
    assert (await stage.seen(workflow_id))[0] == "success"
    async with stage.runtime.request(stage.actor) as ctx:
        rows = await ctx.db.execute(actions.queries.runs_of(ctx.actor, stage.install_id))
        assert sorted(run.status for run in rows.scalars()) == ["error", "finished", "finished"]


async def test_a_cancelled_workflow_cancels_the_action_that_runs(stage):
    workflow_id = await stage.start()
    async with stage.runtime.request(stage.actor) as ctx:
        await engine.cancel(ctx, await ctx.db.get(Workflow, workflow_id))
    assert await stage.loop.drain()
    async with stage.runtime.request(stage.actor) as ctx:
        rows = await ctx.db.execute(actions.queries.runs_of(ctx.actor, stage.install_id))
        assert [run.status for run in rows.scalars()] == ["cancelled"]


async def test_the_last_step_of_a_delete_forgets_the_install(stage):
    workflow_id = await stage.start(forget=True)
    await stage.work(outputs={"token": "x"})
    async with stage.runtime.request(stage.actor) as ctx:
        assert (await installs.get(ctx, stage.install_id)).id == stage.install_id
    await stage.work(outputs={})
    assert (await stage.seen(workflow_id))[0] == "success"
    async with stage.runtime.request(stage.actor) as ctx:
        with pytest.raises(Exception, match="no install"):
            await installs.get(ctx, stage.install_id)


async def test_the_state_step_names_its_version(stage):
    workflow_id = await stage.start()
    async with stage.runtime.request(stage.actor) as ctx:
        statement = select(WorkflowStep).where(WorkflowStep.install_workflow_id == workflow_id, WorkflowStep.kind == "state.generate")
        step = (await ctx.db.execute(statement)).scalars().one()
        versions = await ctx.db.execute(states.queries.versions_of(ctx.actor, stage.install_id))
        assert step.step_target_type == "install_states"
        assert step.step_target_id in [version.id for version in versions.scalars()]
