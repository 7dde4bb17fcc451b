"""What a worker process does beside answering: advance workflows, do side work, expire leases, watch the health of runners."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from exclave.domain.jobs import sweep as job_sweep
from exclave.domain.runners import sweep as runner_sweep
from exclave.engine.definition import Registry
from exclave.engine.loop import Loop
from exclave.kit.context import Runtime
from exclave.kit.errors import Unavailable
from exclave.server import side

log = logging.getLogger(__name__)

Sweep = Callable[[Runtime], Awaitable[float]]
"""One look at what is overdue; answers how many seconds until the next look."""

# Each sweep with the topic that says "there is a new deadline".
SWEEPS: tuple[tuple[Sweep, str], ...] = ((job_sweep.expire, "jobs"), (runner_sweep.check, "runners"))


class Background:
    """The loops of one process. They hold no state: any number of processes run them."""

    def __init__(self, runtime: Runtime, registry: Registry) -> None:
        self._runtime = runtime
        self._loop = Loop(runtime, registry, side.calls(runtime))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._loop.run()), *(asyncio.create_task(self._repeat(*sweep)) for sweep in SWEEPS)]
        try:
            yield
        finally:
            await self._loop.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, sweep: Sweep, topic: str) -> None:
        async with self._runtime.bus.subscribe(topic) as hints:
            while True:
                try:
                    seconds = await sweep(self._runtime)
                except Unavailable as problem:
                    log.warning("a sweep could not run, it runs again soon: %s", problem.description)
                    seconds = 1.0
                except Exception:
                    log.exception("a sweep failed, it runs again soon")
                    seconds = 1.0
                try:
                    await hints.wait(seconds)
                except Unavailable:
                    return  # the process is stopping
