"""A worker process for the chaos test: `python -m tests.engine.worker ENGINE_URL [deaf]`. It is killed without warning."""

import asyncio
import os
import random
import sys
from pathlib import Path

from sqlalchemy import text

from exclave.engine.definition import Done, Group, Outcome, Plain, Registry, StepSpec, Wait
from exclave.engine.loop import Loop
from exclave.engine.models import Workflow, WorkflowStep
from exclave.engine.tasks import Called, Calls
from exclave.kit import db
from exclave.kit.blobs import Blobs
from exclave.kit.bus import Bus
from exclave.kit.context import Ctx, Facts, Runtime
from exclave.kit.crypto import Master
from exclave.kit.events import Events

GROUPS, BESIDE = 4, 5


def runtime_on(engine_url: str, *, deaf: bool = False) -> Runtime:
    engine = db.connect(engine_url, pool=5, settings={"idle_in_transaction_session_timeout": "10000"})
    sessions = db.sessions(engine)
    bus = Bus(None if deaf else engine_url.replace("+asyncpg", ""))
    return Runtime(sessions, sessions, bus, Events(), Master(bytes(32)), Blobs(Path(".")), Facts())


async def definition(ctx: Ctx, workflow: Workflow) -> list[Group]:
    """Four rounds of five steps side by side; each waits for an event of its own."""
    tag = workflow.workflow_metadata["tag"]
    groups = []
    before: tuple[str, ...] = ()
    for round_ in range(GROUPS):
        keys = tuple(f"{round_}-{beside}" for beside in range(BESIDE))
        groups += [Group((StepSpec("chaos.step", key, args={"on": f"{tag}-{key}"}),), key=key, after=before) for key in keys]
        before = keys
    return groups


async def one_call(ctx: Ctx, workflow: Workflow) -> list[Group]:
    return [Group((StepSpec("chaos.call", "call"),))]


class ChaosStep(Plain):
    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        await effect(ctx, step, "run")
        return Wait(step.args["on"])

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        happened = text("select 1 from chaos_events where on_id = :id")
        if (await ctx.db.execute(happened, {"id": step.args["on"]})).first() is None:
            return Wait(step.args["on"])
        if random.random() < 0.02:
            raise ZeroDivisionError("chance")
        await effect(ctx, step, "done")
        return Done()


async def effect(ctx: Ctx, step: WorkflowStep, what: str) -> None:
    insert = text("insert into chaos_effects (workflow_id, step_id, what, pid) values (:w, :s, :what, :pid)")
    await ctx.db.execute(insert, {"w": step.install_workflow_id, "s": step.id, "what": what, "pid": os.getpid()})


async def slow_call(runtime: Runtime, called: Called) -> dict[str, str]:
    """Side work that takes a while; every start leaves a row."""
    async with runtime.sweep() as ctx:
        await ctx.db.execute(
            text("insert into chaos_effects (workflow_id, step_id, what, pid) values (:w, :s, 'call', :pid)"),
            {"w": called.workflow_id, "s": called.step_id, "pid": os.getpid()},
        )
    await asyncio.sleep(1.5)
    return {"pid": str(os.getpid())}


def registry() -> Registry:
    from tests.engine.world import World

    made = Registry()
    made.define("chaos", definition)
    made.define("chaos.calls", one_call)
    made.handle("chaos.step", ChaosStep())
    made.handle("test.step", World())
    return made


async def main(engine_url: str, deaf: bool) -> None:
    runtime = runtime_on(engine_url, deaf=deaf)
    await runtime.bus.start()
    calls = Calls(runtime)
    calls.register("slow", slow_call)
    made = registry()
    made.handle("chaos.call", CallStep())
    print("ready", flush=True)
    await Loop(runtime, made, calls).run()


class CallStep(Plain):
    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        from exclave.engine.calls import answer_of
        from exclave.engine.definition import Call

        answer = await answer_of(ctx, step, "slow")
        if answer is None:
            return Call("slow")
        await effect(ctx, step, "answered")
        return Done(answer.value["pid"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], "deaf" in sys.argv[2:]))
