"""Terraform: the real one, `terraform_data` x 20, plan and apply as two jobs of our runner against the same processes alone.

A sandbox of twenty resources whose input changes every time is provisioned once and then reprovisioned: each round is one plan job
and one apply job, from the row's creation to the job's end by the server's clock. Beside each round, in turn, the same module with a
local backend and no server: `init`, `plan`, `show -json`, `init`, `apply`, each a process, in a directory of its own with its state.
"""

import contextlib
import os
import shutil
import statistics
import time
from datetime import datetime
from pathlib import Path

from benchmarks import Asked, Figure, world
from exclave.kit import terraform

_MODULE = """\
resource "terraform_data" "thing" {
  count = 20
  input = timestamp()
}

output "things" { value = terraform_data.thing[*].id }
"""


async def run(asked: Asked) -> list[Figure]:
    rounds = 3 if asked.short else 10
    program = terraform.find(os.environ).path
    ours: list[float] = []
    theirs: list[float] = []
    parts: dict[str, list[float]] = {"plan": [], "apply": []}
    with world.directory() as place:
        app = world.write_app(place.base / "bench", sandbox=_MODULE)
        alone = place.base / "alone"
        alone.mkdir()
        (alone / "main.tf").write_text(_MODULE)
        async with world.up(place):
            app_id = await place.sync("bench", app)
            install_id, workflow_id = await place.install(app_id, "acme")
            await place.finished(workflow_id)
            await _alone(program, alone)
            for _ in range(rounds):
                theirs.append(await _alone(program, alone))
                took = await _through_exclave(place, install_id)
                ours.append(sum(took.values()))
                for name, seconds in took.items():
                    parts[name].append(seconds)
    # Each round is compared with the one beside it: the machine's other work falls on both.
    pairs = [(mine, other) for mine, other in zip(ours, theirs, strict=True)]
    bound = statistics.median(theirs) * 1000
    return [
        Figure(
            "plan and apply, wall", statistics.median(mine / other for mine, other in pairs) * bound, "ms",
            bound=bound, bound_is="init, plan, show, init, apply alone", first=1.4, goal=1.15, of_bound=True,
        ),
        Figure("added to a job", statistics.median((mine - other) / 2 for mine, other in pairs) * 1000, "ms", first=100.0, goal=40.0),
        Figure("plan job", statistics.median(parts["plan"]) * 1000, "ms"),
        Figure("apply job", statistics.median(parts["apply"]) * 1000, "ms"),
        Figure("added to a job, most of the run", max((mine - other) / 2 for mine, other in pairs) * 1000, "ms"),
    ]  # fmt: skip


async def _through_exclave(place: world.World, install_id: str) -> dict[str, float]:
    """Reprovision; return the seconds of the plan job and of the apply job."""
    answer = await place.post(f"/v1/installs/{install_id}/reprovision", {"plan_only": False})
    await place.finished(answer.headers["X-Nuon-Install-Workflow-ID"])
    newest = (await place.get(f"/v1/installs/{install_id}/sandbox-runs", limit="1", expand="all"))[0]
    jobs = {job["operation"]: job for job in newest["runner_jobs"]}
    return {"plan": _seconds(jobs["create-apply-plan"]), "apply": _seconds(jobs["apply-plan"])}


def _seconds(job: dict[str, str]) -> float:
    return (datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["created_at"])).total_seconds()


async def _alone(program: str, directory: Path) -> float:
    """Seconds of the five processes."""
    environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(directory), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    environ["TF_CLI_CONFIG_FILE"] = os.devnull
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(directory / ".terraform")
    began = time.perf_counter()
    for words in (
        ("init", "-input=false", "-no-color"),
        ("plan", "-input=false", "-json", "-out=tfplan"),
        ("show", "-json", "tfplan"),
        ("init", "-input=false", "-no-color"),
        ("apply", "-input=false", "-json", "tfplan"),
    ):
        await world.run(program, *words, environ=environ, cwd=directory)
    return time.perf_counter() - began
