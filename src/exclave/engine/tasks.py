"""Side work: whatever is slow or outside the database runs here, outside any transaction (`Call`), and chores by the clock.

The row in `engine_calls` is the truth, under the key (step id, attempt, name). In the transaction that writes it a job of
Procrastinate is deferred that names the row and nothing else; its worker (engine/carrier.py) runs in processes that work. A process
that dies leaves its jobs to the others within seconds, so a task runs at least once: it is idempotent by `Called.key`. Its answer
and the wake-up are written once, in one transaction, and the step's `then` reads the answer by `answer_of`. A task that raises is
tried again, ever more slowly; after `tries` the error is the answer.
"""

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from exclave.engine import service
from exclave.engine.definition import Call, step_key
from exclave.engine.models import EngineCall, WorkflowStep
from exclave.kit.context import Ctx, Runtime
from exclave.kit.errors import Conflict, Problem, TooMany, Unavailable
from exclave.kit.ids import new_id

if TYPE_CHECKING:
    from exclave.engine.carrier import Carrier

log = logging.getLogger(__name__)

TOPIC = "engine.calls"
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


@dataclass(frozen=True)
class Answer:
    """What came of a call: `error` is empty when it went well."""

    value: Mapping[str, Any]
    error: str = ""


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


# PostgreSQL builds the composite, which asyncpg cannot bind. The key of the row is what keeps a call from being deferred twice:
# a `queueing_lock` would do it by an error that ends the caller's transaction.
_DEFER = """procrastinate_defer_jobs_v1(array[row('side', 'call', 0, null, null,
    jsonb_build_object('call', {id}, 'name', {name}), null)::procrastinate_job_to_defer_v1])"""
_DEFER_ONE = text("select " + _DEFER.format(id="cast(:id as text)", name="cast(:name as text)"))
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
select {_DEFER.format(id="id", name="name")} from forgotten
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


def _key(step: WorkflowStep, name: str) -> str:
    return f"{step_key(step)}:{name}"


async def enqueue(ctx: Ctx, step: WorkflowStep, call: Call) -> None:
    """Write down the call and defer its job in the transaction of the step. The same call that failed before is tried anew."""
    made = insert(EngineCall).values(
        id=new_id(EngineCall.prefix),
        org_id=step.org_id,
        created_by_id=ctx.actor.account_id,
        workflow_id=step.install_workflow_id,
        step_id=step.id,
        key=_key(step, call.name),
        name=call.name,
        args=dict(call.args),
    )
    anew = made.on_conflict_do_update(
        index_elements=["key"],
        set_={"state": "queued", "tries": 0, "error": "", "updated_at": func.clock_timestamp()},
        where=EngineCall.state.in_(("failed", "dropped")),
    )
    call_id = (await ctx.db.execute(anew.returning(EngineCall.id))).scalar()
    if call_id is None:
        if await answer_of(ctx, step, call.name) is not None:
            raise RuntimeError(f"step {step.name!r} calls {call.name!r} again, though it has its answer: a step calls each name once")
        return
    await ctx.db.execute(_DEFER_ONE, {"id": call_id, "name": call.name})
    ctx.poke(TOPIC)


async def answer_of(ctx: Ctx, step: WorkflowStep, name: str) -> Answer | None:
    """Return what the step's call answered; None as long as it is under way or was never made."""
    found = (await ctx.db.execute(select(EngineCall).where(EngineCall.key == _key(step, name)))).scalars().first()
    if found is None or found.state == "queued":
        return None
    return Answer(found.value, found.error)


async def answered(db: AsyncSession, running: Sequence[WorkflowStep]) -> set[str]:
    """Return the ids of those steps whose calls all have an answer."""
    if not running:
        return set()
    ids = [step.id for step in running]
    open_calls = select(EngineCall.step_id).where(EngineCall.step_id.in_(ids), EngineCall.state == "queued")
    return set(ids) - set((await db.execute(open_calls)).scalars())


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
