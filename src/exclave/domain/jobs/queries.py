"""Every SELECT on jobs, limited to what the actor may see."""

import functools
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, ScalarSelect, Select, Text, and_, bindparam, cast, exists, false, func, or_, select
from sqlalchemy.orm import aliased

from exclave.domain.jobs.models import (
    RunnerJob,
    RunnerJobExecution,
    RunnerJobExecutionOutputs,
    RunnerJobExecutionResult,
    RunnerJobPlan,
)
from exclave.domain.runners import access
from exclave.kit.context import Actor


def visible_to(actor: Actor) -> Select[RunnerJob]:
    return select(RunnerJob).where(RunnerJob.org_id == actor.org_id, RunnerJob.deleted_at == 0, access.own(actor, RunnerJob.runner_id))


def by_id(actor: Actor, job_id: str) -> Select[RunnerJob]:
    return visible_to(actor).where(RunnerJob.id == job_id)


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


@functools.cache  # made once: its aliases cost more than the rest of a claim, and SQLAlchemy never changes an expression
def serial_key_in_use() -> ColumnElement[bool]:
    """Does another job with the serial key of this one run, or still stop?"""
    other, execution = aliased(RunnerJob), aliased(RunnerJobExecution)
    running = (
        select(1)
        .select_from(other)
        .outerjoin(execution, execution.id == other.current_execution_id)
        .where(
            other.serial_key == RunnerJob.serial_key,
            other.id != RunnerJob.id,
            or_(other.status == "in-progress", execution.leased_until.is_not(None)),
        )
        .correlate(RunnerJob)
    )
    return and_(RunnerJob.serial_key != "", exists(running))


# Is there anything for a runner that asks? Most of its looks find nothing, so they cost no more than this: made once, two index look-ups.
LOOK = select(
    exists().where(RunnerJob.runner_id == bindparam("runner"), RunnerJob.status == "available").label("waits"),
    exists()
    .where(
        RunnerJobExecution.runner_id == bindparam("runner"),
        RunnerJobExecution.claim_key == bindparam("key"),
        RunnerJobExecution.claim_key != "",
    )
    .label("known"),
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


def plan_of(job_id: str, org_id: str) -> Select[RunnerJobPlan]:
    return select(RunnerJobPlan).where(RunnerJobPlan.runner_job_id == job_id, RunnerJobPlan.org_id == org_id)


def result_of(execution_id: str, org_id: str) -> Select[RunnerJobExecutionResult]:
    return select(RunnerJobExecutionResult).where(
        RunnerJobExecutionResult.runner_job_execution_id == execution_id, RunnerJobExecutionResult.org_id == org_id
    )


def outputs_of(execution_ids: Collection[str]) -> Select[RunnerJobExecutionOutputs, str]:
    """Outputs with the text that may be shown, byte for byte."""
    return select(RunnerJobExecutionOutputs, cast(RunnerJobExecutionOutputs.outputs, Text).label("shown")).where(
        RunnerJobExecutionOutputs.runner_job_execution_id.in_(execution_ids)
    )
