"""Claim a job, and keep it: compare-and-set on the job, an execution as the fence, a lease on the database's clock.

A claim never waits inside a transaction: a long poll subscribes first, tries, and waits holding nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy.exc import IntegrityError

from exclave.domain.accounts import tokens
from exclave.domain.jobs import queries, service, shapes
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecution, RunnerJobPlan
from exclave.domain.orgs import keys
from exclave.domain.runners import access
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import RunnerHeartBeat
from exclave.kit import db, errors, time
from exclave.kit.context import Ctx, Runtime
from exclave.kit.ids import new_id
from exclave.kit.prepared import Prepared
from exclave.wire.runner import jobs as wire

LONGEST_WAIT = 30.0  # seconds of a long poll
RE_POLL = 15.0  # seconds after which a waiting claim looks again, should a hint be lost
_SOON = 1.0  # seconds after which it looks again where another claim was faster

T = TypeVar("T")


class Enter(Protocol):
    """Open a transaction as the caller of a claim, or refuse. `once`: its block runs one statement."""

    def __call__(self, *, once: bool = False) -> AbstractAsyncContextManager[Ctx]: ...


async def claim_when_ready(
    runtime: Runtime, enter: Enter, runner_id: str, request: wire.ClaimRequest, *, key: str = "", gone: asyncio.Event | None = None
) -> wire.Claim | None:
    """Claim the oldest waiting job of the wanted groups, waiting for one up to `wait_seconds`; None when none came.

    Each look is a transaction that the caller enters anew: a token that ends meanwhile claims nothing any more. All but the first are
    one statement, which is one trip. The same `key` gets the same job again while its lease holds: for a caller whose answer was lost.
    `gone` says that the caller is not there any more, so that nothing is claimed for nobody. Raises `NotFound` when the runner is not
    the caller's own.
    """
    clock = asyncio.get_running_loop()
    until = clock.time() + max(0.0, min(request.wait_seconds, LONGEST_WAIT))
    repeated = True  # may be: what a call claimed before, it claimed before this one began
    hinted = False
    awaited: frozenset[str] = frozenset()
    wanted = _Wanted(runner_id, list(request.groups), request.process, key)
    while gone is None or not gone.is_set():
        # Subscribe before looking: a job that is submitted between the two would otherwise wait for the re-poll.
        async with runtime.bus.subscribe(f"runner:{runner_id}", *map(freed, awaited)) as hints:
            again = RE_POLL
            try:
                found = await _look(enter, wanted, repeated=repeated, hinted=hinted)
            except SerialKeyTaken:
                found, again = awaited, _SOON  # then its execution is there to be seen, and its end is heard
            except KeyTaken:
                repeated = True  # the same call came twice and the other one has just claimed: its answer is ours, too
                continue
            if isinstance(found, wire.Claim):
                return found
            repeated, left = False, until - clock.time()
            if left <= 0:
                return None
            news, awaited = found - awaited, found
            if not news:  # else look once more, now that the end of who has these keys is heard
                hinted = bool(await hints.wait(min(left, again)))
    return None


def freed(serial_key: str) -> str:
    """The topic that hints at the end of an execution with this serial key."""
    return f"serial:{serial_key}"


class KeyTaken(errors.Conflict):
    """Another claim with the same key succeeded at this very moment."""


class SerialKeyTaken(errors.Conflict):
    """Another job of the same serial key started at this very moment."""


async def claim(ctx: Ctx, runner_id: str, groups: Collection[str], *, process: str = "", key: str = "") -> wire.Claim | None:
    """Claim the oldest waiting job of a runner in these groups, or return None. The answer holds its plan and a lease."""

    @contextlib.asynccontextmanager
    async def here(*, once: bool = False) -> AsyncIterator[Ctx]:
        yield ctx

    found = await _look(here, _Wanted(runner_id, list(groups), process, key), repeated=True, hinted=False)
    return found if isinstance(found, wire.Claim) else None


@dataclass(frozen=True)
class _Wanted:
    """What a caller asks for."""

    runner_id: str
    groups: list[str]
    process: str
    key: str


@dataclass(frozen=True)
class _Taken:
    """What was claimed, with its token."""

    job: RunnerJob
    execution: RunnerJobExecution
    plan: RunnerJobPlan | None
    token: str


async def _look(enter: Enter, wanted: _Wanted, *, repeated: bool, hinted: bool) -> wire.Claim | frozenset[str]:
    """Claim the oldest waiting job, or return the serial keys that keep jobs waiting. What most often happens is one statement.

    `repeated`: what the same key has claimed before comes first; that lease is renewed, since its caller has just been heard of.
    `hinted`: there is likely one to take.
    """
    if repeated or not hinted:
        async with enter(once=True) as ctx:
            access.runner_only(ctx.actor)
            access.require(ctx.actor, wanted.runner_id)
            there = await queries.LOOK.one(ctx.db, org=ctx.org_id, runner=wanted.runner_id, key=wanted.key, groups=wanted.groups)
            is_let_in, has_claimed, any_waits = there
            if not is_let_in:
                raise errors.Unavailable("what this token opens has changed at this moment: ask again")
        if repeated and has_claimed:
            async with enter() as ctx:
                before = await _claimed_before(ctx, wanted)
            if before is not None:
                return before
        if not any_waits:
            return frozenset()
    async with enter(once=True) as ctx:
        token, minted = tokens.drawn()
        ((job, execution, plan, awaited),) = await _take(
            ctx, queries.TAKE_OLDEST, process=wanted.process, renewed_by="lease", key=wanted.key, groups=wanted.groups, **minted
        )
    if job is None or execution is None:
        return frozenset(awaited)
    taken = _Taken(job, execution, plan, token)
    if plan is None or keys.is_open(ctx, job.org_id):
        return await _answer(ctx, taken)  # reads nothing
    async with enter() as ctx:
        return await _answer(ctx, taken)


async def _claimed_before(ctx: Ctx, wanted: _Wanted) -> wire.Claim | None:
    before = await queries.CLAIMED_BEFORE.first(ctx.db, org=ctx.org_id, runner=wanted.runner_id, key=wanted.key, lease=_lease(ctx))
    if before is None:
        return None
    job = await service.get(ctx, before.runner_job_id)
    plan = await queries.PLAN_OF.first(ctx.db, job=job.id, org=job.org_id)
    return await _answer(ctx, _Taken(job, before, plan, await _another_token(ctx, job, before)))


async def _another_token(ctx: Ctx, job: RunnerJob, execution: RunnerJobExecution) -> str:
    _, token = await tokens.mint(
        ctx,
        ctx.actor.account_id,
        token_type="job",
        ttl=time.from_nanoseconds(job.execution_timeout) + queries.TOKEN_GRACE,
        scope=f"job:{job.id}:{execution.id}",
        org_id=job.org_id,
    )
    return token


async def _answer(ctx: Ctx, taken: _Taken) -> wire.Claim:
    execution = taken.execution
    return wire.Claim(
        job=shapes.full(taken.job),
        execution=shapes.execution(execution),
        lease=wire.Lease(
            execution_id=execution.id,
            epoch=execution.epoch,
            seconds=ctx.runtime.settings.lease_seconds,
            expires_at=execution.leased_until,
            job_status=taken.job.status,
            token=taken.token,
        ),
        plan=msgspec.Raw(await keys.unseal(ctx, taken.plan, "plan")) if taken.plan is not None else None,
    )


async def claim_one(ctx: Ctx, job_id: str, *, client_version: str = "") -> RunnerJobExecution:
    """Claim this job as official runners do: no lease of its own, the runner's heartbeats keep it.

    Raises `Conflict` when the job does not wait (any more), `NotFound` when it is not the caller's.
    """
    access.runner_only(ctx.actor)
    if not ctx.actor.scope:  # the token of one execution claims no other
        metadata = {"client.version": client_version} if client_version else {}
        for _, execution in await _take(ctx, queries.TAKE_ONE, renewed_by="heartbeat", metadata=metadata, job=job_id):
            return execution
    job = await service.get(ctx, job_id)
    raise errors.Conflict(f"the job {job_id} is {job.status} and cannot be claimed: somebody has it, it is over, or it waits its turn")


async def renew(ctx: Ctx, job_id: str, execution_id: str) -> wire.Lease:
    """Keep an execution. The answer says what became of its job: `cancelled` asks the runner to stop and report.

    Raises `Stale` when the execution is not the current one, is over, or its lease has ended.
    """
    access.runner_only(ctx.actor)
    kept = (
        None if ctx.actor.scope else await queries.RENEW.first(ctx.db, **queries.fence(ctx.actor, job_id, execution_id), lease=_lease(ctx))
    )
    if kept is None:
        raise await stale(ctx, job_id, execution_id)
    epoch, leased_until, status = kept
    return wire.Lease(
        execution_id=execution_id,
        epoch=epoch,
        seconds=ctx.runtime.settings.lease_seconds,
        expires_at=leased_until,
        job_status=status,
    )


async def beat(ctx: Ctx, runner_id: str, process: str, version: str, alive_time: int) -> RunnerHeartBeat:
    """Take a beat of a process of a runner, and keep what it runs if it is an official one. See `runners.service.beat`."""
    return await runners.beat(ctx, runner_id, process, version, alive_time, beating=queries.BEAT, lease=_lease(ctx))


def _lease(ctx: Ctx) -> timedelta:
    return timedelta(seconds=ctx.runtime.settings.lease_seconds)


async def stale(ctx: Ctx, job_id: str, execution_id: str) -> errors.Problem:
    """Return why a write of an execution was refused: it does not exist for the caller, or it may not write any more."""
    known = queries.executions_visible_to(ctx.actor).where(RunnerJobExecution.id == execution_id)
    if await db.first(ctx.db, known.where(RunnerJobExecution.runner_job_id == job_id)) is None:
        return errors.NotFound(f"the job {job_id} has no execution {execution_id}")
    return errors.Stale(
        f"the execution {execution_id} is not the current one of the job {job_id}, is over, or its lease has ended: stop working on it"
    )


async def _take(
    ctx: Ctx, taking: Prepared[T], *, process: str = "", renewed_by: str, key: str = "", metadata: Mapping[str, str] = {}, **wanted: Any
) -> list[T]:
    """Move the wanted job from `available` to `in-progress`, and give it an execution."""
    try:
        return await taking.all(
            ctx.db,
            org=ctx.org_id,
            runner=ctx.actor.runner_id,
            account=ctx.actor.account_id,
            execution=new_id(RunnerJobExecution.prefix),
            moment=time.now(),
            lease=_lease(ctx),
            process=process,
            renewed_by=renewed_by,
            key=key,
            metadata=dict(metadata),
            **wanted,
        )
    except IntegrityError as error:
        match getattr(error.orig, "constraint_name", ""):
            case "runner_jobs_serial":
                raise SerialKeyTaken() from error
            case "executions_once":
                raise KeyTaken() from error
        raise
