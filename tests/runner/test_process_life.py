"""The life of a runner process beside its jobs: it waits for its server, reads its token again, beats, and names wrong settings."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runner.conftest import until
from tests.runner.control_plane import RUNNER_TOKEN, ControlPlane

pytestmark = pytest.mark.fault

Runners = Any


async def test_a_runner_waits_for_a_server_that_is_not_there_yet(plane: ControlPlane, runners: Runners) -> None:
    plane.failing["POST /claims"] = 3
    runners()
    job = plane.submit("noop", {})
    await until(lambda: (e := plane.execution_of(job)) is not None and e.done.is_set(), wait=15)


async def test_a_token_that_was_replaced_is_read_again(plane: ControlPlane, runners: Runners, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("RUNNER_API_TOKEN=old\n")
    runners(RUNNER_API_TOKEN="", RUNNER_API_TOKEN_FILE=str(file))
    await until(lambda: len([c for c in plane.calls if c.endswith("/claims")]) >= 1)
    file.write_text(RUNNER_TOKEN)
    job = plane.submit("noop", {})
    await until(lambda: (e := plane.execution_of(job)) is not None and e.done.is_set(), wait=15)


async def test_a_token_that_is_refused_for_good_ends_the_process(plane: ControlPlane, runners: Runners) -> None:
    runner = runners(RUNNER_API_TOKEN="wrong")
    assert await asyncio.to_thread(runner.wait, 20) == 77
    assert runner.stderr is not None
    said = runner.stderr.read().decode()
    assert "401" in said
    assert "wrong" not in said


async def test_heartbeats_come_at_once_and_then_each_period(plane: ControlPlane, runners: Runners) -> None:
    runners()
    await until(lambda: len(plane.beats) >= 2, wait=10)
    assert {"alive_time", "version"} <= plane.beats[0].keys()
    assert plane.beats[0]["alive_time"] < 1_000_000_000
    assert 0.7e9 < plane.beats[1]["alive_time"] - plane.beats[0]["alive_time"] < 5.5e9


async def test_an_idle_runner_is_small(plane: ControlPlane, runners: Runners) -> None:
    runner = runners()
    job = plane.submit("noop", {})
    await until(lambda: (e := plane.execution_of(job)) is not None and e.done.is_set(), wait=15)
    status = await asyncio.to_thread(Path(f"/proc/{runner.pid}/status").read_text)
    kilobytes = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    assert kilobytes < 60_000


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"RUNNER_API_URL": ""}, "RUNNER_API_URL"),
        ({"RUNNER_API_TOKEN": ""}, "RUNNER_API_TOKEN"),
        ({"RUNNER_ID": "x"}, "RUNNER_ID"),
        ({"EXCLAVE_RUNNER_PARALLEL": "zero"}, "EXCLAVE_RUNNER_PARALLEL"),
        ({"EXCLAVE_RUNNER_GROUPS": "deploys"}, "deploys"),
        ({"RUNNER_API_URL": "ftp://x"}, "ftp://x"),
    ],
)
def test_wrong_settings_are_named(plane: ControlPlane, runners: Runners, env: dict[str, str], says: str) -> None:
    runner = runners(**env)
    _, error = runner.communicate(timeout=10)
    assert runner.returncode == 2
    assert says in error.decode()
    assert "Traceback" not in error.decode()


def test_the_runner_carries_no_server() -> None:
    script = (
        "import sys, exclave.runner.main; print([m for m in ('sqlalchemy', 'litestar', 'procrastinate', 'pydantic') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
