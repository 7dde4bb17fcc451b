"""Workers are killed without warning, hints are lost, connections are cut: every effect happens exactly once."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from exclave.engine import service
from exclave.kit.context import Runtime
from exclave.kit.ids import new_id
from tests import factories
from tests.cluster import Cluster
from tests.engine.worker import BESIDE, GROUPS

WORKFLOWS = 12
ROOT = Path(__file__).parents[2]


class Workers:
    """Processes that are started and killed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.alive: list[subprocess.Popen[bytes]] = []

    def start(self, *, deaf: bool = False) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.engine.worker", self._url, *(["deaf"] if deaf else [])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
        made = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.alive.append(made)
        return made

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        self.alive.remove(worker)

    async def ready(self) -> None:
        """Wait until all of them said that they are ready."""
        await asyncio.to_thread(lambda: [worker.stdout.readline() for worker in self.alive if worker.stdout])

    def pause(self, worker: subprocess.Popen[bytes]) -> None:
        worker.send_signal(signal.SIGSTOP)

    def resume(self, worker: subprocess.Popen[bytes]) -> None:
        worker.send_signal(signal.SIGCONT)

    def kill_all(self) -> None:
        for worker in list(self.alive):
            self.kill(worker)


@pytest.fixture
def workers(database: Cluster) -> Iterator[Workers]:
    made = Workers(database.engine_url)
    yield made
    made.kill_all()


@pytest.fixture
async def tables(database: Cluster) -> AsyncIterator[None]:
    owner = create_async_engine(database.owner_url)
    async with owner.begin() as connection:
        await connection.execute(text("create table chaos_effects (workflow_id text, step_id text, what text, pid int)"))
        await connection.execute(text("create table chaos_events (on_id text primary key)"))
        await connection.execute(text("grant all on chaos_effects, chaos_events to exclave_engine, exclave_app"))
    yield
    async with owner.begin() as connection:
        await connection.execute(text("drop table chaos_effects, chaos_events"))
    await owner.dispose()


async def wait_until(runtime: Runtime, query: str, wanted: int, seconds: float, **values: object) -> int:
    deadline = time.monotonic() + seconds
    while True:
        async with runtime.sweep() as ctx:
            found = (await ctx.db.execute(text(query), values)).scalar()
        if found == wanted or time.monotonic() > deadline:
            return int(found or 0)
        await asyncio.sleep(0.05)


@pytest.mark.fault
async def test_no_step_runs_twice_when_workers_are_killed(
    runtime: Runtime, org: factories.OrgWithToken, workers: Workers, tables: None
) -> None:
    chance = random.Random(7)
    events = []
    async with runtime.request(org.actor) as ctx:
        for number in range(WORKFLOWS):
            await service.start(ctx, "chaos", owner_id=new_id("inl"), owner_type="installs", metadata={"tag": f"w{number}"})
            events += [f"w{number}-{round_}-{beside}" for round_ in range(GROUPS) for beside in range(BESIDE)]
    chance.shuffle(events)
    for number in range(3):
        workers.start(deaf=number == 0)
    await workers.ready()

    async def deliver() -> None:
        for on in events:
            async with runtime.sweep() as ctx:  # the test's own bus has no NOTIFY: every hint is dropped
                await ctx.db.execute(text("insert into chaos_events values (:id)"), {"id": on})
                await service.wake_waiting(ctx, on)
            await asyncio.sleep(0.01)

    async def kill() -> None:
        for _ in range(5):
            await asyncio.sleep(0.8)
            workers.kill(chance.choice(workers.alive))
            workers.start(deaf=chance.random() < 0.5)
            async with runtime.sweep() as ctx:
                cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'exclave_engine' and query like 'LISTEN%'"
                await ctx.db.execute(text(cut))

    await asyncio.gather(deliver(), kill())
    done = "select count(*) from install_workflows where type = 'chaos' and status ->> 'status' = 'success' and org_id = :org"
    assert await wait_until(runtime, done, WORKFLOWS, 60, org=org.id) == WORKFLOWS
    async with runtime.sweep() as ctx:
        for what in ("run", "done"):
            query = text("select count(*), count(distinct step_id), count(distinct pid) from chaos_effects where what = :what")
            total, distinct, processes = (await ctx.db.execute(query, {"what": what})).one()
            assert (total, distinct) == (WORKFLOWS * GROUPS * BESIDE,) * 2
            assert processes > 1
