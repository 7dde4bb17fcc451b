"""The engine alone: durable steps per second (B09), and how long from an event to the next step (B05, without the HTTP around it).

`python -m benchmarks.engine [--quick]` starts a PostgreSQL of its own (fsync on) and prints one JSON object. The bound beside each
figure is durable transactions per second of the same server in the same run: one INSERT and one COMMIT, eight clients.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import text

from exclave.engine import service
from exclave.engine.definition import Done, Group, Outcome, Plain, Registry, StepSpec, Wait
from exclave.engine.loop import Loop
from exclave.engine.models import Workflow, WorkflowStep
from exclave.kit import db, postgres
from exclave.kit.blobs import Blobs
from exclave.kit.bus import Bus
from exclave.kit.context import Actor, Ctx, Facts, Runtime
from exclave.kit.crypto import Master
from exclave.kit.events import Events
from exclave.kit.ids import new_id
from exclave.migrations.upgrade import upgrade

ORG = "org" + "0" * 23
ACTOR = Actor(account_id="acc" + "0" * 23, org_id=ORG, org_ids=(ORG,))


class NoOp(Plain):
    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        return Done()


class Waits(Plain):
    """Waits for one event after another; notes how long after the event the handler of the next step runs."""

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.seen: list[float] = []
        self.done: set[str] = set()

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        sent = self.sent.pop(f"{step.install_workflow_id}:{step.idx - 1}", None)
        if sent is not None:
            self.seen.append(time.perf_counter() - sent)
        on = f"{step.install_workflow_id}:{step.idx}"
        ctx.poke(f"ready {on}")
        return Wait(on)

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        on = f"{step.install_workflow_id}:{step.idx}"
        return Done() if on in self.done else Wait(on)


class Listening(Bus):
    """A bus that tells the benchmark which steps wait, once their transaction is committed."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: asyncio.Queue[str] = asyncio.Queue()

    def poke(self, topic: str) -> None:
        if topic.startswith("ready "):
            self.waiting.put_nowait(topic.removeprefix("ready "))
        else:
            super().poke(topic)


def runtime_on(url: str, bus: Bus | None = None) -> Runtime:
    engine = db.connect(url, pool=8, overflow=8, settings={"idle_in_transaction_session_timeout": "10000"})
    sessions = db.sessions(engine)
    return Runtime(sessions, sessions, bus or Bus(), Events(), Master(bytes(32)), Blobs(Path(".")), Facts())


async def _started(runtime: Runtime, registry: Registry, workflows: int, steps: int, kind: str, *, at_once: int = 0) -> None:
    async def definition(ctx: Ctx, workflow: Workflow) -> list[Group]:
        return [Group((StepSpec(kind, f"step {number}"),)) for number in range(steps)]

    registry.define("bench", definition)
    tag = new_id("tag")
    async with runtime.sweep(ACTOR) as ctx:
        for number in range(workflows):
            key = f"{tag} {number % at_once}" if at_once else ""
            await service.start(ctx, "bench", owner_id=new_id("inl"), owner_type="installs", serial_key=key)


async def bound(url: str, seconds: float = 3.0) -> float:
    """Durable transactions per second: eight clients, one INSERT and one COMMIT each."""
    dsn = url.replace("+asyncpg", "")
    owner = await asyncpg.connect(dsn)
    await owner.execute("create table if not exists bound (id bigint generated always as identity primary key, note text)")

    async def client(until: float) -> int:
        connection, count = await asyncpg.connect(dsn), 0
        while time.perf_counter() < until:
            await connection.execute("insert into bound (note) values ('x')")
            count += 1
        await connection.close()
        return count

    began = time.perf_counter()
    counts = await asyncio.gather(*(client(began + seconds) for _ in range(8)))
    await owner.close()
    return sum(counts) / (time.perf_counter() - began)


async def steps_per_second(url: str, workflows: int, steps: int) -> dict[str, Any]:
    """B09: no-op steps that follow one another, each committed before its successor starts."""
    runtime, registry = runtime_on(url), Registry()
    registry.handle("noop", NoOp())
    await _started(runtime, registry, workflows, steps, "noop")
    loop = Loop(runtime, registry)
    began, cpu = time.perf_counter(), time.process_time()
    running = asyncio.create_task(loop.run())
    query = text("select count(*) from install_workflows where state <> 'finished'")
    while True:
        await asyncio.sleep(0.1)
        async with runtime.sweep() as ctx:
            if not (await ctx.db.execute(query)).scalar():
                break
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    await loop.stop()
    await running
    count = workflows * steps
    return {"steps": count, "steps_per_second": round(count / seconds), "cpu_ms_per_step": round(cpu / count * 1000, 3)}


async def event_to_step(url: str, at_once: int, events: int, rate: float) -> dict[str, Any]:
    """B05: from before the transaction that tells an event to the handler of the next step, in ms; workflows of 20 steps, so many
    at once. `rate` 0: closed loop."""
    bus = Listening()
    runtime, registry, waits = runtime_on(url, bus), Registry(), Waits()
    registry.handle("waits", waits)
    await _started(runtime, registry, at_once * (events // (at_once * 20) + 2), 20, "waits", at_once=at_once)
    loop = Loop(runtime, registry)
    running = asyncio.create_task(loop.run())

    async def tell(on: str) -> None:
        waits.done.add(on)
        waits.sent[on] = time.perf_counter()
        async with runtime.sweep(ACTOR) as ctx:
            await service.wake_waiting(ctx, on)

    pending: set[asyncio.Task[None]] = set()
    while at_once > 1 and bus.waiting.qsize() < at_once:  # noqa: ASYNC110 - until every workflow has begun
        await asyncio.sleep(0.01)
    began = time.perf_counter()
    for number in range(events):
        on = await asyncio.wait_for(bus.waiting.get(), 20)
        if rate:
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            task = asyncio.create_task(tell(on))
            pending.add(task)
            task.add_done_callback(pending.discard)
        else:
            await tell(on)
    await asyncio.sleep(0.5)
    await loop.stop()
    await running
    cuts = statistics.quantiles(waits.seen, n=1000)
    return {
        "events": len(waits.seen),
        "p50_ms": round(cuts[499] * 1000, 2),
        "p99_ms": round(cuts[989] * 1000, 2),
        "worst_ms": round(max(waits.seen) * 1000, 2),
    }


async def measure(url: str, owner_url: str, *, quick: bool) -> dict[str, Any]:
    await upgrade(owner_url)
    found: dict[str, Any] = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    found["bound_tps"] = round(await bound(owner_url))
    found["b09"] = await steps_per_second(url, 200, 20 if quick else 100)
    found["b05_one"] = await event_to_step(url, 1, 400 if quick else 2000, 0)
    found["b05_hundred"] = await event_to_step(url, 100, 600 if quick else 3000, 200)
    found["bound_tps_after"] = round(await bound(owner_url))
    found["b09_ratio"] = round(found["b09"]["steps_per_second"] / max(found["bound_tps"], found["bound_tps_after"]), 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps and events")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as base:
        cluster = postgres.start(Path(base) / "pg", progress=lambda line: None)
        try:
            print(json.dumps(asyncio.run(measure(cluster.engine_url, cluster.owner_url, quick=quick)), indent=1))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
