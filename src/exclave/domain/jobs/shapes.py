"""Rows of this slice as the wire shows them (spec nesting.md, runners)."""

from collections.abc import Iterable

import msgspec

from exclave.domain.jobs.models import (
    RunnerJob,
    RunnerJobExecution,
    RunnerJobExecutionOutputs,
    RunnerJobExecutionResult,
)
from exclave.kit import time
from exclave.wire.public import runners as wire


def flat(row: RunnerJob) -> wire.RunnerJob:
    """A job as lists show it (`job-`): without executions and outputs."""
    return wire.RunnerJob(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        runner_id=row.runner_id,
        owner_id=row.owner_id,
        owner_type=row.owner_type,
        log_stream_id=row.log_stream_id or "",
        queue_timeout=row.queue_timeout,
        available_timeout=row.available_timeout,
        execution_timeout=row.execution_timeout,
        overall_timeout=row.overall_timeout,
        max_executions=row.max_executions,
        status=row.status,
        status_description=row.status_description,
        type=row.type,
        group=row.group,
        operation=row.operation,
        started_at=row.started_at,
        finished_at=row.finished_at,
        metadata=dict(row.job_metadata),
        execution_time=time.nanoseconds(row.finished_at - row.started_at) if row.started_at and row.finished_at else 0,
    )


def brief(row: RunnerJob) -> wire.RunnerJob:
    """A job below a workspace (`job14`): fourteen columns."""
    return wire.RunnerJob(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        runner_id=row.runner_id,
        owner_id=row.owner_id,
        owner_type=row.owner_type,
        log_stream_id=row.log_stream_id or "",
        status=row.status,
        type=row.type,
        group=row.group,
        operation=row.operation,
        metadata=dict(row.job_metadata),
    )


def full(row: RunnerJob, executions: Iterable[RunnerJobExecution] = (), shown_outputs: str | None = None) -> wire.RunnerJob:
    """A job by itself (`job`): with what its current execution put out, and the executions given."""
    job = flat(row)
    job.execution_count = row.execution_count
    job.executions = [execution(each) for each in executions]
    if shown_outputs is not None:
        job.final_runner_job_execution_id = row.current_execution_id
        job.outputs_json = shown_outputs.encode()
        job.outputs = msgspec.Raw(job.outputs_json)
    return job


def execution(row: RunnerJobExecution) -> wire.RunnerJobExecution:
    return wire.RunnerJobExecution(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        runner_job_id=row.runner_job_id,
        status=row.status,
        metadata=dict(row.execution_metadata),
    )


def result(row: RunnerJobExecutionResult) -> wire.RunnerJobExecutionResult:
    """A result without its contents: nobody but the step that waits for it reads them."""
    return wire.RunnerJobExecutionResult(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        runner_job_execution_id=row.runner_job_execution_id,
        success=row.success,
        error_code=row.error_code,
        error_metadata=row.error_metadata,
    )


def outputs(row: RunnerJobExecutionOutputs, shown: str) -> wire.RunnerJobExecutionOutputs:
    return wire.RunnerJobExecutionOutputs(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        runner_job_execution_id=row.runner_job_execution_id,
        outputs=msgspec.Raw(shown.encode()),
        outputs_json=shown.encode(),
    )
