"""Side work: whatever is slow or outside the database runs here, outside any transaction (`Call`), and chores by the clock.

What is to be done stands in rows (engine/calls.py), each with a job of Procrastinate, whose worker (engine/carrier.py) runs in
processes that work. A process that dies leaves its jobs to the others within seconds, so a task runs at least once: it is idempotent
by `Called.key`. Its answer and the wake-up are written once, in one transaction, and the step's `then` reads the answer by
`calls.answer_of`. A task that raises is tried again, ever more slowly; after `tries` the error is the answer.
"""

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text, update

from exclave.engine import service
from exclave.engine.calls import DEFER, TOPIC
from exclave.engine.models import EngineCall
from exclave.kit.context import Runtime
from exclave.kit.errors import Conflict, Problem, TooMany, Unavailable

if TYPE_CHECKING:
    from exclave.engine.carrier import Carrier

log = logging.getLogger(__name__)

_FIRST, _MOST = timedelta(seconds=0.5), timedelta(minutes=5)
_SETTLE_SECONDS = 5.0  # a process is to be ready before it imports its worker, which takes 0.2 s
_MOST_STARTS = 10  # without an end: a task that takes its process with it would do so for ever


@dataclass(frozen=True)
class Called:
    """What a task is given. `key` is the same whenever the task is started again."""

    key: str
    name: str
    args: Mapping[str, Any]
    step_id: str
    workflow_id: str
    org_id: str
    created_by_id: str
    tries: int  # 1 at the first


Task = Callable[[Runtime, Called], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True)
class Chore:
    """What one of the processes does by the clock, such as clearing away what nobody needs. Twice is harmless."""

    name: str
    cron: str
    work: Callable[[Runtime], Awaitable[object]]


class Again(Exception):
    """A call is to be tried once more, after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:g} s")
        self.seconds = seconds


# Jobs of workers that are gone or silent. Locked and moved in one statement: nobody rescues a job that another has rescued.
_RESCUE = text("""
with stalled as (
    select j.id from procrastinate_jobs j left join procrastinate_workers w on w.id = j.worker_id
    where j.status = 'doing' and j.queue_name = 'side'
      and (w.id is null or w.last_heartbeat < clock_timestamp() - make_interval(secs => :silence))
    for update of j skip locked)
select procrastinate_retry_job_v2(id, null, null, null, null) from stalled
""")
# Calls whose job is gone, for whatever reason: the rows are the truth.
_DEFER_FORGOTTEN = text(f"""
with forgotten as (
    update engine_calls set updated_at = clock_timestamp() where id in (
        select c.id from engine_calls c where c.state = 'queued' and c.updated_at < clock_timestamp() - interval '30 seconds'
        and not exists (select 1 from procrastinate_jobs j
            where j.queue_name = 'side' and j.status in ('todo', 'doing') and j.args ->> 'call' = c.id)
        for update skip locked)
    returning id, name)
select {DEFER.format(id="id", name="name")} from forgotten
""")  # noqa: S608 - no values
_DUE = text("""
select exists (select 1 from procrastinate_jobs where queue_name = 'side'
    and status = 'todo' and (scheduled_at is null or scheduled_at <= clock_timestamp()))
""")
# A step that was cancelled meanwhile needs no answer: its call ends with it.
_DROP = text("""
update engine_calls c set state = 'dropped' from install_workflow_steps s
where c.id = :id and c.state = 'queued' and s.id = c.step_id and s.state <> 'running' returning c.id
""")


class Calls:
    """The side work of one process: the tasks that it knows, and the chores that it does when its turn comes."""

    def __init__(self, runtime: Runtime, *, poll: float = 2.0) -> None:
        self.runtime, self.poll = runtime, poll
        self.chores: list[Chore] = []
        self._tasks: dict[str, tuple[Task, int]] = {}

    def register(self, name: str, task: Task, *, tries: int = 5) -> None:
        """Make a task known under the name that a step's `Call` uses."""
        self._tasks[name] = (task, tries)

    def schedule(self, name: str, work: Callable[[Runtime], Awaitable[object]], *, cron: str) -> None:
        """Have one of all processes do a chore whenever the cron expression says so (UTC)."""
        self.chores.append(Chore(name, cron, work))

    async def run(self) -> None:
        """Take jobs until cancelled."""
        async with self.runtime.bus.subscribe(TOPIC) as hints:
            with contextlib.suppress(Unavailable):
                if not await self._due():
                    await hints.wait(_SETTLE_SECONDS)
                await (await self._carrier()).serve(hints)

    async def once(self) -> bool:
        """Take what is due and run it to its end; False when there was nothing. For tests."""
        if not await self._due():
            return False
        await (await self._carrier()).once()
        return True

    async def _due(self) -> bool:
        try:
            async with self.runtime.sweep() as ctx:
                return bool((await ctx.db.execute(_DUE)).scalar())
        except Exception as error:
            log.warning("cannot look for side work now: %s", type(error).__name__)
            return False

    async def _carrier(self) -> "Carrier":
        # Requests and the command line never carry Procrastinate and psycopg; in a thread, so that nobody waits for the import.
        module = await asyncio.to_thread(importlib.import_module, "exclave.engine.carrier")
        made: Carrier = module.Carrier(self)
        return made

    async def rescue(self, *, silence: float) -> int:
        """Give away the jobs of workers that were silent for so many seconds, and defer calls that lost their job."""
        async with self.runtime.sweep() as ctx:
            stalled = len((await ctx.db.execute(_RESCUE, {"silence": silence})).all())
            forgotten = len((await ctx.db.execute(_DEFER_FORGOTTEN)).all())
            if stalled or forgotten:
                log.warning("side work was left behind: %d jobs of workers that are gone, %d calls without a job", stalled, forgotten)
                ctx.poke(TOPIC)
        return stalled + forgotten

    async def perform(self, call_id: str, starts: int) -> None:
        """Run a call and write what came of it; `starts` is how often its job was started before. Raises `Again`."""
        try:
            await self._perform(call_id, starts)
        except Again:
            raise
        except Exception as error:
            log.warning("call %s will be tried again: %s: %s", call_id, type(error).__name__, error)
            raise Again(1.0) from None

    async def _perform(self, call_id: str, starts: int) -> None:
        async with self.runtime.sweep() as ctx:
            dropped = (await ctx.db.execute(_DROP, {"id": call_id})).first()
            row = await ctx.db.get(EngineCall, call_id)
        # A job that was given away may still run elsewhere, and have been done there.
        if row is None or dropped is not None or row.state != "queued":
            return
        called = Called(row.key, row.name, row.args, row.step_id, row.workflow_id, row.org_id, row.created_by_id, row.tries + 1)
        if starts - row.tries >= _MOST_STARTS:
            await self._write(called, call_id, state="failed", error=f"{row.name} was started {starts} times and never came to an end")
            return
        task, tries = self._tasks.get(row.name, (None, 5))
        try:
            if task is None:
                raise LookupError(f"no task {row.name!r} is registered here")
            value = await task(self.runtime, called)
        except Exception as error:
            await self._failed(called, call_id, error, tries)
        else:
            await self._write(called, call_id, state="done", value=dict(value or {}))

    async def _failed(self, called: Called, call_id: str, error: Exception, tries: int) -> None:
        hopeless = isinstance(error, Problem) and error.user_error and not isinstance(error, (Conflict, TooMany))
        message = error.description if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
        log.warning("call %s of step %s raised, try %d: %s", called.name, called.step_id, called.tries, message)
        if hopeless or called.tries >= tries:
            await self._write(called, call_id, state="failed", error=message)
            return
        async with self.runtime.sweep() as ctx:
            noted = update(EngineCall).where(EngineCall.id == call_id, EngineCall.state == "queued")
            await ctx.db.execute(noted.values(tries=called.tries, error=message))
        raise Again(min(_MOST, _FIRST * 2 ** (called.tries - 1)).total_seconds())

    async def _write(self, called: Called, call_id: str, **values: Any) -> None:
        """Write the answer and wake the workflow, unless there is an answer already."""
        async with self.runtime.sweep() as ctx:
            done = update(EngineCall).where(EngineCall.id == call_id, EngineCall.state == "queued")
            written = await ctx.db.execute(done.values(tries=called.tries, **values).returning(EngineCall.id))
            if written.first() is not None:
                await service.wake(ctx, called.workflow_id)
