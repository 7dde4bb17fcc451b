"""Every SELECT on jobs, limited to what the actor may see."""

import functools
import typing
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Interval,
    Select,
    String,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from exclave.domain.accounts import tokens
from exclave.domain.jobs import fencing
from exclave.domain.jobs.models import (
    RunnerJob,
    RunnerJobExecution,
    RunnerJobExecutionOutputs,
    RunnerJobExecutionResult,
    RunnerJobPlan,
)
from exclave.domain.runners import access
from exclave.domain.runners import queries as runners
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org

_JOB, _EXECUTION, _PLAN = (typing.cast(Table, model.__table__) for model in (RunnerJob, RunnerJobExecution, RunnerJobPlan))


def visible_to(actor: Actor) -> Select[RunnerJob]:
    return select(RunnerJob).where(RunnerJob.org_id == actor.org_id, RunnerJob.deleted_at == 0, access.own(actor, RunnerJob.runner_id))


def of_runner(actor: Actor, runner_id: str, *, groups: Collection[str], statuses: Collection[str]) -> Select[RunnerJob]:
    """Jobs of a runner, newest first. Waiting jobs alone come oldest first: official runners take the first element.

    A job whose serial key is in use does not wait: it would be refused.
    """
    jobs = visible_to(actor).where(RunnerJob.runner_id == runner_id)
    if groups:
        jobs = jobs.where(RunnerJob.group.in_(groups))
    if statuses:
        jobs = jobs.where(RunnerJob.status.in_(statuses))
    if tuple(statuses) == ("available",):
        return jobs.where(~serial_key_in_use()).order_by(RunnerJob.created_at, RunnerJob.id)
    return jobs.order_by(RunnerJob.created_at.desc(), RunnerJob.id)


@functools.cache  # made once: its alias costs more than the rest of a statement, and SQLAlchemy never changes an expression
def serial_key_in_use() -> ColumnElement[bool]:
    """Does an execution of another job with the serial key of this one hold a lease: it runs, or it was cancelled and still stops?"""
    execution = aliased(RunnerJobExecution)
    holds = exists().where(
        execution.serial_key == RunnerJob.serial_key,
        execution.serial_key != "",
        execution.leased_until.is_not(None),
        execution.runner_job_id != RunnerJob.id,
    )
    return and_(RunnerJob.serial_key != "", holds.correlate(RunnerJob))


BY_KEY: Prepared[RunnerJob] = Prepared(
    select(RunnerJob).where(RunnerJob.step_key == bindparam("key"), in_org(RunnerJob), RunnerJob.deleted_at == 0)
)

# When a lease that is given now ends, by the database's clock.
LEASE_END: ColumnElement[datetime] = func.clock_timestamp() + cast(bindparam("lease"), Interval)


def _taking(*wanted: ColumnElement[bool]) -> tuple[CTE, CTE, ColumnElement[list[str]]]:
    """Move the oldest wanted job from `available` to `in-progress`, give it an execution with a lease, and tell the serial keys that
    keep others waiting."""
    waits = (
        in_org(RunnerJob),
        RunnerJob.runner_id == bindparam("runner"),
        RunnerJob.deleted_at == 0,
        RunnerJob.status == "available",
        *wanted,
    )
    picked = (
        select(RunnerJob.id)
        .where(*waits, ~serial_key_in_use())
        .order_by(RunnerJob.created_at, RunnerJob.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=RunnerJob)
        .correlate(None)
        .scalar_subquery()
    )
    job = (
        update(RunnerJob)
        .where(RunnerJob.id == picked, RunnerJob.status == "available")
        .values(
            status="in-progress",
            status_description="",
            started_at=bindparam("moment"),
            updated_at=bindparam("moment"),
            execution_count=RunnerJob.execution_count + 1,
            current_execution_id=bindparam("execution"),
        )
        .returning(*_JOB.c)
        .cte("job")
    )
    given: dict[str, Any] = {
        "id": bindparam("execution", type_=String),
        "org_id": job.c.org_id,
        "created_by_id": bindparam("account", type_=String),
        "created_at": bindparam("moment", type_=_EXECUTION.c.created_at.type),
        "updated_at": bindparam("moment", type_=_EXECUTION.c.updated_at.type),
        "deleted_at": literal(0),
        "runner_job_id": job.c.id,
        "status": literal("pending"),
        "metadata": bindparam("metadata", type_=_EXECUTION.c.metadata.type),
        "epoch": job.c.execution_count,
        "process": bindparam("process", type_=String),
        "leased_until": LEASE_END,
        "renewed_by": bindparam("renewed_by", type_=String),
        "ended_by": literal(""),
        "runner_id": job.c.runner_id,
        "serial_key": job.c.serial_key,
        "claim_key": bindparam("key", type_=String),
    }
    row = select(*(value.label(name) for name, value in given.items())).select_from(job)
    execution = insert(_EXECUTION).from_select(list(given), row, include_defaults=False)
    awaited = select(RunnerJob.serial_key).where(*waits, serial_key_in_use()).distinct().correlate(None)
    return job, execution.returning(*_EXECUTION.c).cte("execution"), func.array(awaited.scalar_subquery())


# A job's token outlives its time-out a little: the lease is what ends its power.
TOKEN_GRACE = timedelta(minutes=5)
_MICROSECOND, _TOKEN_GRACE = (literal(span, Interval) for span in (timedelta(microseconds=1), TOKEN_GRACE))


def _take_oldest() -> Prepared[tuple[RunnerJob | None, RunnerJobExecution | None, RunnerJobPlan | None, list[str]]]:
    """One row always: the job with its execution and plan, or the serial keys that jobs of these groups wait for. A job gets a token."""
    job, execution, awaited = _taking(RunnerJob.group == any_(bindparam("groups", type_=ARRAY(String))))
    token = tokens.minted_with(
        job,
        token_type="job",
        expires_at=bindparam("moment", type_=_EXECUTION.c.created_at.type) + job.c.execution_timeout / 1000 * _MICROSECOND + _TOKEN_GRACE,
        scope=func.concat("job:", job.c.id, ":", job.c.current_execution_id),
    )
    one = select(literal(1).label("one")).subquery("one")
    found = (
        one.outerjoin(job, true())
        .outerjoin(execution, true())
        .outerjoin(_PLAN, and_(_PLAN.c.runner_job_id == job.c.id, in_org(RunnerJobPlan)))
    )
    nothing = case((job.c.id.is_(None), awaited))
    return Prepared(
        select(*job.c, *execution.c, *_PLAN.c, nothing).select_from(found).add_cte(token),
        returns=(RunnerJob, RunnerJobExecution, RunnerJobPlan, None),
        fresh=True,
    )


def _take_one() -> Prepared[tuple[RunnerJob, RunnerJobExecution]]:
    job, execution, _ = _taking(RunnerJob.id == bindparam("job"))
    return Prepared(
        select(*job.c, *execution.c).select_from(job.join(execution, true())), returns=(RunnerJob, RunnerJobExecution), fresh=True
    )


TAKE_OLDEST, TAKE_ONE = _take_oldest(), _take_one()

_KEPT_BY_KEY = (
    in_org(RunnerJobExecution),
    RunnerJobExecution.runner_id == bindparam("runner"),
    RunnerJobExecution.claim_key == bindparam("key"),
    RunnerJobExecution.claim_key != "",
    RunnerJobExecution.deleted_at == 0,
    RunnerJobExecution.leased_until > func.clock_timestamp(),
)

# Is the caller let in, has it claimed something with this key before, and is there something to claim? A fifth of the cost of taking,
# for a look that most often finds nothing.
LOOK: Prepared[tuple[bool, bool, bool]] = Prepared(
    select(
        (func.current_setting(literal_column("'exclave.org_id'"), true()) == bindparam("org")).is_(true()),
        exists().where(*_KEPT_BY_KEY),
        exists().where(
            in_org(RunnerJob),
            RunnerJob.runner_id == bindparam("runner"),
            RunnerJob.deleted_at == 0,
            RunnerJob.status == "available",
            RunnerJob.group == any_(bindparam("groups", type_=ARRAY(String))),
        ),
    )
)

CLAIMED_BEFORE: Prepared[RunnerJobExecution] = Prepared(
    update(RunnerJobExecution).where(*_KEPT_BY_KEY).values(leased_until=LEASE_END).returning(RunnerJobExecution),
    returns=(RunnerJobExecution,),
    fresh=True,
)


_live = fencing.live().where(RunnerJobExecution.id == bindparam("execution")).cte("live")


def fence(actor: Actor, job_id: str, execution_id: str) -> dict[str, Any]:
    """What the statements below are asked with. The token of one execution passes none of them: it reaches the state backend only."""
    return {"execution": execution_id, "job": job_id, "org": actor.org_id, "runner": "" if actor.scope else actor.runner_id}


RESULT, OUTPUTS = fencing.Delivery(RunnerJobExecutionResult), fencing.Delivery(RunnerJobExecutionOutputs)
KEEP_RESULT: Prepared[str] = Prepared(RESULT.insert(_live), returns=(None,))
KEEP_OUTPUTS: Prepared[str] = Prepared(OUTPUTS.insert(_live), returns=(None,))

RENEW: Prepared[tuple[int, datetime, str]] = Prepared(
    update(RunnerJobExecution)
    .where(RunnerJobExecution.id == _live.c.id, RunnerJob.id == RunnerJobExecution.runner_job_id)
    .values(leased_until=LEASE_END)
    .returning(RunnerJobExecution.epoch, RunnerJobExecution.leased_until, RunnerJob.status),
    returns=(None, None, None),
)

# A beat keeps what an official runner runs: it sends no renewals. A cancelled job is not kept, so that it ends without its runner.
BEAT = runners.beat(
    update(RunnerJobExecution)
    .where(
        RunnerJobExecution.runner_id == bindparam("runner"),
        in_org(RunnerJobExecution),
        RunnerJobExecution.renewed_by == "heartbeat",
        RunnerJobExecution.leased_until.is_not(None),
        RunnerJobExecution.leased_until > func.clock_timestamp(),
        exists().where(RunnerJob.id == RunnerJobExecution.runner_job_id, RunnerJob.status == "in-progress"),
    )
    .values(leased_until=LEASE_END, updated_at=bindparam("moment"))
    .cte("renewed")
)

_moved = update(RunnerJobExecution).where(
    RunnerJobExecution.id == _live.c.id, RunnerJobExecution.status == any_(bindparam("sources", type_=ARRAY(String)))
)
MOVE: Prepared[RunnerJobExecution] = Prepared(
    _moved.values(status=bindparam("to"), updated_at=bindparam("moment")).returning(RunnerJobExecution),
    returns=(RunnerJobExecution,),
    fresh=True,
)
_job_ended = (
    update(RunnerJob)
    .where(RunnerJob.id == bindparam("job"), RunnerJob.status == "in-progress")
    .values(
        status=bindparam("becomes"), status_description=bindparam("why"), finished_at=bindparam("moment"), updated_at=bindparam("moment")
    )
    .returning(*_JOB.c)
)
END_JOB: Prepared[RunnerJob] = Prepared(_job_ended, returns=(RunnerJob,), fresh=True)


def _end() -> Prepared[tuple[RunnerJobExecution, RunnerJob | None, bool, bool]]:
    """Keep what an execution delivers, end it, and end its job unless that is over. Tells whether result and outputs were kept.

    The execution is locked before its job, as everywhere. Nothing is written unless the execution is live.
    """
    result, outputs = RESULT.insert(_live).cte("result"), OUTPUTS.insert(_live).cte("outputs")
    execution = (
        _moved.values(
            status=bindparam("to"), updated_at=bindparam("moment"), finished_at=bindparam("moment"), leased_until=null(), ended_by="runner"
        )
        .returning(*_EXECUTION.c)
        .cte("ended")
    )
    job = _job_ended.where(RunnerJob.id == execution.c.runner_job_id).cte("job")
    kept = (exists(select(one.c.id)) for one in (result, outputs))
    return Prepared(
        select(*execution.c, *job.c, *kept).select_from(execution.outerjoin(job, true())),
        returns=(RunnerJobExecution, RunnerJob, None, None),
        fresh=True,
    )


END = _end()


def executions_of(actor: Actor, job_ids: Sequence[str]) -> Select[RunnerJobExecution]:
    """Executions, newest first."""
    return (
        executions_visible_to(actor)
        .where(RunnerJobExecution.runner_job_id.in_(job_ids))
        .order_by(RunnerJobExecution.created_at.desc(), RunnerJobExecution.id)
    )


def executions_visible_to(actor: Actor) -> Select[RunnerJobExecution]:
    return select(RunnerJobExecution).where(
        RunnerJobExecution.org_id == actor.org_id,
        RunnerJobExecution.deleted_at == 0,
        access.own(actor, RunnerJobExecution.runner_id),
    )


PLAN_OF: Prepared[RunnerJobPlan] = Prepared(
    select(RunnerJobPlan).where(RunnerJobPlan.runner_job_id == bindparam("job"), in_org(RunnerJobPlan))
)

RESULT_OF: Prepared[RunnerJobExecutionResult] = Prepared(
    select(RunnerJobExecutionResult).where(
        RunnerJobExecutionResult.runner_job_execution_id == bindparam("execution"), in_org(RunnerJobExecutionResult)
    )
)

# With the text that may be shown, byte for byte.
OUTPUTS_OF: Prepared[tuple[RunnerJobExecutionOutputs, str]] = Prepared(
    select(RunnerJobExecutionOutputs, cast(RunnerJobExecutionOutputs.outputs, Text).label("shown")).where(
        RunnerJobExecutionOutputs.runner_job_execution_id == bindparam("execution"), in_org(RunnerJobExecutionOutputs)
    )
)


def outputs_of(execution_ids: Collection[str]) -> Select[RunnerJobExecutionOutputs, str]:
    """Outputs with the text that may be shown, byte for byte."""
    return select(RunnerJobExecutionOutputs, cast(RunnerJobExecutionOutputs.outputs, Text).label("shown")).where(
        RunnerJobExecutionOutputs.runner_job_execution_id.in_(execution_ids)
    )
