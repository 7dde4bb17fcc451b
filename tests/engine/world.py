"""A small product on top of the engine: a table of effects, handlers that tests steer, and a loop to advance them."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from exclave.engine import service
from exclave.engine.definition import Ask, Done, Group, Observe, Outcome, Plain, Registry, Skip, StepSpec, Wait
from exclave.engine.loop import Loop, Patience
from exclave.engine.models import Workflow, WorkflowStep, WorkflowStepApproval
from exclave.engine.tasks import Calls
from exclave.kit.context import Actor, Ctx, Runtime
from exclave.kit.ids import new_id

QUICK = Patience(limit=3, first=timedelta(milliseconds=20), most=timedelta(milliseconds=50))


class World(Plain):
    """One handler for every step: `script` says what a step of that name answers, `told` and `ran` what happened."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.looked: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.script: dict[str, Callable[[Ctx, WorkflowStep], Any]] = {}
        self.finished: set[str] = set()

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        self.ran.append(step.name)
        return await self._answer(ctx, step)

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        self.looked.append(step.name)
        return await self._answer(ctx, step)

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        self.told.append((step.name, how))

    async def _answer(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        script = self.script.get(step.name)
        if script is not None:
            found = script(ctx, step)
            return await found if isinstance(found, Awaitable) else found
        match step.args.get("do"):
            case "wait":
                return Done() if step.args["on"] in self.finished else Wait(step.args["on"])
            case "ask":
                return Ask("terraform_plan", owner_id="ind" + "0" * 23, owner_type="install_deploys", plan_digest="sha256:1")
            case "skip":
                return Skip("no changes")
            case "observe":
                return Observe(step.args["changed"])
            case _:
                return Done()


class Stage:
    """A registry, a loop and an org's actor for one test."""

    def __init__(self, runtime: Runtime, actor: Actor) -> None:
        self.runtime, self.actor = runtime, actor
        self.registry, self.world = Registry(), World()
        self.registry.handle("test.step", self.world)
        self.calls = Calls(runtime)
        self.loop = Loop(runtime, self.registry, self.calls, patience=QUICK)

    async def start(self, groups: Sequence[Group], **options: Any) -> str:
        type_ = "test_" + secrets.token_hex(6)

        async def definition(ctx: Ctx, workflow: Workflow) -> list[Group]:
            return list(groups)

        self.registry.define(type_, definition)
        async with self.runtime.request(self.actor) as ctx:
            return (await service.start(ctx, type_, owner_id=new_id("inl"), owner_type="installs", **options)).id

    async def run(self, groups: Sequence[Group], **options: Any) -> str:
        workflow_id = await self.start(groups, **options)
        assert await self.loop.drain()
        return workflow_id

    async def drain(self) -> None:
        assert await self.loop.drain()

    async def finish(self, on: str) -> None:
        """The far end finishes something."""
        self.world.finished.add(on)
        async with self.runtime.request(self.actor) as ctx:
            await service.wake_waiting(ctx, on)
        await self.drain()

    async def workflow(self, workflow_id: str) -> Workflow:
        async with self.runtime.request(self.actor) as ctx:
            found = await ctx.db.get(Workflow, workflow_id)
        assert found is not None
        return found

    async def status(self, workflow_id: str) -> str:
        return str((await self.workflow(workflow_id)).status["status"])

    async def steps(self, workflow_id: str) -> list[WorkflowStep]:
        async with self.runtime.request(self.actor) as ctx:
            order = (WorkflowStep.group_idx, WorkflowStep.group_retry_idx, WorkflowStep.idx, WorkflowStep.created_at)
            found = await ctx.db.execute(select(WorkflowStep).where(WorkflowStep.install_workflow_id == workflow_id).order_by(*order))
            return list(found.scalars())

    async def statuses(self, workflow_id: str) -> Mapping[str, str]:
        return {step.name: step.status["status"] for step in await self.steps(workflow_id)}

    async def step(self, workflow_id: str, name: str) -> WorkflowStep:
        return next(step for step in await self.steps(workflow_id) if step.name == name)

    async def approval(self, workflow_id: str, name: str) -> WorkflowStepApproval:
        step = await self.step(workflow_id, name)
        async with self.runtime.request(self.actor) as ctx:
            query = select(WorkflowStepApproval).where(WorkflowStepApproval.install_workflow_step_id == step.id)
            return (await ctx.db.execute(query.order_by(WorkflowStepApproval.created_at.desc()))).scalars().first()  # type: ignore[return-value]

    async def respond(self, workflow_id: str, name: str, response: str, note: str = "") -> None:
        step, approval = await self.step(workflow_id, name), await self.approval(workflow_id, name)
        async with self.runtime.request(self.actor) as ctx:
            await service.respond(ctx, step, approval, response, note)
        await self.drain()

    async def retry(self, workflow_id: str, name: str) -> None:
        step = await self.step(workflow_id, name)
        async with self.runtime.request(self.actor) as ctx:
            await service.retry(ctx, step)
        await self.drain()

    async def skip(self, workflow_id: str, name: str) -> None:
        step = await self.step(workflow_id, name)
        async with self.runtime.request(self.actor) as ctx:
            await service.skip(ctx, step)
        await self.drain()

    async def cancel(self, workflow_id: str) -> None:
        workflow = await self.workflow(workflow_id)
        async with self.runtime.request(self.actor) as ctx:
            await service.cancel(ctx, workflow)
        await self.drain()


def do(name: str, **args: Any) -> StepSpec:
    return StepSpec("test.step", name, args=args)


def wait(name: str, on: str = "") -> StepSpec:
    return StepSpec("test.step", name, args={"do": "wait", "on": on or f"on-{name}"})


def plan(name: str, do: str = "ask", **args: Any) -> StepSpec:
    return StepSpec("test.step", name, execution_type="approval", skippable=False, args={"do": do, **args})


def apply(name: str, **args: Any) -> StepSpec:
    return StepSpec("test.step", name, applies=True, args=args)
