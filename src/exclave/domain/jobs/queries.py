"""Every SELECT on jobs, limited to what the actor may see."""

import functools
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Interval,
    ScalarSelect,
    Select,
    String,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    exists,
    false,
    func,
    null,
    select,
    update,
)
from sqlalchemy.orm import aliased

from exclave.domain.jobs.fencing import InsertWhileLive
from exclave.domain.jobs.models import (
    RunnerJob,
    RunnerJobExecution,
    RunnerJobExecutionOutputs,
    RunnerJobExecutionResult,
    RunnerJobPlan,
)
from exclave.domain.runners import access
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org


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

# Does a job wait that may be told of the end of another with its serial key?
WAITS_FOR_KEY: Prepared[bool] = Prepared(
    select(
        exists().where(
            RunnerJob.serial_key == bindparam("serial_key"), RunnerJob.runner_id == bindparam("runner"), RunnerJob.status == "available"
        )
    )
)


# When a lease that is given now ends, by the database's clock.
LEASE_END: ColumnElement[datetime] = func.clock_timestamp() + cast(bindparam("lease"), Interval)


def _taking(*wanted: ColumnElement[bool]) -> Prepared[tuple[RunnerJob, datetime]]:
    """Move the oldest wanted job from `available` to `in-progress`; it comes with the end of a lease that is given now."""
    picked = (
        select(RunnerJob.id)
        .where(
            in_org(RunnerJob),
            RunnerJob.runner_id == bindparam("runner"),
            RunnerJob.deleted_at == 0,
            RunnerJob.status == "available",
            ~serial_key_in_use(),
            *wanted,
        )
        .order_by(RunnerJob.created_at, RunnerJob.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=RunnerJob)
        .correlate(None)
        .scalar_subquery()
    )
    return Prepared(
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
        .returning(RunnerJob, LEASE_END.label("leased_until")),
        returns=(RunnerJob, None),
        fresh=True,
    )


TAKE_OLDEST = _taking(RunnerJob.group == any_(bindparam("groups", type_=ARRAY(String))))
TAKE_ONE = _taking(RunnerJob.id == bindparam("job"))

CLAIMED_BEFORE: Prepared[RunnerJobExecution] = Prepared(
    update(RunnerJobExecution)
    .where(
        in_org(RunnerJobExecution),
        RunnerJobExecution.runner_id == bindparam("runner"),
        RunnerJobExecution.claim_key == bindparam("key"),
        RunnerJobExecution.claim_key != "",
        RunnerJobExecution.leased_until > func.clock_timestamp(),
    )
    .values(leased_until=LEASE_END)
    .returning(RunnerJobExecution),
    returns=(RunnerJobExecution,),
    fresh=True,
)


# The fence of `live_execution` for a runner's full token, made once.
_LIVE = (
    select(RunnerJobExecution.id)
    .join(RunnerJob, RunnerJob.id == RunnerJobExecution.runner_job_id)
    .where(
        RunnerJobExecution.id == bindparam("execution"),
        in_org(RunnerJobExecution),
        RunnerJob.id == bindparam("job"),
        RunnerJob.runner_id == bindparam("runner"),
        RunnerJob.current_execution_id == RunnerJobExecution.id,
        RunnerJobExecution.finished_at.is_(None),
        RunnerJobExecution.leased_until > func.clock_timestamp(),
    )
    .with_for_update(of=RunnerJobExecution)
)


def fence(actor: Actor, job_id: str, execution_id: str) -> dict[str, Any]:
    """What the statements below are asked with. The token of one execution passes none of them: it reaches the state backend only."""
    return {"execution": execution_id, "job": job_id, "org": actor.org_id, "runner": "" if actor.scope else actor.runner_id}


KEEP_RESULT = InsertWhileLive(RunnerJobExecutionResult, _LIVE, unless="runner_job_execution_id")
KEEP_OUTPUTS = InsertWhileLive(RunnerJobExecutionOutputs, _LIVE, unless="runner_job_execution_id")

_live = _LIVE.subquery()

RENEW: Prepared[tuple[int, datetime, str]] = Prepared(
    update(RunnerJobExecution)
    .where(RunnerJobExecution.id == _live.c.id, RunnerJob.id == RunnerJobExecution.runner_job_id)
    .values(leased_until=LEASE_END)
    .returning(RunnerJobExecution.epoch, RunnerJobExecution.leased_until, RunnerJob.status),
    returns=(None, None, None),
)

RENEW_BY_HEARTBEAT: Prepared[None] = Prepared(
    update(RunnerJobExecution)
    .where(
        RunnerJobExecution.runner_id == bindparam("runner"),
        in_org(RunnerJobExecution),
        RunnerJobExecution.renewed_by == "heartbeat",
        RunnerJobExecution.leased_until.is_not(None),
        RunnerJobExecution.leased_until > func.clock_timestamp(),
        exists().where(RunnerJob.id == RunnerJobExecution.runner_job_id, RunnerJob.status == "in-progress"),
    )
    .values(leased_until=LEASE_END)
)

_moved = update(RunnerJobExecution).where(
    RunnerJobExecution.id == _live.c.id, RunnerJobExecution.status == any_(bindparam("sources", type_=ARRAY(String)))
)
MOVE: Prepared[RunnerJobExecution] = Prepared(
    _moved.values(status=bindparam("to"), updated_at=bindparam("moment")).returning(RunnerJobExecution),
    returns=(RunnerJobExecution,),
    fresh=True,
)
END: Prepared[RunnerJobExecution] = Prepared(
    _moved.values(
        status=bindparam("to"), updated_at=bindparam("moment"), finished_at=bindparam("moment"), leased_until=null(), ended_by="runner"
    ).returning(RunnerJobExecution),
    returns=(RunnerJobExecution,),
    fresh=True,
)
END_JOB: Prepared[RunnerJob] = Prepared(
    update(RunnerJob)
    .where(RunnerJob.id == bindparam("job"), RunnerJob.status == "in-progress")
    .values(status=bindparam("to"), status_description=bindparam("why"), finished_at=bindparam("moment"), updated_at=bindparam("moment"))
    .returning(RunnerJob),
    returns=(RunnerJob,),
    fresh=True,
)


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


def live_execution(
    actor: Actor, execution_id: str, *, job_id: str = "", of_scope: bool = False, execution: ScalarSelect[str] | None = None
) -> Select[str]:
    """The fence (architecture rule 5): the id of the execution if it is its job's current one, not final, and its lease holds.

    The row stays locked until the end of the transaction, so that a sweep cannot end the execution between the look and the write.
    Only the runner of the job passes. The token of one execution passes where `of_scope` says that it serves, and for that execution
    only. `execution` stands for an id that the statement finds itself.
    """
    scoped_job, scoped_execution = access.execution_in_scope(actor)
    fence = (
        select(RunnerJobExecution.id)
        .join(RunnerJob, RunnerJob.id == RunnerJobExecution.runner_job_id)
        .where(
            RunnerJobExecution.id == (execution if execution is not None else execution_id),
            RunnerJobExecution.org_id == actor.org_id,
            RunnerJob.current_execution_id == RunnerJobExecution.id,
            RunnerJobExecution.finished_at.is_(None),
            RunnerJobExecution.leased_until > func.clock_timestamp(),
        )
        .with_for_update(of=RunnerJobExecution)
    )
    if job_id:
        fence = fence.where(RunnerJob.id == job_id)
    if scoped_execution:
        own = (RunnerJobExecution.id == scoped_execution, RunnerJob.id == scoped_job) if of_scope else (false(),)
        fence = fence.where(*own)
    return fence.where(RunnerJob.runner_id == actor.runner_id)


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
