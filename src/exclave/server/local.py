"""Runners of the platform `local`: processes of this machine, one for each org's builds and one for each install.

Between server and runner nothing passes but the runner API: a runner gets a URL, its id and a token on its standard input. What should
run is read from the rows whenever a hint comes; a runner that ends by itself is started again.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from exclave.domain.runners import service as runners
from exclave.kit import errors
from exclave.kit.context import Runtime
from exclave.server import left_over
from exclave.server.ends import end_of

log = logging.getLogger(__name__)

TOKEN_LIFE = timedelta(days=7)
_RESTART_SECONDS = 2.0
# A runner has bounds of its own, and killing it first would interrupt its Terraform a second time, which then leaves its state behind.
_DRAIN_SECONDS = 90.0  # 20 in which a job may finish, 35 in which Terraform may write its state (kit/process.py, Patience), its report


@dataclass
class _Child:
    mode: str
    process: asyncio.subprocess.Process
    watch: asyncio.Task[None] = field(repr=False)


@dataclass
class _LeftOver:
    pid: int
    watch: asyncio.Task[None] = field(repr=False)


class LocalRunners:
    """Keeps the runner processes that the rows ask for."""

    def __init__(self, runtime: Runtime, directory: Path, environ: Mapping[str, str]) -> None:
        self._runtime, self._directory, self._environ = runtime, directory, environ
        self._children: dict[str, _Child] = {}
        self._left_over: dict[str, _LeftOver] = {}
        self._restart = asyncio.Event()

    def outlast_left_overs(self) -> None:
        """Start no second process beside one that a killed server has left, until that one has ended."""
        for runner_id, pid in left_over.running(self._directory):
            log.info("the runner %s of the last run (pid %d) ends once its jobs have", runner_id, pid)
            self._left_over[runner_id] = _LeftOver(pid, asyncio.create_task(self._outlast(runner_id, pid)))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep them while the block runs; at its end stop all, and wait until they are gone."""
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await asyncio.gather(
                *(self._end(runner_id) for runner_id in list(self._children)),
                *(_end_left_over(left) for left in list(self._left_over.values())),
            )

    async def _keep(self) -> None:
        async with self._runtime.bus.subscribe(runners.LOCAL_TOPIC) as hints:
            while True:
                try:
                    wanted = await runners.local_runners(self._runtime)
                    for runner_id in self._children.keys() - wanted.keys():
                        await self._end(runner_id)
                    for runner_id in wanted.keys() - self._children.keys() - self._left_over.keys():
                        await self._start(runner_id, wanted[runner_id])
                except errors.Unavailable as problem:
                    log.warning("local runners could not be looked after, trying again: %s", problem.description)
                except Exception:
                    log.exception("local runners could not be looked after, trying again")
                await hints.wait(15)

    async def _start(self, runner_id: str, mode: str) -> None:
        work = self._directory / runner_id
        work.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = (
            "PATH", "EXCLAVE_TERRAFORM", "EXCLAVE_LOCAL_SOURCES", "EXCLAVE_RUNNER_DRAIN_SECONDS", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR",
        )  # fmt: skip
        environ = {name: self._environ[name] for name in kept if self._environ.get(name)}
        environ |= {
            "RUNNER_API_URL": self._runtime.settings.runner_url,
            "RUNNER_ID": runner_id,
            "RUNNER_API_TOKEN_FD": "0",
            "EXCLAVE_RUNNER_WORK": str(work),
            "HOME": str(work),
            "PYTHONUNBUFFERED": "1",
        }
        with (self._directory / f"{runner_id}.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "exclave.runner", mode,
                stdin=asyncio.subprocess.PIPE, stdout=output, stderr=output, env=environ, cwd=work, start_new_session=True,
            )  # fmt: skip
        assert process.stdin is not None
        try:  # while it imports its program
            token = await runners.local_token(self._runtime, runner_id, TOKEN_LIFE)
        except BaseException:
            process.kill()
            raise
        process.stdin.write(token.encode())
        process.stdin.close()
        left_over.note(self._directory / f"{runner_id}.pid", process.pid)
        self._children[runner_id] = _Child(mode, process, asyncio.create_task(self._watch(runner_id, process)))

    async def _watch(self, runner_id: str, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        log.warning(
            "the runner %s ended with %s, it is started again: %s.log has what it said", runner_id, code, self._directory / runner_id
        )
        await asyncio.sleep(_RESTART_SECONDS)  # back-off: a runner that cannot live must not spin
        self._children.pop(runner_id, None)
        self._runtime.bus.poke(runners.LOCAL_TOPIC)

    async def _end(self, runner_id: str) -> None:
        child = self._children.pop(runner_id, None)
        if child is None:
            return
        child.watch.cancel()
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.process.wait(), _DRAIN_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            await child.process.wait()
        (self._directory / f"{runner_id}.pid").unlink(missing_ok=True)

    async def _outlast(self, runner_id: str, pid: int) -> None:
        # Two would share a directory, and the token of the second ends that of the first.
        await _ended(pid)
        (self._directory / f"{runner_id}.pid").unlink(missing_ok=True)
        self._left_over.pop(runner_id, None)
        self._runtime.bus.poke(runners.LOCAL_TOPIC)


async def _end_left_over(left: _LeftOver) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(left.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(asyncio.shield(left.watch), _DRAIN_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(left.pid, signal.SIGKILL)
        await left.watch


async def _ended(pid: int) -> None:
    if not await end_of(pid):
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(pid, 0)
                await asyncio.sleep(0.05)  # nothing tells it here
