"""Claim a job, and keep it: compare-and-set on the job, an execution as the fence, a lease on the database's clock.

A claim never waits inside a transaction: a long poll subscribes first, tries, and waits holding nothing.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, literal, select, update
from sqlalchemy.exc import IntegrityError

from exclave.domain.accounts import tokens
from exclave.domain.jobs import queries, service, shapes
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecution
from exclave.domain.orgs import keys
from exclave.domain.runners import access
from exclave.kit import db, errors, time
from exclave.kit.context import Actor, Ctx, Runtime
from exclave.wire.runner import jobs as wire

LONGEST_WAIT = 30.0  # seconds of a long poll
RE_POLL = 15.0  # seconds after which a waiting claim looks again, should a hint be lost

_TOKEN_GRACE = timedelta(minutes=5)  # the job's token outlives its time-out a little: the lease is what ends its power


@dataclass(frozen=True)
class Taken:
    """A job that was just claimed."""

    job: RunnerJob
    execution: RunnerJobExecution


async def claim_when_ready(
    runtime: Runtime, actor: Actor, runner_id: str, request: wire.ClaimRequest, *, key: str = "", gone: asyncio.Event | None = None
) -> wire.Claim | None:
    """Claim the oldest waiting job of the wanted groups, waiting for one up to `wait_seconds`; None when none came.

    The same `key` gets the same job again while its lease holds: for a caller whose answer was lost. `gone` says that the caller is
    not there any more, so that nothing is claimed for nobody. Raises `NotFound` when the runner is not the caller's own.
    """
    access.runner_only(actor)
    access.require(actor, runner_id)
    clock = asyncio.get_running_loop()
    until = clock.time() + max(0.0, min(request.wait_seconds, LONGEST_WAIT))
    # Subscribe before looking: a job that is submitted between the two would otherwise wait for the re-poll.
    async with runtime.bus.subscribe(f"runner:{runner_id}") as hints:
        while gone is None or not gone.is_set():
            try:
                async with runtime.request(actor) as ctx:
                    claimed = await claim(ctx, runner_id, request.groups, process=request.process, key=key)
            except SerialKeyTaken:
                claimed = None  # its job runs now; ours goes when that one is over, which is hinted at
            except KeyTaken:
                continue  # the same call came twice and the other one has just claimed: its answer is ours, too
            if claimed is not None:
                return claimed
            left = until - clock.time()
            if left <= 0:
                return None
            await hints.wait(min(left, RE_POLL))
        return None


class KeyTaken(errors.Conflict):
    """Another claim with the same key succeeded at this very moment."""


class SerialKeyTaken(errors.Conflict):
    """Another job of the same serial key started at this very moment."""


async def claim(ctx: Ctx, runner_id: str, groups: Collection[str], *, process: str = "", key: str = "") -> wire.Claim | None:
    """Claim the oldest waiting job of a runner in these groups, or return None. The answer holds its plan and a lease."""
    access.runner_only(ctx.actor)
    access.require(ctx.actor, runner_id)
    waits, known = (await ctx.db.execute(queries.LOOK, {"runner": runner_id, "key": key})).one()
    if known and (before := await _claimed_before(ctx, runner_id, key)) is not None:
        return await _answer(ctx, before)
    if not waits:
        return None
    oldest = _waiting(ctx.actor).where(RunnerJob.runner_id == runner_id, RunnerJob.group.in_(list(groups)))
    taken = await _take(ctx, oldest.order_by(RunnerJob.created_at, RunnerJob.id).limit(1), process=process, renewed_by="lease", key=key)
    return await _answer(ctx, taken) if taken is not None else None


async def _claimed_before(ctx: Ctx, runner_id: str, key: str) -> Taken | None:
    """The job that this key claimed, if its lease still holds. It is renewed: the caller has just been heard of."""
    execution = await db.first(
        ctx.db,
        queries.executions_visible_to(ctx.actor)
        .where(
            RunnerJobExecution.runner_id == runner_id,
            RunnerJobExecution.claim_key == key,
            RunnerJobExecution.leased_until > func.clock_timestamp(),
        )
        .with_for_update(),
    )
    if execution is None:
        return None
    execution.leased_until = lease_end(ctx)
    await ctx.db.flush()
    await ctx.db.refresh(execution, ["leased_until"])
    return Taken(await service.get(ctx, execution.runner_job_id), execution)


async def _answer(ctx: Ctx, taken: Taken) -> wire.Claim:
    job, execution = taken.job, taken.execution
    plan = await db.first(ctx.db, queries.plan_of(job.id, job.org_id))
    _, token = await tokens.mint(
        ctx,
        ctx.actor.account_id,
        token_type="job",
        ttl=time.from_nanoseconds(job.execution_timeout) + _TOKEN_GRACE,
        scope=f"job:{job.id}:{execution.id}",
        org_id=job.org_id,
    )
    return wire.Claim(
        job=shapes.full(job),
        execution=shapes.execution(execution),
        lease=wire.Lease(
            execution_id=execution.id,
            epoch=execution.epoch,
            seconds=ctx.runtime.settings.lease_seconds,
            expires_at=execution.leased_until,
            job_status=job.status,
            token=token,
        ),
        plan=msgspec.Raw(await keys.unseal(ctx, plan, "plan")) if plan is not None else None,
    )


async def claim_one(ctx: Ctx, job_id: str, *, client_version: str = "") -> RunnerJobExecution:
    """Claim this job as official runners do: no lease of its own, the runner's heartbeats keep it.

    Raises `Conflict` when the job does not wait (any more), `NotFound` when it is not the caller's.
    """
    access.runner_only(ctx.actor)
    taken = await _take(
        ctx,
        _waiting(ctx.actor).where(RunnerJob.id == job_id),
        renewed_by="heartbeat",
        metadata={"client.version": client_version} if client_version else {},
    )
    if taken is None:
        job = await service.get(ctx, job_id)
        raise errors.Conflict(f"the job {job_id} is {job.status} and cannot be claimed: somebody has it, it is over, or it waits its turn")
    return taken.execution


async def renew(ctx: Ctx, job_id: str, execution_id: str) -> wire.Lease:
    """Keep an execution. The answer says what became of its job: `cancelled` asks the runner to stop and report.

    Raises `Stale` when the execution is not the current one, is over, or its lease has ended.
    """
    access.runner_only(ctx.actor)
    live = queries.live_execution(ctx.actor, execution_id, job_id=job_id).subquery()
    statement = (
        update(RunnerJobExecution)
        .where(RunnerJobExecution.id == live.c.id, RunnerJob.id == RunnerJobExecution.runner_job_id, RunnerJob.id == job_id)
        .values(leased_until=lease_end(ctx))
        .returning(RunnerJobExecution.epoch, RunnerJobExecution.leased_until, RunnerJob.status)
        .execution_options(synchronize_session=False)
    )
    row = (await ctx.db.execute(statement)).first()
    if row is None:
        raise await stale(ctx, job_id, execution_id)
    return wire.Lease(
        execution_id=execution_id,
        epoch=row.epoch,
        seconds=ctx.runtime.settings.lease_seconds,
        expires_at=row.leased_until,
        job_status=row.status,
    )


async def renew_by_heartbeat(ctx: Ctx, runner_id: str) -> None:
    """Keep what an official runner runs: it sends no renewals. A cancelled job is not kept, so that it ends without its runner."""
    open_job = (
        select(RunnerJob.id)
        .where(RunnerJob.id == RunnerJobExecution.runner_job_id, RunnerJob.status == "in-progress")
        .correlate(RunnerJobExecution)
    )
    await ctx.db.execute(
        update(RunnerJobExecution)
        .where(
            RunnerJobExecution.runner_id == runner_id,
            RunnerJobExecution.org_id == ctx.org_id,
            RunnerJobExecution.renewed_by == "heartbeat",
            RunnerJobExecution.leased_until > func.clock_timestamp(),
            open_job.exists(),
        )
        .values(leased_until=lease_end(ctx))
        .execution_options(synchronize_session=False)
    )


def lease_end(ctx: Ctx) -> ColumnElement[Any]:
    """When a lease that is given now ends, by the database's clock."""
    return func.clock_timestamp() + literal(timedelta(seconds=ctx.runtime.settings.lease_seconds))


async def stale(ctx: Ctx, job_id: str, execution_id: str) -> errors.Problem:
    """Return why a write of an execution was refused: it does not exist for the caller, or it may not write any more."""
    known = queries.executions_visible_to(ctx.actor).where(RunnerJobExecution.id == execution_id)
    if await db.first(ctx.db, known.where(RunnerJobExecution.runner_job_id == job_id)) is None:
        return errors.NotFound(f"the job {job_id} has no execution {execution_id}")
    return errors.Stale(
        f"the execution {execution_id} is not the current one of the job {job_id}, is over, or its lease has ended: stop working on it"
    )


def _waiting(actor: Actor) -> Select[RunnerJob]:
    return queries.visible_to(actor).where(RunnerJob.status == "available", ~queries.serial_key_in_use())


async def _take(
    ctx: Ctx, wanted: Select[RunnerJob], *, process: str = "", renewed_by: str, key: str = "", metadata: Mapping[str, str] = {}
) -> Taken | None:
    """Move the one wanted job from `available` to `in-progress`, and give it an execution, in one statement each."""
    execution = RunnerJobExecution(
        created_by_id=ctx.actor.account_id,
        execution_metadata=dict(metadata),
        process=process,
        renewed_by=renewed_by,
        claim_key=key,
    )
    picked = wanted.with_only_columns(RunnerJob.id).with_for_update(skip_locked=True, of=RunnerJob).correlate(None).scalar_subquery()
    moment = time.now()
    statement = (
        update(RunnerJob)
        .where(RunnerJob.id == picked, RunnerJob.status == "available")
        .values(
            status="in-progress",
            status_description="",
            started_at=moment,
            updated_at=moment,
            execution_count=RunnerJob.execution_count + 1,
            current_execution_id=execution.id,
        )
        .returning(RunnerJob)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    try:
        job = (await ctx.db.execute(statement)).scalars().first()
    except IntegrityError as error:  # the unique index on the serial keys of running jobs
        raise SerialKeyTaken() from error
    if job is None:
        return None
    execution.org_id = job.org_id
    execution.runner_job_id = job.id
    execution.runner_id = job.runner_id
    execution.epoch = job.execution_count
    execution.leased_until = lease_end(ctx)
    ctx.db.add(execution)
    try:
        await ctx.db.flush()
    except IntegrityError as error:  # the unique index on keys
        raise KeyTaken() from error
    await ctx.db.refresh(execution, ["leased_until"])
    return Taken(job, execution)
