"""Provision: an install of 10 components, 5 levels deep, with a terraform that takes no time, every plan approved by itself.

The figure is the control plane's own time: the wall from the request that creates the install to the end of its workflow, less the
work on the critical path, which is what the stub's processes take (measured alone, in the same run) times how often they run there:
init, plan and show in each plan job, apply in each apply job, for the sandbox and one component of every level. What the runner does
around them stays in the figure. The install's own runner is a process that starts meanwhile, as it does for a user; the figure
"runner there" is the same for a second round of all components (reprovision), when it waits already.
"""

import statistics
import time
from pathlib import Path

from benchmarks import Asked, Figure, stub_terraform, world
from benchmarks.bound import transactions

LEVELS = 5
PER_LEVEL = 2
_CALLS = (("init",), ("plan", "-out=plan"), ("show", "-json", "plan"), ("apply", "plan"))


def components() -> dict[str, list[str]]:
    """Ten components, two a level: each needs both of the level above."""
    names = [[f"c{level}{side}" for side in "ab"[:PER_LEVEL]] for level in range(LEVELS)]
    return {name: names[level - 1] if level else [] for level in range(LEVELS) for name in names[level]}


async def run(asked: Asked) -> list[Figure]:
    rounds = 1 if asked.short else 6
    walls: list[float] = []
    warm: list[float] = []
    work: list[float] = []
    used: list[float] = []
    jobs = 2 * (1 + LEVELS * PER_LEVEL)
    with world.directory() as place:
        stub = stub_terraform.write(place.base / "stub")
        place.environ["EXCLAVE_TERRAFORM"] = str(stub)
        module = 'resource "terraform_data" "stub" {}\n'
        directory = world.write_app(place.base / "bench", sandbox=module, components=components(), module=module)
        async with world.up(place):
            app_id = await place.sync("bench", directory)
            for number in range(rounds):
                began = time.perf_counter()
                install_id, workflow_id = await place.install(app_id, f"install-{number}")
                await place.finished(workflow_id)
                walls.append(time.perf_counter() - began)
                before, began = world.cpu(place.server), time.perf_counter()
                answer = await place.post(f"/v1/installs/{install_id}/reprovision", {"plan_only": False})
                await place.finished(answer.headers["X-Nuon-Install-Workflow-ID"])
                warm.append(time.perf_counter() - began)
                used.append(world.cpu(place.server) - before)
                work.append(await _work(stub, place.base))
    durable = jobs * 2 / transactions(1)
    path = statistics.median(work)
    figures = (
        ("control plane, 10 components", [wall - path for wall in walls], 1.5, 0.6),
        ("the same, runner there", [wall - path for wall in warm], 1.5, 0.6),
    )
    found = [
        Figure(
            name, statistics.median(values), "s", bound=durable, bound_is=f"{jobs} jobs x 2 durable transactions", first=first, goal=goal
        )
        for name, values, first, goal in figures
    ]
    return [
        *found,
        Figure("a job, runner there", found[1].value / jobs * 1000, "ms", goal=15.0),
        Figure("processor of all processes, a job", statistics.median(used) / jobs * 1000, "ms"),
        Figure("slowest of the run", max(walls) - path, "s"),
        Figure("work on the critical path, taken off", path, "s"),
    ]


async def _work(stub: Path, directory: Path) -> float:
    """Seconds that the stub's processes take on the critical path: the sandbox and one component of every level."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        for call in _CALLS:
            await world.run(str(stub), *call, environ={"PATH": "/usr/bin:/bin"}, cwd=directory)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * (1 + LEVELS)
