"""Submit work to a runner, cancel it, and read how it went. Claims are in `claims`, what a runner delivers in `executions`."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import update

from exclave.domain.audit import service as audit
from exclave.domain.jobs import queries, rules
from exclave.domain.jobs.events import JobFinished
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecutionOutputs, RunnerJobExecutionResult, RunnerJobPlan
from exclave.domain.orgs import keys
from exclave.domain.runners import access
from exclave.domain.runners.models import Runner
from exclave.kit import db, errors, time
from exclave.kit.context import Ctx
from exclave.kit.db import Tenant
from exclave.kit.prepared import by_id

DISPLAY_LIMIT = 256 << 20  # bytes of a display document once it is unpacked


@dataclass(frozen=True)
class JobResult:
    """How the current execution of a job ended."""

    success: bool
    error_code: int
    error_metadata: Mapping[str, Any]
    contents: bytes | None  # for Terraform the plan file
    contents_digest: str  # sha256:…
    display: bytes  # what people look at, masked by the runner


@dataclass(frozen=True)
class JobOutputs:
    """Outputs of the current execution of a job: all of them, what may be shown, and which are secret."""

    values: dict[str, Any]
    shown: msgspec.Raw
    sensitive: frozenset[str]


def is_final(status: str) -> bool:
    """May a job of this status still change?"""
    return rules.is_final(status)


def failed(job: RunnerJob) -> bool:
    """Is the job over without success?"""
    return rules.is_failure(job.status)


async def submit(
    ctx: Ctx,
    *,
    runner: Runner,
    owner: Tenant,
    type: str,
    operation: str,
    plan: object | None,
    log_stream_id: str | None,
    key: str,
    looked: bool = False,
    execution_timeout: timedelta | None = None,
    metadata: Mapping[str, str] = {},
    serial_key: str = "",
) -> RunnerJob:
    """Give a runner a job. The same key is the same job, so a step that runs twice submits once.

    `plan` is a struct of `wire/plans`; it is stored sealed. `serial_key` names what only one job may work on at a time; it is the
    Terraform workspace of the plan when not given. `looked`: the caller has just looked and there is none with this key. Raises
    `Invalid` for a type that no runner knows.
    """
    group = rules.group_of(type)
    if not group:
        raise errors.Invalid(f"no runner knows jobs of the type {type!r}")
    if key and not looked and (known := await queries.BY_KEY.first(ctx.db, key=key, org=runner.org_id)) is not None:
        return known
    timeout = execution_timeout or rules.execution_timeout_of(type)
    workspace_id = rules.workspace_of(plan) if plan is not None else ""
    job = RunnerJob(
        org_id=runner.org_id,
        created_by_id=ctx.actor.account_id,
        runner_id=runner.id,
        owner_id=owner.id,
        owner_type=owner.__tablename__,
        log_stream_id=log_stream_id,
        type=type,
        group=group,
        operation=operation,
        step_key=key or None,
        queue_timeout=time.nanoseconds(rules.QUEUE_TIMEOUT),
        available_timeout=time.nanoseconds(rules.AVAILABLE_TIMEOUT),
        execution_timeout=time.nanoseconds(timeout),
        overall_timeout=time.nanoseconds(rules.overall_timeout(timeout)),
        job_metadata=dict(metadata),
        serial_key=serial_key or workspace_id,
        workspace_id=workspace_id,
    )
    ctx.db.add(job)
    if plan is not None:
        row = RunnerJobPlan(org_id=job.org_id, created_by_id=job.created_by_id, runner_job_id=job.id)
        row.plan = await keys.seal(ctx, row, "plan", msgspec.json.encode(plan))
        ctx.db.add(row)
    await audit.record(ctx, "create", job, type=type, operation=operation)
    ctx.poke(f"runner:{runner.id}")
    return job


async def get(ctx: Ctx, job_id: str) -> RunnerJob:
    """Return a job, or raise `NotFound`."""
    job = await by_id(ctx.db, RunnerJob, job_id, org_id=ctx.org_id)
    if job is None or not access.sees(ctx.actor, job.runner_id):
        raise errors.NotFound(f"no runner job {job_id}")
    return job


async def by_key(ctx: Ctx, key: str) -> RunnerJob | None:
    """Return the job that a step submitted under this key."""
    job = await queries.BY_KEY.first(ctx.db, key=key, org=ctx.org_id)
    return job if job is not None and access.sees(ctx.actor, job.runner_id) else None


async def cancel(ctx: Ctx, job: RunnerJob, reason: str) -> RunnerJob:
    """Cancel a job that is not over yet; cancelling one that is over changes nothing.

    A running execution keeps its lease: its runner learns of it with the next renewal, stops its tools, and may still write
    the Terraform state that they leave. No other job of the same serial key starts before that.
    """
    if rules.is_final(job.status):
        return job
    statement = (
        update(RunnerJob)
        .where(RunnerJob.id == job.id, RunnerJob.status.in_(rules.OPEN))
        .values(status="cancelled", status_description=reason, finished_at=time.now(), updated_at=time.now())
        .returning(RunnerJob)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    cancelled: RunnerJob | None = await db.first(ctx.db, statement)
    if cancelled is None:
        await ctx.db.refresh(job)
        return job
    await audit.record(ctx, "cancel", cancelled, reason=reason)
    ctx.poke(f"job:{cancelled.id}")
    await tell_finished(ctx, cancelled)
    return cancelled


async def cancel_by_key(ctx: Ctx, key: str, reason: str) -> None:
    """Cancel the job of a step, if it has one."""
    job = await by_key(ctx, key)
    if job is not None:
        await cancel(ctx, job, reason)


async def tell_finished(ctx: Ctx, job: RunnerJob) -> None:
    """Tell whoever waits that a job reached its final status."""
    await ctx.tell(JobFinished(job_id=job.id, status=job.status, owner_id=job.owner_id, owner_type=job.owner_type, org_id=job.org_id))


async def result_of(ctx: Ctx, job_id: str) -> JobResult | None:
    """Return the result that the current execution of a job delivered, unsealed; None when it delivered none."""
    job = await get(ctx, job_id)
    row = await queries.RESULT_OF.first(ctx.db, execution=job.current_execution_id, org=job.org_id)
    return await opened_result(ctx, row) if row is not None else None


async def opened_result(ctx: Ctx, row: RunnerJobExecutionResult) -> JobResult:
    """Unseal a result that was delivered."""
    return JobResult(
        success=row.success,
        error_code=row.error_code,
        error_metadata=row.error_metadata or {},
        contents=await keys.unseal(ctx, row, "contents") if row.contents is not None else None,
        contents_digest=row.contents_digest,
        display=unpacked(row.contents_display) if row.contents_display else b"",
    )


async def outputs_of(ctx: Ctx, job_id: str) -> JobOutputs | None:
    """Return the outputs of the current execution of a job, unsealed; None when it delivered none."""
    job = await get(ctx, job_id)
    found = await queries.OUTPUTS_OF.first(ctx.db, execution=job.current_execution_id, org=job.org_id)
    return await opened_outputs(ctx, *found) if found is not None else None


async def opened_outputs(ctx: Ctx, row: RunnerJobExecutionOutputs, shown: str) -> JobOutputs:
    """Unseal outputs that were delivered; `shown`: what may be shown of them, byte for byte."""
    values = msgspec.json.decode(await keys.unseal(ctx, row, "sealed") if row.sealed is not None else shown.encode())
    sensitive = frozenset(name for name, value in msgspec.json.decode(shown).items() if value == rules.MASK and values[name] != value)
    return JobOutputs(values=values, shown=msgspec.Raw(shown.encode()), sensitive=sensitive)


async def plan_of(ctx: Ctx, job_id: str) -> bytes:
    """Return the plan document of a job as JSON, with its secrets: for the job's runner only. `NotFound` when it has none."""
    job = await get(ctx, job_id)
    row = await queries.PLAN_OF.first(ctx.db, job=job.id, org=job.org_id)
    return await opened_plan(ctx, job.id, row)


async def opened_plan(ctx: Ctx, job_id: str, row: RunnerJobPlan | None) -> bytes:
    """Unseal the plan document of a job. `NotFound` when it has none."""
    if row is None:
        raise errors.NotFound(f"the job {job_id} has no plan")
    return await keys.unseal(ctx, row, "plan")


async def shown_plan_of(ctx: Ctx, job_id: str) -> bytes:
    """Return the plan document of a job as people may see it."""
    return msgspec.json.encode(rules.masked_plan(msgspec.json.decode(await plan_of(ctx, job_id))))


def unpacked(packed: bytes) -> bytes:
    """Unpack gzip, up to a bound."""
    stream = zlib.decompressobj(wbits=31)
    data = stream.decompress(packed, DISPLAY_LIMIT)
    if stream.unconsumed_tail:
        raise errors.Invalid(f"a display document holds more than {DISPLAY_LIMIT} bytes once it is unpacked")
    return data
