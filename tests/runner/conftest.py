"""A control plane in memory, and a runner on it: in this process, or as a process of its own."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from exclave.kit.ids import new_id
from exclave.kit.process import Patience
from exclave.runner.agent import Agent
from exclave.runner.settings import GROUPS, Settings, Token
from tests.runner.control_plane import RUNNER_TOKEN, ControlPlane, Execution

TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="no terraform or tofu on PATH")


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    plane = ControlPlane()
    yield plane
    plane.close()


@pytest.fixture
def settings(plane: ControlPlane, tmp_path: Path) -> Settings:
    return Settings(
        api_url=plane.url,
        runner_id=new_id("run"),
        token=Token(RUNNER_TOKEN),
        process="install",
        groups=GROUPS["all"],
        work=tmp_path / "work",
        drain_seconds=5,
        ambient={"PATH": os.environ["PATH"]},
    )


class Work:
    """A runner at work: submit a job, wait for its end."""

    def __init__(self, plane: ControlPlane, agent: Agent) -> None:
        self.plane, self.agent = plane, agent

    async def do(self, type: str, plan: Any, *, operation: str = "exec", timeout: float = 60.0, wait: float = 20.0) -> Execution:
        job = self.plane.submit(type, plan, operation=operation, timeout=timeout)
        execution = await self.started(job)
        assert await asyncio.to_thread(execution.done.wait, wait), f"not finished: {execution.lines[-5:]}"
        return execution

    async def started(self, job_id: str, *, wait: float = 10.0) -> Execution:
        ends = time.monotonic() + wait
        while (execution := self.plane.execution_of(job_id)) is None:
            assert time.monotonic() < ends, "no claim"
            await asyncio.sleep(0.005)
        return execution

    async def idle(self, *, wait: float = 10.0) -> None:
        """Wait until no execution is left in the agent."""
        await until(lambda: not self.agent._running, wait=wait)


async def until(holds: Any, *, wait: float = 10.0) -> None:
    ends = time.monotonic() + wait
    while not holds():
        assert time.monotonic() < ends, "waited in vain"
        await asyncio.sleep(0.02)


@pytest.fixture
async def work(plane: ControlPlane, settings: Settings) -> AsyncIterator[Work]:
    agent = Agent(settings)
    agent.runtime.patience = Patience(interrupt=5, terminate=1)
    task = asyncio.ensure_future(agent.run())
    try:
        yield Work(plane, agent)
    finally:
        agent.drain()
        agent.drain()
        assert await asyncio.wait_for(task, 20) == 0
        assert not list(settings.work.glob("process-*"))


def runner_process(plane: ControlPlane, work: Path, *, runner_id: str = "", **env: str) -> subprocess.Popen[bytes]:
    """Start a runner as users do."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "RUNNER_API_URL": plane.url,
        "RUNNER_API_TOKEN": RUNNER_TOKEN,
        "RUNNER_ID": runner_id or new_id("run"),
        "EXCLAVE_RUNNER_WORK": str(work),
        "EXCLAVE_RUNNER_DRAIN_SECONDS": "2",
        **env,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "exclave.runner", "all"], env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def runners(plane: ControlPlane, tmp_path: Path) -> Iterator[Any]:
    """Start runner processes; each is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**given: str) -> subprocess.Popen[bytes]:
        started.append(runner_process(plane, tmp_path / "work", **given))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stderr is not None
        process.stderr.close()
