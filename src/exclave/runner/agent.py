"""The life of a runner process: heartbeats, one long poll while there is room, executions beside one another, and a good end."""

import asyncio
import logging
import random
import signal
import time
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any

from exclave import __version__
from exclave.client.http import Refused, Unreachable
from exclave.client.runner import RunnerApi, fresh_key
from exclave.kit.errors import Problem
from exclave.runner.execution import Execution, Runtime
from exclave.runner.settings import Settings
from exclave.runner.workspace import Workspace
from exclave.wire.runner import jobs as wire

log = logging.getLogger("exclave.runner")

_HEARTBEAT_SECONDS = 5.0
_CLAIM_WAIT_SECONDS = 25.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_REFUSED_ENOUGH = 5  # times in a row that the token is refused, and not replaced, before giving up
_KILL_SECONDS = 5.0

EXIT_OK, EXIT_REFUSED = 0, 77


class Agent:
    """One runner process. `run` returns its exit status; `drain` and `retire` may be called from signal handlers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.api = RunnerApi(settings.api_url, token=settings.token, runner_id=settings.runner_id)
        self.workspace = Workspace(settings.work)
        self.runtime = Runtime(settings=settings, api=self.api, workspace=self.workspace)
        self.runtime.resource = {"service.name": "runner", "runner.id": settings.runner_id, "runner.version": __version__}
        self._running: dict[asyncio.Task[None], Execution] = {}
        self._draining = asyncio.Event()
        self._retired = asyncio.Event()
        self._killed = asyncio.Event()
        self._room = asyncio.Event()
        self._started = time.monotonic()
        self._period = _HEARTBEAT_SECONDS
        self._refused = 0

    async def run(self) -> int:
        """Work until drained or refused; then end or report what runs, remove what was on disk."""
        removed = await asyncio.to_thread(self.workspace.open)
        if removed:
            log.info("removed %d directories that earlier processes of this runner left", removed)
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self.drain)
        loop.add_signal_handler(signal.SIGUSR1, self.retire)
        beats = asyncio.ensure_future(self._beat())
        reader = asyncio.ensure_future(self._read_settings())
        claims = asyncio.ensure_future(self._claim())
        drained, retired = asyncio.ensure_future(self._draining.wait()), asyncio.ensure_future(self._retired.wait())
        try:
            log.info(
                "runner %s takes jobs of %s from %s, %d at once",
                self.settings.runner_id,
                ", ".join(self.settings.groups),
                self.settings.api_url,
                self.settings.parallel,
            )
            await asyncio.wait({claims, drained, retired}, return_when=asyncio.FIRST_COMPLETED)
            refused = claims.done() and not claims.cancelled() and claims.exception() is None
            if claims.done() and not claims.cancelled() and (error := claims.exception()) is not None:
                raise error
            claims.cancel()
            await self._finish()
            return EXIT_REFUSED if refused else EXIT_OK
        finally:
            for task in (beats, reader, claims, drained, retired):
                task.cancel()
            for execution in self._running.values():
                execution.kill()
            if self._running:
                await asyncio.wait(self._running, timeout=_KILL_SECONDS)
            await self.api.close()
            await asyncio.to_thread(self.workspace.close)

    def drain(self) -> None:
        """Stop claiming and let what runs finish, within bounds. A second call ends it at once."""
        if self._draining.is_set():
            self._killed.set()
            for execution in self._running.values():
                execution.kill()
        elif self._running:
            log.info(
                "ending: waiting up to %g s for %d jobs; a second signal ends them at once",
                self.settings.drain_seconds,
                len(self._running),
            )
        self._draining.set()

    def retire(self) -> None:
        """Stop claiming, and end once what runs has come to its end: its lease and its job's own time are the only bounds."""
        if self._running:
            log.info("ending: %d jobs come to their end first", len(self._running))
        self._retired.set()

    async def _finish(self) -> None:
        if self._running and self._retired.is_set():
            await _first(_all(self._running), self._draining.wait())
        if self._running and not self._killed.is_set():
            await _first(_all(self._running), self._killed.wait(), timeout=self.settings.drain_seconds)
        for execution in list(self._running.values()):
            execution.stop("runner-stopped")
        if self._running:
            patience = self.runtime.patience
            bound = patience.interrupt + patience.terminate + _KILL_SECONDS
            await _first(_all(self._running), self._killed.wait(), timeout=bound)

    async def _claim(self) -> None:
        """Claim one job after another while there is room. Returns only when the server refuses this runner for good."""
        pause = _FIRST_PAUSE
        key = fresh_key()
        while True:
            while len(self._running) >= self.settings.parallel:
                self._room.clear()
                await self._room.wait()
            request = wire.ClaimRequest(groups=list(self.settings.groups), process=self.settings.process, wait_seconds=_CLAIM_WAIT_SECONDS)
            try:
                claim = await self.api.claim(request, key=key)
            except Problem as problem:
                if self._is_refused_for_good(problem):
                    log.error("giving up: %s", problem.description)
                    return
                log.warning("cannot ask for jobs, trying again: %s", problem.description)
                await asyncio.sleep(random.uniform(pause / 2, pause))
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            self._refused = 0
            pause, key = _FIRST_PAUSE, fresh_key()
            if claim is not None and claim.execution is not None and claim.lease is not None and claim.job is not None:
                self._start(claim)

    def _start(self, claim: wire.Claim) -> None:
        assert claim.job is not None
        log.info("job claimed: %s %s %s", claim.job.id, claim.job.type, claim.job.operation)
        execution = Execution(self.runtime, claim)
        task = asyncio.ensure_future(execution.run())
        self._running[task] = execution
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        execution = self._running.pop(task)
        self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("execution %s ended unexpectedly", execution.execution_id, exc_info=error)
        else:
            log.info("execution ended: %s", execution.execution_id)

    def _is_refused_for_good(self, problem: Problem) -> bool:
        if not isinstance(problem, Refused) or problem.status not in (401, 403, 404):
            return False
        with suppress(Problem):
            if self.settings.token.refresh():
                return False
        self._refused += 1
        return self._refused >= _REFUSED_ENOUGH

    async def _beat(self) -> None:
        """Tell that this process lives, at once and then each period."""
        while True:
            alive = int((time.monotonic() - self._started) * 1e9)
            try:
                await self.api.beat(wire.CreateRunnerHeartBeatRequest(alive_time=alive, version=__version__, process=self.settings.process))
            except Problem as problem:
                # The loop that claims says more about the same trouble; a beat is simply the next one's business.
                log.debug("heartbeat failed: %s", problem.description)
            await asyncio.sleep(self._period)

    async def _read_settings(self) -> None:
        """Read the group's settings until it works once: the period of heartbeats, and what log lines are labelled with."""
        pause = 1.0
        while True:
            try:
                settings = await self.api.settings()
            except (Refused, Unreachable, Problem):
                await asyncio.sleep(random.uniform(pause / 2, pause))
                pause = min(pause * 2, 30.0)
                continue
            if settings.heart_beat_timeout > 0:
                self._period = max(settings.heart_beat_timeout / 1e9, 0.5)
            self.runtime.resource.update({k: v for k, v in (settings.metadata or {}).items() if v})
            return


async def _all(tasks: Collection["asyncio.Task[None]"]) -> None:
    if tasks:  # the last may have ended since this was asked for
        await asyncio.wait(list(tasks))


async def _first(*waits: Coroutine[Any, Any, object], timeout: float | None = None) -> None:
    """Return when the first of these comes, or the time is over."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
