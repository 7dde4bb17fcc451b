"""The worker of side work: Procrastinate, on a small psycopg pool of its own, with what it needs to be on time and never deaf.

Imported only by processes that work (`Calls.run`). Its hints come over our own bus, which reconnects and wakes everybody when it
did; what Procrastinate's listener would miss while it starts or reconnects cannot be missed. Any error of the database ends the
worker, and a new one starts on new connections. Stalled jobs are rescued beside the worker, not by a job of its queue: that one
would wait behind the very jobs that hang.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Literal, cast

import psycopg
from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.jobs import Job
from procrastinate.worker import Worker
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from exclave.engine.advance import describe
from exclave.engine.tasks import Again, Calls, Chore
from exclave.kit.bus import Subscription
from exclave.kit.context import Runtime
from exclave.kit.errors import Unavailable
from exclave.kit.rls import ENGINE
from exclave.kit.time import now

log = logging.getLogger(__name__)
# It reports every job, and failures with the values of statements; what matters is logged here and in tasks.
logging.getLogger("procrastinate").setLevel(logging.CRITICAL)

QUEUE = "side"
AT_ONCE = 8
BEAT_SECONDS = 2.0
SILENCE_SECONDS = 6.0  # so long without a beat, and the jobs of a worker are given away
RESCUE_SECONDS = 2.0
GRACE_SECONDS = 2.0  # for jobs under way when the worker stops; what takes longer starts again elsewhere
_CONNECT_SECONDS = 5.0
_MOST_STARTS_OF_CHORE = 3


class AutoReset(asyncio.Event):
    """A hint that is used up when the worker wakes by it, before it fetches.

    Procrastinate's worker clears its event after the fetch, and so throws away a hint that comes while a fetch is under way.
    """

    async def wait(self) -> Literal[True]:
        await super().wait()
        super().clear()
        return True

    def clear(self) -> None:
        """The worker's call after its fetch: no hint is lost by it."""


class PromptWorker(Worker):
    """Procrastinate's worker without its holes: hints that come during a fetch, losses that nobody notices, ends that are not written."""

    def __init__(self, app: App, **options: Any) -> None:
        super().__init__(app, **options)
        self._new_job_event = AutoReset()

    def hint(self) -> None:
        """There may be a job."""
        self._new_job_event.set()

    async def _periodic_deferrer(self) -> None:
        # Its watch over beats and the like ends with the first that ends, and without a chore this one does at once.
        await super()._periodic_deferrer()  # type: ignore[no-untyped-call]
        await asyncio.Event().wait()

    async def _persist_job_status(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super()._persist_job_status(*args, **kwargs)
        except Exception as error:
            # The job would stay "doing" with a worker that lives. This one ends; its jobs are rescued at once.
            log.warning("the end of a job could not be written, the worker starts anew: %s", type(error).__name__)
            self.stop()  # type: ignore[no-untyped-call]


class Later(BaseRetryStrategy):
    """A call ends when its row says so: whatever its job raises, it is tried again."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        return RetryDecision(retry_at=now() + timedelta(seconds=exception.seconds if isinstance(exception, Again) else 0))


class Carrier:
    """The worker of one process."""

    def __init__(self, calls: Calls) -> None:
        self._calls, self._runtime = calls, calls.runtime

    async def serve(self, hints: Subscription) -> None:
        """Work until cancelled, or until the bus is closed. A worker that ends is followed by a new one."""
        closed = asyncio.Event()
        while not closed.is_set():
            try:
                async with self._worker(self._calls.chores) as worker:
                    beside = [asyncio.create_task(self._relay(hints, worker, closed)), asyncio.create_task(self._rescue())]
                    try:
                        await worker.run()  # type: ignore[no-untyped-call]
                        log.log(logging.INFO if closed.is_set() else logging.WARNING, "the side worker came to its end")
                    finally:
                        for task in beside:
                            task.cancel()
                        await asyncio.gather(*beside, return_exceptions=True)
            except Exception as error:
                log.warning("the side worker ended, a new one starts: %s", describe(error))
            if not closed.is_set():
                await asyncio.sleep(1)  # back-off of a lost database

    async def once(self) -> None:
        """Run what is due to its end. For tests."""
        async with self._worker((), wait=False) as worker:
            await worker.run()  # type: ignore[no-untyped-call]

    @contextlib.asynccontextmanager
    async def _worker(self, chores: Sequence[Chore], **options: Any) -> AsyncIterator[PromptWorker]:
        """Open the pool and make a worker on it."""
        pool = AsyncConnectionPool(
            address_of(self._runtime),
            min_size=1,
            max_size=3,
            timeout=_CONNECT_SECONDS,
            open=False,
            configure=_as_engine,
            kwargs={"application_name": "exclave side work", "keepalives_idle": 5, "connect_timeout": int(_CONNECT_SECONDS)},
        )
        try:
            await pool.open(wait=True, timeout=_CONNECT_SECONDS)
            app = self._app(chores)
            await app.open_async(pool)
            yield PromptWorker(
                app,
                queues=[QUEUE],
                concurrency=AT_ONCE,
                fetch_job_polling_interval=self._calls.poll,
                listen_notify=False,
                delete_jobs="successful",
                install_signal_handlers=False,
                shutdown_graceful_timeout=GRACE_SECONDS,
                update_heartbeat_interval=BEAT_SECONDS,
                stalled_worker_timeout=SILENCE_SECONDS,
                **options,
            )
        finally:
            await pool.close(timeout=1)

    def _app(self, chores: Sequence[Chore]) -> App:
        app = App(connector=PsycopgConnector())

        @app.task(name="call", queue=QUEUE, retry=Later(), pass_context=True)
        async def perform(context: JobContext, call: str, name: str) -> None:
            await self._calls.perform(call, context.job.attempts)

        for chore in chores:
            app.periodic(cron=chore.cron)(app.task(name=chore.name, queue=QUEUE, pass_context=True)(self._done_by_the_clock(chore)))
        return app

    def _done_by_the_clock(self, chore: Chore) -> Callable[[JobContext, int], Awaitable[None]]:
        async def work(context: JobContext, timestamp: int) -> None:
            if context.job.attempts >= _MOST_STARTS_OF_CHORE:
                log.error("chore %s was started %d times and never came to an end", chore.name, context.job.attempts)
                return
            try:
                await chore.work(self._runtime)
            except Exception as error:
                log.error("chore %s failed, its next turn comes: %s", chore.name, describe(error))

        return work

    async def _relay(self, hints: Subscription, worker: PromptWorker, closed: asyncio.Event) -> None:
        try:
            while True:
                if await hints.wait(60):
                    worker.hint()
        except Unavailable:
            closed.set()
            worker.stop()  # type: ignore[no-untyped-call]

    async def _rescue(self) -> None:
        while True:
            try:
                await self._calls.rescue(silence=SILENCE_SECONDS)
            except Exception as error:
                log.warning("stalled side work cannot be looked for now: %s", describe(error))
            await asyncio.sleep(RESCUE_SECONDS)  # the pace of the net


def address_of(runtime: Runtime) -> str:
    """Where the engine's sessions connect to, in the words of libpq."""
    url: URL = cast(AsyncEngine, runtime.engine().bind).url
    query = {("sslmode" if key == "ssl" else key): value for key, value in url.query.items()}
    return url.set(drivername="postgresql", query=query).render_as_string(hide_password=False)


async def _as_engine(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)  # one trip instead of three
    await connection.execute(f"set role {ENGINE}")
