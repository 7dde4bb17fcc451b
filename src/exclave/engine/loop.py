"""The loop that advances workflows. It holds no state: any number of processes run it, the rows are the truth.

Claim what is due, advance it, commit, look again. A row lock in PostgreSQL is the lease, its transaction the fence, its NOTIFY a
hint. When a handler raises, the transaction is rolled back and its workflows are taken one by one; the guilty step is marked and
tried again later, ever more slowly, and fails after `Patience.limit` times. Nothing slow runs in here: side work is a `Call`.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
from sqlalchemy import delete
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from exclave.engine import rows, rules, service, store
from exclave.engine.advance import Advance, Raised, describe
from exclave.engine.definition import Fail, Registry
from exclave.engine.models import Wakeup, WorkflowStep
from exclave.engine.sweep import Sweep
from exclave.engine.tasks import Calls
from exclave.kit.context import Runtime
from exclave.kit.errors import Conflict, Problem, TooMany, Unavailable

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # the net below lost hints
BATCH = 50
BUDGET_SECONDS = 0.010  # of one transaction, so that a burst does not delay the first of it
LANES = 2
_LOCKED_SECONDS = 0.1  # until what is due, but another process's work, is looked at again
_GONE = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, InterfaceError, OperationalError, Unavailable)


@dataclass(frozen=True)
class Patience:
    """How often a handler that raises is tried, and how long apart."""

    limit: int = 6
    first: timedelta = timedelta(seconds=0.5)
    most: timedelta = timedelta(seconds=60)

    def after(self, raised: int) -> timedelta:
        return min(self.most, self.first * float(2 ** min(raised - 1, 20)))


class Loop:
    """Two lanes that advance whatever is due, a sweep, and the side work of this process."""

    def __init__(
        self,
        runtime: Runtime,
        registry: Registry,
        calls: Calls | None = None,
        *,
        lanes: int = LANES,
        patience: Patience | None = None,
        poll: float = POLL_SECONDS,
        batch: int = BATCH,
    ) -> None:
        self._runtime, self._registry, self._calls = runtime, registry, calls
        self._lanes, self._patience, self._poll, self._batch = lanes, patience or Patience(), poll, batch
        self._sweep = Sweep(runtime)
        self._idle: set[asyncio.Future[None]] = set()
        self._again = False
        self._cost = 0.0002  # seconds per workflow, a moving average
        self._due: float | None = None  # seconds from the last look to the next: none when nothing is known to come
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Run until `stop`, or until cancelled."""
        works = [self._lane() for _ in range(self._lanes)] + [self._listen(), self._sweep.run()]
        if self._calls is not None:
            works.append(self._calls.run())
        self._tasks = [asyncio.ensure_future(work) for work in works]
        try:
            await asyncio.gather(*self._tasks)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End every part. A transaction under way is rolled back and its wake-ups stay."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def drain(self, seconds: float = 10.0) -> bool:
        """Advance until nothing is due and no side work is under way; False when that takes longer. For tests."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if await self.once():
                continue
            if self._calls is not None and await self._calls.once():
                continue
            if self._due is None or self._due > 0.1:
                return True
            await asyncio.sleep(max(0.0, min(self._due, 0.05)))
        return False

    def poke(self) -> None:
        """Wake one idle lane; when none is idle, have the next one look again."""
        while self._idle:
            waiting = self._idle.pop()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._again = True

    async def _listen(self) -> None:
        async with self._runtime.bus.subscribe(service.TOPIC) as hints:
            while True:
                await hints.wait(60)
                self.poke()

    async def _lane(self) -> None:
        while True:
            self._again = False  # before the claim takes its snapshot, never after
            try:
                await self.once()
            except _GONE as error:
                log.warning("the engine cannot reach the database, trying again: %s", type(error).__name__)
                await asyncio.sleep(0.3)  # back-off of a lost connection
                continue
            except Exception as error:
                log.error("an advance failed: %s", describe(error), exc_info=None if isinstance(error, DBAPIError) else error)
                await asyncio.sleep(0.3)
                continue
            due = self._due
            if due is None or due > 0:
                await self._rest(self._poll if due is None else min(self._poll, max(due, 0.001)))

    async def _rest(self, seconds: float) -> None:
        if self._again:
            return
        future = asyncio.get_running_loop().create_future()
        self._idle.add(future)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(future, seconds)
        self._idle.discard(future)

    async def once(self) -> int:
        """Advance one batch of what is due; return how many workflows that were."""
        claimed: list[str] = []
        size = max(1, min(self._batch, int(BUDGET_SECONDS / self._cost)))
        try:
            count = await self._batch_of(size, claimed)
        except Exception as error:
            if not claimed:
                raise
            if not isinstance(error, Raised):
                log.info("an advance of %d workflows was rolled back: %s", len(claimed), describe(error))
            for workflow_id in claimed:
                await self._alone(workflow_id)
            self._due = 0.0
            return len(claimed)
        return count

    async def _batch_of(self, size: int, claimed: list[str], only: str = "") -> int:
        # Not durable: an advance only writes rows, all of which follow from rows before it. What crosses into the world outside is durable
        # (a claim, the call of a task, an answer to a request), and makes durable whatever was committed before (decision 0011).
        async with self._runtime.sweep(durable=False) as ctx:
            found, moment = await store.claim(ctx.db, size, only)
            if not found:
                if not only:
                    due = await store.seconds_until_due(ctx.db)
                    self._due = due if due is None or due > 0 else _LOCKED_SECONDS
                return 0
            claimed += [workflow.id for workflow in found]
            advance = Advance(ctx, self._registry, moment, solo=bool(only))
            ahead = await advance.everything(found)
            for workflow in found:
                ctx.poke(f"workflow:{workflow.id}")  # who watches it looks again
        self._due = _seconds_to(ahead, full=len(found) >= size)
        self._cost += (advance.seconds / len(found) - self._cost) * 0.2
        return len(found)

    async def _alone(self, workflow_id: str) -> None:
        """Advance one workflow in a transaction of its own, and put down who raised."""
        try:
            await self._batch_of(1, [], only=workflow_id)
        except Exception as error:
            raised = error if isinstance(error, Raised) else Raised(workflow_id, "", error)
            await self._mark(raised)

    async def _mark(self, raised: Raised) -> None:
        """Note that a handler or a definition raised: it is tried again later, or fails."""
        cause = raised.cause
        # A problem that the reader can cause will not go away by itself; one of timing may.
        hopeless = isinstance(cause, Problem) and cause.user_error and not isinstance(cause, (Conflict, TooMany))
        message = str(raised)
        # The chain of a database error prints the values of its statement, which may be secret.
        trace = None if isinstance(cause, DBAPIError) else cause
        async with self._runtime.sweep() as ctx:
            found, moment = await store.claim(ctx.db, 1, raised.workflow_id)
            if not found:
                return
            workflow, steps = found[0], await store.read_all(ctx.db, raised.workflow_id)
            changed: list[WorkflowStep] = []
            for step in steps:
                if step.id != raised.step_id:
                    continue
                step.raised += 1
                step.error = message
                log.warning("step %s (%s) raised, try %d: %s", step.id, step.kind, step.raised, message, exc_info=trace)
                if step.raised < self._patience.limit and not hopeless:
                    step.wake_at = moment + self._patience.after(step.raised)
                elif step.settling:  # the outcome of the step stands: what could not be told is put down and left
                    log.error("step %s (%s) could not be told %s", step.id, step.kind, step.settling, exc_info=trace)
                    step.settling, step.raised, step.wake_at = "", 0, None
                elif step.state == "pending" or step.state in rules.WORKING:
                    if step.state == "pending":
                        rows.begin(step, by=workflow.created_by_id)
                    change = rules.decide(workflow, step, steps, Fail(message), moment)
                    rows.carry(workflow, steps, change, by=workflow.created_by_id)
                    changed += [move.step for move in change.moves]
                changed.append(step)
            due = moment
            if not raised.step_id:
                workflow.attempts += 1
                due = moment + self._patience.after(workflow.attempts)
                log.warning("workflow %s raised, try %d: %s", workflow.id, workflow.attempts, message, exc_info=trace)
                if workflow.state != "finished" and (hopeless or workflow.attempts >= self._patience.limit):
                    description = "its steps could not be made" if workflow.started_at is None else "it could not be advanced"
                    rows.fail(workflow, message, by=workflow.created_by_id, description=description)
                await ctx.db.execute(delete(Wakeup).where(Wakeup.workflow_id == workflow.id))
            written = store.Written({step.id: step for step in changed}, {workflow.id: workflow}, [(workflow.id, due)])
            await store.write(ctx.db, written, moment)


def _seconds_to(ahead: store.Ahead, *, full: bool) -> float | None:
    """Until the next look: none is made that would find nothing. What others write they say."""
    if ahead.at_once or (ahead.left and full):
        return 0.0
    waits = [_LOCKED_SECONDS] if ahead.left else []
    return min([*waits, *([] if ahead.later is None else [ahead.later])], default=None)
