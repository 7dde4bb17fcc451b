"""End what nobody keeps any more: executions whose lease ended, jobs that waited or ran too long. Deadlines are the database's."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, DateTime, Double, Interval, bindparam, cast, func, literal, null, select, update
from sqlalchemy.dialects.postgresql import insert

from exclave.domain.jobs import executions, rules, service
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecution, RunnerJobExecutionResult
from exclave.kit import db, time
from exclave.kit.context import Actor, Ctx, Runtime

log = logging.getLogger(__name__)

Ended = TypeVar("Ended", RunnerJob, RunnerJobExecution)

_BATCH = 200
_LONGEST = 5.0  # seconds until the next look at most
_SHORTEST = 0.05

LOST = "the runner was lost"


async def expire(runtime: Runtime) -> float:
    """End what is past its deadline, and return the seconds until the next deadline."""
    while await _once(runtime):
        pass
    async with runtime.sweep() as ctx:
        # Every deadline that is set meanwhile is at least a lease away: the next look comes before it, so nobody needs to hint at it.
        return min(await _until_next(ctx), runtime.settings.lease_seconds)


async def _once(runtime: Runtime) -> bool:
    """One batch; tell whether there may be more."""
    async with runtime.sweep() as ctx:
        leases = await _expired_leases(ctx)
        overdue = await _overdue_executions(ctx)
        waited = await _overdue_in_queue(ctx)
    return _BATCH in (leases, overdue, waited)


async def _expired_leases(ctx: Ctx) -> int:
    return await _each(ctx, await db.every(ctx.db, _EXPIRED), _lose)


async def _lose(ctx: Ctx, execution: RunnerJobExecution) -> None:
    job = await db.one(ctx.db, select(RunnerJob).where(RunnerJob.id == execution.runner_job_id))
    if job.status != "in-progress":  # cancelled, and the runner never said that it stopped
        await _end(ctx, execution, "cancelled", "lost")
        await executions.ended(ctx, execution, "cancelled", "")
    elif rules.may_go_again(execution.status, execution.renewed_by, job.execution_count):
        await _end(ctx, execution, "not-attempted", "unheard")
        await executions.given_back(ctx, execution)
    else:
        await _end(ctx, execution, "failed", "lost")
        await _explain(ctx, execution, LOST, "lost")
        await executions.ended(ctx, execution, "failed", LOST)


async def _overdue_executions(ctx: Ctx) -> int:
    # The runner keeps the time-out itself and reports it: the server waits one lease longer for that.
    grace = timedelta(seconds=ctx.runtime.settings.lease_seconds)
    found = (await ctx.db.execute(_OVERDUE, {"grace": grace})).scalars()
    return await _each(ctx, list(found), _time_out)


async def _time_out(ctx: Ctx, execution: RunnerJobExecution) -> None:
    await _end(ctx, execution, "timed-out", "timeout")
    await _explain(ctx, execution, "execution timeout reached", "timeout")
    await executions.ended(ctx, execution, "timed-out", "execution timeout reached")


async def _overdue_in_queue(ctx: Ctx) -> int:
    return await _each(ctx, await db.every(ctx.db, _WAITED), _give_up)


async def _give_up(ctx: Ctx, job: RunnerJob) -> None:
    moment = time.now()
    job.status, job.status_description = "not-attempted", "queue timeout reached"
    job.finished_at, job.updated_at = moment, moment
    await ctx.db.flush()
    await service.tell_finished(ctx, job)


async def _each(ctx: Ctx, rows: Sequence[Ended], end: Callable[[Ctx, Ended], Awaitable[None]]) -> int:
    """End rows one by one and count them. One that cannot be ended now does not hold up the others: it is tried again."""
    done = 0
    for row in rows:
        name = row.id
        try:
            async with ctx.db.begin_nested():
                await end(_in_org(ctx, row.org_id), row)
        except Exception:
            log.exception("cannot end %s, trying again later", name)
        else:
            done += 1
    return done


def _in_org(ctx: Ctx, org_id: str) -> Ctx:
    """The sweep sees all orgs; whoever hears of an end acts in the org of what ended."""
    return ctx.acting_as(Actor(account_id="", org_id=org_id, kind="system"))


async def _end(ctx: Ctx, execution: RunnerJobExecution, status: str, by: str) -> None:
    moment = time.now()
    await ctx.db.execute(
        update(RunnerJobExecution)
        .where(RunnerJobExecution.id == execution.id, RunnerJobExecution.status.in_(rules.RUNNING))
        .values(status=status, finished_at=moment, updated_at=moment, leased_until=null(), ended_by=by)
        .execution_options(synchronize_session=False)
    )


async def _explain(ctx: Ctx, execution: RunnerJobExecution, message: str, reason: str) -> None:
    """Leave a result that says why, unless the runner delivered its own before."""
    row: dict[str, Any] = {
        "id": RunnerJobExecutionResult(org_id=execution.org_id).id,
        "org_id": execution.org_id,
        "created_by_id": execution.created_by_id,
        "runner_job_execution_id": execution.id,
        "success": False,
        "error_metadata": {"reason": reason, "message": message},
    }
    await ctx.db.execute(
        insert(RunnerJobExecutionResult)
        .values(**row)
        .on_conflict_do_nothing(index_elements=[RunnerJobExecutionResult.runner_job_execution_id])
    )


async def _until_next(ctx: Ctx) -> float:
    left = (await ctx.db.execute(_NEXT)).scalar()
    return _LONGEST if left is None else min(_LONGEST, max(_SHORTEST, float(left)))


_FAR = cast(literal("infinity"), DateTime(timezone=True))


def _deadline(start: Any, nanoseconds: Any) -> ColumnElement[datetime]:
    span = func.make_interval(0, 0, 0, 0, 0, 0, cast(nanoseconds, Double) / 1e9, type_=Interval)
    end: ColumnElement[datetime] = start + span
    return end


def _is_in(statuses: Sequence[str]) -> ColumnElement[bool]:
    """Written into the text: an index on open jobs serves no parameter."""
    return RunnerJob.status.in_(bindparam("statuses", list(statuses), expanding=True, literal_execute=True, unique=True))


# The statements are made once: making one costs more than running it, and the sweep never rests for long.
# What ended already is nobody's to end: without this a row that keeps its lease by mistake would be found again and again.
_RUNS = RunnerJobExecution.status.in_(rules.RUNNING)
_EXPIRED = (
    select(RunnerJobExecution)
    .where(RunnerJobExecution.leased_until <= func.clock_timestamp(), _RUNS)
    .order_by(RunnerJobExecution.leased_until)
    .limit(_BATCH)
    .with_for_update(skip_locked=True)
)
_OVERDUE = (
    select(RunnerJobExecution)
    .join(RunnerJob, RunnerJob.id == RunnerJobExecution.runner_job_id)
    .where(
        RunnerJob.current_execution_id == RunnerJobExecution.id,
        RunnerJobExecution.leased_until.is_not(None),
        _RUNS,
        _deadline(RunnerJob.started_at, RunnerJob.execution_timeout) + bindparam("grace", type_=Interval) <= func.clock_timestamp(),
    )
    .limit(_BATCH)
    .with_for_update(skip_locked=True, of=RunnerJobExecution)
)
_WAITED = (
    select(RunnerJob)
    .where(
        _is_in(rules.OPEN),
        RunnerJob.status != "in-progress",
        _deadline(RunnerJob.created_at, RunnerJob.queue_timeout) <= func.clock_timestamp(),
    )
    .limit(_BATCH)
    .with_for_update(skip_locked=True)
)
_FIRST_LEASE = (
    select(func.min(RunnerJobExecution.leased_until)).where(RunnerJobExecution.leased_until.is_not(None), _RUNS).scalar_subquery()
)
_FIRST_JOB = (
    select(
        func.min(
            func.least(
                func.coalesce(_deadline(RunnerJob.started_at, RunnerJob.execution_timeout), _FAR),
                _deadline(RunnerJob.created_at, RunnerJob.queue_timeout),
            )
        )
    )
    .where(_is_in(rules.OPEN))
    .scalar_subquery()
)
_NEXT = select(func.extract("epoch", func.least(_FIRST_LEASE, _FIRST_JOB) - func.clock_timestamp()))
