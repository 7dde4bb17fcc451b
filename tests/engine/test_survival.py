"""`assert_survives` finds handlers that do not bear to be failed and replayed."""

import secrets
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine

from exclave.engine import service
from exclave.engine.definition import Ask, Done, Group, Outcome, Plain, Skip, StepSpec, Wait, step_key
from exclave.engine.models import Workflow, WorkflowStep, WorkflowStepApproval
from exclave.engine.testing import assert_survives
from exclave.kit.context import Ctx
from exclave.kit.ids import new_id
from tests.cluster import Cluster
from tests.engine.world import Stage


class Deploys(Plain):
    """Makes one row for each step, kept under the step's key in a table of the test."""

    def __init__(self, made: Callable[[Ctx, WorkflowStep], object]) -> None:
        self._make = made

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        if step.name == "nothing":
            return Skip("no changes")
        await self._make(ctx, step)  # type: ignore[misc]
        return Wait("job-" + step.id)

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        done = text("select 1 from survival where key = :key and action = 'finished'")
        if (await ctx.db.execute(done, {"key": "job-" + step.id})).first() is None:
            return Wait("job-" + step.id)
        return Ask("terraform_plan", "x", "install_deploys") if step.execution_type == "approval" else Done()


async def _log(ctx: Ctx, action: str, key: str) -> None:
    await ctx.db.execute(text("insert into survival (action, key) values (:action, :key)"), {"action": action, "key": key})


@pytest.fixture(autouse=True)
async def table(database: Cluster) -> AsyncIterator[None]:
    owner = create_async_engine(database.owner_url)
    async with owner.begin() as connection:
        await connection.execute(text("create table survival (action text, key text)"))
        await connection.execute(text("grant all on survival to exclave_engine, exclave_app"))
    yield
    async with owner.begin() as connection:
        await connection.execute(text("drop table survival"))
    await owner.dispose()


async def keyed(ctx: Ctx, step: WorkflowStep) -> None:
    key = step_key(step)
    seen = text("select 1 from survival where key = :key and action = 'made'")
    if (await ctx.db.execute(seen, {"key": key})).first() is None:
        await _log(ctx, "made", key)


async def careless(ctx: Ctx, step: WorkflowStep) -> None:
    await _log(ctx, "made", step_key(step))


async def _survive(stage: Stage, make: Callable[[Ctx, WorkflowStep], object]) -> None:
    async def definition(ctx: Ctx, workflow: Workflow) -> list[Group]:
        plan = StepSpec("deploys", "plan", execution_type="approval")
        return [
            Group((StepSpec("deploys", "nothing"), StepSpec("deploys", "one")), after=()),
            Group((plan, StepSpec("deploys", "apply", applies=True)), after=()),
        ]

    type_ = "survives_" + secrets.token_hex(4)
    stage.registry.define(type_, definition)
    stage.registry.handle("deploys", Deploys(make))

    async def start() -> str:
        async with stage.runtime.request(stage.actor) as ctx:
            return (await service.start(ctx, type_, owner_id=new_id("inl"), owner_type="installs")).id

    async def world(workflow_id: str) -> bool:
        async with stage.runtime.request(stage.actor) as ctx:
            query = select(WorkflowStep).where(WorkflowStep.install_workflow_id == workflow_id).order_by(WorkflowStep.idx)
            steps = (await ctx.db.execute(query)).scalars().all()
            for step in steps:
                if step.state == "waiting":
                    await _log(ctx, "finished", "job-" + step.id)
                    await service.wake_waiting(ctx, "job-" + step.id)
                    return True
                if step.state == "asking":
                    found = select(WorkflowStepApproval).where(WorkflowStepApproval.install_workflow_step_id == step.id)
                    await service.respond(ctx, step, (await ctx.db.execute(found)).scalars().one(), "approve")
                    return True
        return False

    async def picture(workflow_id: str) -> object:
        count = """select count(*) from survival a join install_workflow_steps s on a.key like s.id || ':%'
                   where s.install_workflow_id = :id and a.action = 'made'"""
        async with stage.runtime.sweep() as ctx:
            return (await ctx.db.execute(text(count), {"id": workflow_id})).scalar()

    await assert_survives(stage.runtime, stage.registry, start, world=world, picture=picture)


async def test_a_handler_that_keys_what_it_makes_survives(stage: Stage) -> None:
    await _survive(stage, keyed)


async def test_a_handler_that_makes_two_of_a_thing_is_found(stage: Stage) -> None:
    with pytest.raises(AssertionError, match="disturbed twice"):
        await _survive(stage, careless)
