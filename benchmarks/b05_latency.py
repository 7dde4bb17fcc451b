"""Latency: a runner delivers a result, the next job of its workflow is in the next runner's hands.

Simulated runners over real HTTP against a real server process (`exclave server` on a PostgreSQL of its own). An event begins when the
runner starts to post its report (result, outputs and status in one, as our runner does) and ends when the claim that waits meanwhile is
answered with the workflow's next job: in between the job ends, the engine commits one step after another, the plan is rendered and
sealed, a job is submitted, the claim commits. First one workflow at a time, whose jobs take no time; then many at once, whose jobs take
as long as makes 20 events a second in all, and which begin spread over a round (a closed loop without the one, or a stampede without the
other, would measure how long a queue is). The bound is two durable transactions.
"""

import asyncio
import contextlib
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import httpx

from benchmarks import Asked, Figure, world
from benchmarks.bound import pgbench
from benchmarks.places import child, database, free_port
from benchmarks.simulated import SimulatedRunner
from exclave.domain.runners import service as runners
from exclave.kit.context import Runtime
from exclave.kit.postgres import Cluster
from exclave.server import first
from exclave.server import runtime as runtimes
from exclave.server.settings import Settings

_EVENTS_PER_SECOND = 20
_DEPTH = 4  # components in a chain: 10 jobs, 9 events
_MODULE = 'resource "terraform_data" "stub" {}\n\noutput "answer" { value = 42 }\n'


async def run(asked: Asked) -> list[Figure]:
    many, events = (10, (100, 200)) if asked.short else (100, (1000, 4000))
    chance = asked.random
    with world.directory(EXCLAVE_ALLOW_LOCAL_PLATFORM="true") as place:
        async with database() as cluster, _server(place, cluster) as runtime:
            app_id = await _synced(place, runtime)
            alone = [await _simulated(place, runtime, app_id, "alone", lambda: 0.0)]
            mean = many / _EVENTS_PER_SECOND
            crowd = [
                await _simulated(place, runtime, app_id, f"many-{number}", lambda: chance.uniform(0.5, 1.5) * mean)
                for number in range(many)
            ]
            durable = 2 / await asyncio.to_thread(pgbench, cluster, "select 1;\ninsert into probe values (1);", 1, clients=1, before=_TABLE)
            before = world.cpu(place.server)
            one = await _measured(place, alone, events[0])
            begins = [chance.uniform(0, 2 * (_DEPTH + 1) * mean) for _ in crowd]
            all_of_them = await _measured(place, crowd, events[1], begins)
            used = world.cpu(place.server) - before
    bound = {"bound": durable * 1000, "bound_is": "2 durable transactions, one client"}
    return [
        *_figures("1 workflow", one, bound),
        *_figures(f"{many} workflows", all_of_them, bound),
        Figure("processor of the server, an event", used / (len(one) + len(all_of_them)) * 1000, "ms"),
    ]


_TABLE = "create table if not exists probe (n int)"


def _figures(name: str, heard: list[float], bound: dict[str, object]) -> list[Figure]:
    cuts = statistics.quantiles(heard, n=100)
    return [
        Figure(f"{name}, p50 of {len(heard)} events", cuts[49] * 1000, "ms", **bound),  # type: ignore[arg-type]
        Figure(f"{name}, p99", cuts[98] * 1000, "ms", **bound, first=50.0, goal=15.0),  # type: ignore[arg-type]
        Figure(f"{name}, latest", max(heard) * 1000, "ms", **bound, first=200.0),  # type: ignore[arg-type]
    ]


async def _measured(
    place: world.World, group: Sequence[tuple[str, SimulatedRunner]], events: int, begins: Sequence[float] = (0.0,)
) -> list[float]:
    """Reprovision all installs of a group, each from its beginning on again and again, until there are so many events."""
    for _, runner in group:
        runner.heard.clear()

    async def again(install_id: str, runner: SimulatedRunner, begin: float) -> None:
        await asyncio.sleep(begin)
        while sum(len(each.heard) for _, each in group) < events:
            answer = await place.post(f"/v1/installs/{install_id}/reprovision", {"plan_only": False})
            await place.finished(answer.headers["X-Nuon-Install-Workflow-ID"])
            runner.forget()

    await asyncio.gather(*(again(*each, begin) for each, begin in zip(group, begins, strict=True)))
    return [seconds for _, runner in group for seconds in runner.heard]


async def _simulated(place: world.World, runtime: Runtime, app_id: str, name: str, seconds: object) -> tuple[str, SimulatedRunner]:
    """Make an install with a simulated runner and wait until it is provisioned."""
    install_id, workflow_id = await place.install(app_id, name)
    runner_id = (await place.get(f"/v1/installs/{install_id}"))["runner_id"]
    # Until its workflow has got to the step that asks for it: another process tells us nothing.
    while runner_id not in await runners.local_runners(runtime):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    token = await runners.local_token(runtime, runner_id, timedelta(hours=1))
    runner = SimulatedRunner(runner_id, int(place.runner_url.rpartition(":")[2]), token, lambda: 0.0)
    _tasks.add(asyncio.create_task(runner.run()))
    await place.finished(workflow_id)
    runner.forget()
    runner.seconds = seconds  # type: ignore[assignment]
    return install_id, runner


_tasks: set[asyncio.Task[None]] = set()


async def _synced(place: world.World, runtime: Runtime) -> str:
    """Sync and build an app of one chain, with a real build runner for as long as that takes."""
    names = [f"c{number}" for number in range(_DEPTH)]
    chain = {name: names[number - 1 : number] if number else [] for number, name in enumerate(names)}
    directory = world.write_app(place.base / "bench", sandbox=_MODULE, components=chain, module=_MODULE)
    (runner_id,) = await runners.local_runners(runtime)
    environ = {
        **place.environ,
        "RUNNER_API_URL": place.runner_url,
        "RUNNER_ID": runner_id,
        "RUNNER_API_TOKEN": await runners.local_token(runtime, runner_id, timedelta(hours=1)),
        "EXCLAVE_RUNNER_WORK": str(place.base / "runner"),
    }
    with (place.base / "runner.log").open("wb") as said:
        builder = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "exclave.runner", "build", env=environ, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        return await place.sync("bench", directory)
    finally:
        builder.terminate()
        await builder.wait()


@contextlib.asynccontextmanager
async def _server(place: world.World, cluster: Cluster) -> AsyncIterator[Runtime]:
    """A server process with every role, and a runtime of our own beside it to make tokens."""
    public, runner, admin = free_port(), free_port(), free_port()
    home = Path(place.environ["EXCLAVE_DATA_DIR"])
    place.environ |= {
        "EXCLAVE_DATABASE_URL": cluster.owner_url,
        "EXCLAVE_PUBLIC_PORT": str(public),
        "EXCLAVE_RUNNER_PORT": str(runner),
        "EXCLAVE_ADMIN_PORT": str(admin),
    }
    urls = runtimes.Urls(app=cluster.owner_url, engine=cluster.owner_url, owner=cluster.owner_url)
    process = runtimes.make(Settings(data_dir=home, allow_local_platform=True), urls)
    try:
        access = await first.first_access(process.runtime, home)
        place.url, place.runner_url = f"http://127.0.0.1:{public}", f"http://127.0.0.1:{runner}"
        place.token, place.org_id = access.token, access.org_id
        place.environ |= {"EXCLAVE_API_URL": place.url, "EXCLAVE_TOKEN": access.token, "EXCLAVE_ORG_ID": access.org_id}
        place.database = await world.connected(cluster)
        extra = {name: value for name, value in place.environ.items() if name not in ("PATH", "PYTHONPATH", "HOME")}
        async with (
            child("-P", "-m", "exclave.server", "server", port=public, **extra) as server,
            httpx.AsyncClient(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=20)) as place.http,
        ):
            place.server = server.pid
            try:
                yield process.runtime
            finally:
                for task in _tasks:
                    task.cancel()
                await asyncio.gather(*_tasks, return_exceptions=True)
                _tasks.clear()
        await place.database.close()
    finally:
        await process.close()
