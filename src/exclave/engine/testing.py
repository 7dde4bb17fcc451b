"""For tests of workflow definitions: `assert_survives` fails and replays each step, and expects the same end.

A handler may be called at any time and more than once: its transaction may be rolled back before or after it did its work, and it
may be asked twice. What it makes carries the key of its step, so the world looks the same afterwards.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from exclave.engine import rules
from exclave.engine.definition import Handler, Outcome, Registry
from exclave.engine.loop import Loop, Patience
from exclave.engine.models import Workflow, WorkflowStep
from exclave.engine.tasks import Calls
from exclave.kit.context import Ctx, Runtime

FAULTS = ("before", "after", "twice")
_QUICK = Patience(limit=6, first=timedelta(milliseconds=5), most=timedelta(milliseconds=20))
_ROLLBACKS = 2  # once among others and once alone, so that the step is marked and tried again later

Point = tuple[str, str, int]
"""A step's name, the verb of its handler, and which call of it."""


class InjectedFault(Exception):
    """What a handler raises on purpose."""


@dataclass
class Fault:
    """Where a run is disturbed, and how: rolled back before or after the handler's work, or asked twice."""

    point: Point | None = None
    how: str = ""
    met: int = 0
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    seen: list[Point] = field(default_factory=list)


class Faulty:
    """A handler that is disturbed at one point."""

    def __init__(self, handler: Handler, fault: Fault) -> None:
        self.target = handler.target
        self._handler, self._fault = handler, fault

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        return await self._disturbed(step, "run", lambda: self._handler.run(ctx, step))  # type: ignore[no-any-return]

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        return await self._disturbed(step, "then", lambda: self._handler.then(ctx, step))  # type: ignore[no-any-return]

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        await self._disturbed(step, "settled", lambda: self._handler.settled(ctx, step, how))

    async def _disturbed(self, step: WorkflowStep, verb: str, call: Callable[[], Awaitable[Any]]) -> Any:
        fault = self._fault
        number = fault.counts.get((step.name, verb), 0)
        point = (step.name, verb, number)
        hit = point == fault.point
        rolled_back = hit and fault.how != "twice" and fault.met < _ROLLBACKS
        if hit:
            fault.met += 1
        if rolled_back and fault.how == "before":
            raise InjectedFault(f"before {verb} of {step.name}")
        answer = await call()
        if rolled_back:
            raise InjectedFault(f"after {verb} of {step.name}")
        if hit and fault.how == "twice":
            answer = await call()
        fault.counts[step.name, verb] = number + 1
        fault.seen.append(point)
        return answer


async def assert_survives(
    runtime: Runtime,
    registry: Registry,
    start: Callable[[], Awaitable[str]],
    *,
    world: Callable[[str], Awaitable[bool]] | None = None,
    picture: Callable[[str], Awaitable[object]] | None = None,
    calls: Calls | None = None,
    most_points: int = 200,
) -> None:
    """Run a workflow undisturbed, then once for each call of a handler and each way of failing: the end is the same every time.

    `start` starts a workflow of an owner of its own and returns its id. `world` is the far end: called whenever nothing is due,
    it finishes jobs and answers approvals, and returns False when there was nothing to do. `picture` says what must be the same,
    without ids: by default the names and statuses of the steps; give one that counts what the handlers made.
    """

    async def one(fault: Fault) -> object:
        disturbed = Registry()
        disturbed.definitions = registry.definitions
        disturbed.handlers = {kind: Faulty(handler, fault) for kind, handler in registry.handlers.items()}
        loop = Loop(runtime, disturbed, calls, patience=_QUICK)
        workflow_id = await start()
        for _ in range(10_000):
            assert await loop.drain(20), "the workflow does not come to rest"
            if await _ended(runtime, workflow_id):
                break
            acted = await world(workflow_id) if world is not None else False
            if not acted and not await _tries_again(runtime, workflow_id):
                raise AssertionError(f"the workflow waits for something that never comes: {await look(runtime, workflow_id)}")
        seen = await look(runtime, workflow_id)
        return seen, await picture(workflow_id) if picture is not None else None

    undisturbed = Fault()
    expected = await one(undisturbed)
    assert undisturbed.seen, "no handler was called"
    for point in undisturbed.seen[:most_points]:
        for how in FAULTS:
            fault = Fault(point, how)
            found = await one(fault)
            # How often a handler looks again depends on who wakes it when; everything else happens every time.
            assert fault.met or (point[1] == "then" and point[2] > 0), f"{point} was not reached: the workflow runs another way each time"
            assert found == expected, f"disturbed {how} {point}: {found} instead of {expected}"


async def look(runtime: Runtime, workflow_id: str) -> list[tuple[str, str]]:
    """Return the workflow's status, then name and status of each step in canonical order."""
    async with runtime.sweep() as ctx:
        workflow = await ctx.db.get_one(Workflow, workflow_id)
        found = await ctx.db.execute(select(WorkflowStep).where(WorkflowStep.install_workflow_id == workflow_id))
        steps = sorted(found.scalars(), key=rules.order)
    return [("", workflow.status["status"]), *((step.name, step.status["status"]) for step in steps)]


async def _ended(runtime: Runtime, workflow_id: str) -> bool:
    async with runtime.sweep() as ctx:
        workflow = await ctx.db.get_one(Workflow, workflow_id)
        untold = select(WorkflowStep.id).where(WorkflowStep.install_workflow_id == workflow_id, WorkflowStep.settling != "")
        return workflow.state == "finished" and (await ctx.db.execute(untold)).first() is None


async def _tries_again(runtime: Runtime, workflow_id: str) -> bool:
    async with runtime.sweep() as ctx:
        marked = select(WorkflowStep.id).where(WorkflowStep.install_workflow_id == workflow_id, WorkflowStep.raised > 0)
        return (await ctx.db.execute(marked)).first() is not None
