"""Side work of steps: whatever is slow or outside the database runs here, outside any transaction (`Call`).

The row in `engine_calls` is the truth, under the key (step id, attempt, name). Any process takes a row by an advisory lock that
its connection holds: a process that dies loses the lock with the connection, and another one starts the task again. So a task runs
at least once: it is idempotent by `Called.key`. When it is done its answer and the wake-up are written in one transaction, and
the step's `then` reads the answer by `answer_of`. A task that raises is tried again, ever more slowly; after `tries` the error is
the answer.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from exclave.engine import service
from exclave.engine.definition import Call, step_key
from exclave.engine.models import EngineCall, WorkflowStep
from exclave.kit.context import Ctx, Runtime
from exclave.kit.errors import Conflict, Problem, TooMany

log = logging.getLogger(__name__)

TOPIC = "engine.calls"
POLL_SECONDS = 5.0
AT_ONCE = 8
_FIRST, _MOST = timedelta(seconds=0.5), timedelta(minutes=5)


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


def _key(step: WorkflowStep, name: str) -> str:
    return f"{step_key(step)}:{name}"


async def enqueue(ctx: Ctx, step: WorkflowStep, call: Call) -> None:
    """Write down the call in the transaction of the step. The same call that failed before is tried anew."""
    key = _key(step, call.name)
    old = (await ctx.db.execute(select(EngineCall.state).where(EngineCall.key == key))).scalar()
    if old == "done":
        raise RuntimeError(f"step {step.name!r} calls {call.name!r} again, though it has its answer: a step calls each name once")
    if old is None:
        ctx.db.add(
            EngineCall(
                org_id=step.org_id,
                created_by_id=ctx.actor.account_id,
                workflow_id=step.install_workflow_id,
                step_id=step.id,
                key=key,
                name=call.name,
                args=dict(call.args),
            )
        )
    else:
        again = update(EngineCall).where(EngineCall.key == key)
        await ctx.db.execute(again.values(state="queued", tries=0, error="", due=func.clock_timestamp()))
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


_DUE = text("""
select id from engine_calls where state = 'queued' and due <= clock_timestamp() and id <> all(cast(:mine as text[]))
order by due limit :limit
""")
_NEXT = text("select extract(epoch from min(due) - clock_timestamp()) from engine_calls where state = 'queued'")
_LOCK = text("select pg_try_advisory_lock(hashtextextended('call:' || cast(:id as text), 0))")
_UNLOCK = text("select pg_advisory_unlock(hashtextextended('call:' || cast(:id as text), 0))")
# A step that was cancelled meanwhile needs no answer: its call ends with it.
_DROP = text("""
update engine_calls c set state = 'dropped' from install_workflow_steps s
where c.id = :id and c.state = 'queued' and s.id = c.step_id and s.state <> 'running' returning c.id
""")


class Calls:
    """The side work of one process."""

    def __init__(self, runtime: Runtime, *, at_once: int = AT_ONCE) -> None:
        self._runtime, self._at_once = runtime, at_once
        self._tasks: dict[str, tuple[Task, int]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._connection: AsyncConnection | None = None  # holds the advisory locks of what runs here
        self._one_at_a_time = asyncio.Lock()

    def register(self, name: str, task: Task, *, tries: int = 5) -> None:
        """Make a task known under the name that a step's `Call` uses."""
        self._tasks[name] = (task, tries)

    async def run(self) -> None:
        """Take calls until cancelled."""
        try:
            async with self._runtime.bus.subscribe(TOPIC) as hints:
                while True:
                    try:
                        taken = await self._take()
                        seconds = await self._seconds_until_due()
                    except Exception as error:
                        log.warning("side work cannot be taken now: %s: %s", type(error).__name__, error)
                        await self.close()
                        taken, seconds = 0, 1.0
                    if not taken:
                        await hints.wait(seconds)
        finally:
            await self.close()

    async def once(self) -> bool:
        """Take what is due and run it to its end; False when there was nothing. For tests."""
        await self._take()
        if not self._running:
            return False
        await asyncio.gather(*self._running.values())
        return True

    async def _locks(self) -> AsyncConnection:
        if self._connection is None:
            session = self._runtime.engine()
            engine: Any = session.bind
            await session.close()
            self._connection = await engine.connect()
            await self._connection.execution_options(isolation_level="AUTOCOMMIT")
        return self._connection

    async def close(self) -> None:
        """End what runs here and let go of the locks. Without its connection this process holds none: what runs here may run
        elsewhere already."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(Exception):
                await connection.invalidate()
                await connection.close()

    async def _seconds_until_due(self) -> float:
        connection = await self._locks()
        due = (await connection.execute(_NEXT)).scalar()
        return POLL_SECONDS if due is None else min(POLL_SECONDS, max(0.1, float(due)))

    async def _take(self) -> int:
        """Start what is due and nobody runs; return how many were started."""
        async with self._one_at_a_time:
            connection = await self._locks()
            room = self._at_once - len(self._running)
            if room <= 0:
                return 0
            # More than there is room for: some of them run in other processes.
            due = (await connection.execute(_DUE, {"mine": list(self._running), "limit": room + 50})).scalars().all()
            started = 0
            for call_id in due:
                if started == room:
                    break
                if (await connection.execute(_LOCK, {"id": call_id})).scalar():
                    self._running[call_id] = asyncio.create_task(self._perform(call_id))
                    started += 1
            return started

    async def _perform(self, call_id: str) -> None:
        try:
            async with self._runtime.sweep() as ctx:
                dropped = (await ctx.db.execute(_DROP, {"id": call_id})).first()
                row = await ctx.db.get(EngineCall, call_id)
            # Looked at again under the lock: it may have been done between the look and the lock.
            if row is None or dropped is not None or row.state != "queued":
                return
            called = Called(row.key, row.name, row.args, row.step_id, row.workflow_id, row.org_id, row.created_by_id, row.tries + 1)
            task, tries = self._tasks.get(row.name, (None, 5))
            try:
                if task is None:
                    raise LookupError(f"no task {row.name!r} is registered here")
                value = await task(self._runtime, called)
            except Exception as error:
                await self._failed(called, call_id, error, tries)
            else:
                await self._write(called, call_id, state="done", value=dict(value or {}))
        except Exception as error:
            log.warning("call %s will be tried again: %s: %s", call_id, type(error).__name__, error)
            await asyncio.sleep(0.3)
        finally:
            async with self._one_at_a_time:
                if self._connection is not None:
                    with contextlib.suppress(Exception):
                        await self._connection.execute(_UNLOCK, {"id": call_id})
                self._running.pop(call_id, None)
            self._runtime.bus.poke(TOPIC)

    async def _failed(self, called: Called, call_id: str, error: Exception, tries: int) -> None:
        hopeless = isinstance(error, Problem) and error.user_error and not isinstance(error, (Conflict, TooMany))
        message = error.description if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
        log.warning("call %s of step %s raised, try %d: %s", called.name, called.step_id, called.tries, message)
        if hopeless or called.tries >= tries:
            await self._write(called, call_id, state="failed", error=message)
            return
        delay = min(_MOST, _FIRST * 2 ** (called.tries - 1))
        async with self._runtime.sweep() as ctx:
            later = update(EngineCall).where(EngineCall.id == call_id, EngineCall.state == "queued")
            await ctx.db.execute(later.values(tries=called.tries, error=message, due=func.clock_timestamp() + delay))

    async def _write(self, called: Called, call_id: str, **values: Any) -> None:
        async with self._runtime.sweep() as ctx:
            done = update(EngineCall).where(EngineCall.id == call_id, EngineCall.state == "queued")
            await ctx.db.execute(done.values(tries=called.tries, **values))
            await service.wake(ctx, called.workflow_id)
