"""Claims: which job goes to whom, once."""

import asyncio
import time as clock
from dataclasses import replace
from datetime import timedelta
from functools import partial

import msgspec
import pytest
from sqlalchemy import func, select

from exclave.domain.accounts.models import Token
from exclave.domain.jobs import claims, executions
from exclave.domain.jobs.models import RunnerJobExecution
from exclave.kit import errors
from exclave.kit.crypto import token_hash
from exclave.kit.ids import new_id
from exclave.wire.runner.jobs import ClaimRequest
from tests import statements
from tests.domain.runners.fleet import Fleet, fleet


async def test_the_oldest_job_is_claimed_first_with_its_plan_and_a_lease(home):
    workspace = await home.workspace()
    first = await home.terraform_job(workspace)
    await home.job()
    claim = await home.claim()
    assert claim.job.id == first.id
    assert claim.job.status == "in-progress"
    assert claim.lease.epoch == 1
    assert claim.lease.seconds == 2.0
    assert msgspec.json.decode(bytes(claim.plan))["terraform_backend"] == {"workspaceID": workspace.id}


async def test_only_the_wanted_groups_are_claimed(home):
    await home.job()
    async with home.runtime.request(home.actor) as ctx:
        assert await claims.claim(ctx, home.runner.id, ["build"]) is None


async def test_the_same_key_is_the_same_job(home):
    assert (await home.job(key="step-1")).id == (await home.job(key="step-1")).id


async def test_of_many_claims_at_once_each_job_goes_to_one(home):
    submitted = {(await home.job()).id for _ in range(6)}

    async def once() -> str | None:
        async with home.runtime.request(home.actor) as ctx:
            claim = await claims.claim(ctx, home.runner.id, ["deploy"])
        return claim.job.id if claim else None

    got = [job for job in await asyncio.gather(*(once() for _ in range(12))) if job]
    while (again := await once()) is not None:  # a claim may have skipped a row that another one looked at
        got.append(again)
    assert sorted(got) == sorted(submitted)
    async with home.runtime.sweep() as ctx:
        count = select(func.count()).select_from(RunnerJobExecution).where(RunnerJobExecution.runner_job_id.in_(submitted))
        assert (await ctx.db.execute(count)).scalar_one() == 6


async def test_a_second_claim_of_one_job_is_a_conflict(home):
    job = await home.job()
    async with home.runtime.request(home.actor) as ctx:
        await claims.claim_one(ctx, job.id)
    with pytest.raises(errors.Conflict):
        async with home.runtime.request(home.actor) as ctx:
            await claims.claim_one(ctx, job.id)


async def test_two_jobs_of_one_workspace_run_one_after_the_other(home):
    workspace = await home.workspace()
    first, second = await home.terraform_job(workspace), await home.terraform_job(workspace)
    claim = await home.claim()
    assert claim.job.id == first.id
    async with home.runtime.request(home.actor) as ctx:
        assert await claims.claim(ctx, home.runner.id, ["sandbox"]) is None
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, first.id, claim.execution.id, "finished")
    assert (await home.claim()).job.id == second.id


async def test_two_runners_that_claim_one_serial_key_at_once_do_not_both_get_it(home):
    other = await fleet(home.runtime, home.org)
    for side in (home, other):
        await side.job(serial_key="one-thing")

    async def once(side: Fleet) -> bool:
        return (
            await claims.claim_when_ready(
                side.runtime, partial(side.runtime.request, side.actor), side.runner.id, ClaimRequest(groups=["deploy"], wait_seconds=0)
            )
            is not None
        )

    assert sum(await asyncio.gather(once(home), once(other))) == 1


async def test_a_waiting_claim_returns_as_soon_as_a_job_is_submitted(home):
    request = ClaimRequest(groups=["deploy"], wait_seconds=10)
    waiting = asyncio.create_task(claims.claim_when_ready(home.runtime, partial(home.runtime.request, home.actor), home.runner.id, request))
    await asyncio.sleep(0.2)
    begun = clock.monotonic()
    job = await home.job()
    claim = await waiting
    assert claim.job.id == job.id
    assert clock.monotonic() - begun < 1


async def test_a_job_that_waits_for_a_serial_key_goes_as_soon_as_that_is_free(home):
    """Also one that came while the end of the other was on its way, for whichever runner it is."""
    other = await fleet(home.runtime, home.org)
    key = new_id("key")
    first = await home.job(serial_key=key)
    claim = await home.claim()
    request = ClaimRequest(groups=["deploy"], wait_seconds=10)
    polls = [
        asyncio.create_task(claims.claim_when_ready(side.runtime, partial(side.runtime.request, side.actor), side.runner.id, request))
        for side in (home, other)
    ]
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, first.id, claim.execution.id, "finished")
        submitted = {(await home.job(serial_key=key)).id, (await other.job(serial_key=key)).id}
        await asyncio.sleep(0.3)  # both look, and see that the key is in use
        assert not any(poll.done() for poll in polls)
    begun = clock.monotonic()
    done, _ = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
    (second,) = [poll.result() for poll in done]
    side = home if polls[0] in done else other
    async with side.runtime.request(side.actor) as ctx:
        await executions.move(ctx, second.job.id, second.execution.id, "finished")
    third = (await asyncio.gather(*polls))[1 if side is home else 0]
    assert clock.monotonic() - begun < 3
    assert {second.job.id, third.job.id} == submitted


async def test_a_look_costs_one_statement_and_a_claim_one_more(home):
    async with home.runtime.request(home.actor) as ctx:
        with statements.sent() as sent:
            assert await claims.claim(ctx, home.runner.id, ["sandbox"]) is None
        assert len(sent) == 1, [each.text[:80] for each in sent]
    workspace = await home.workspace()
    for _ in range(2):
        await home.terraform_job(workspace)
    await home.terraform_job(await home.workspace())
    await home.claim("sandbox")  # from here on the key of the org is known
    with statements.sent() as sent:
        await home.claim("sandbox")
    assert len(sent) == 2, [each.text[:80] for each in sent]  # is there any; the job with execution, plan and token


async def test_the_token_of_a_claim_opens_its_execution_and_outlives_its_time_out_a_little(home):
    job = await home.terraform_job(await home.workspace())
    claim = await home.claim("sandbox")
    async with home.runtime.sweep() as ctx:
        row = (await ctx.db.execute(select(Token).where(Token.token_hash == token_hash(claim.lease.token)))).scalar_one()
    assert (row.scope, row.org_id, row.token_type) == (f"job:{job.id}:{claim.execution.id}", home.actor.org_id, "job")
    assert (row.account_id, row.hint) == (home.actor.account_id, claim.lease.token[: len(row.hint)])
    assert row.expires_at - row.issued_at == timedelta(seconds=job.execution_timeout / 1e9, minutes=5)


async def test_a_claim_that_waits_in_vain_comes_back_empty(home):
    request = ClaimRequest(groups=["deploy"], wait_seconds=0.3)
    assert await claims.claim_when_ready(home.runtime, partial(home.runtime.request, home.actor), home.runner.id, request) is None


async def test_a_runner_cannot_claim_for_another(home):
    other = await fleet(home.runtime, home.org)
    with pytest.raises(errors.NotFound):
        await claims.claim_when_ready(
            home.runtime, partial(home.runtime.request, other.actor), home.runner.id, ClaimRequest(groups=["deploy"])
        )
    job = await home.job()
    with pytest.raises(errors.NotFound):
        async with home.runtime.request(other.actor) as ctx:
            await claims.claim_one(ctx, job.id)


async def test_the_same_key_claims_the_same_job(home):
    submitted = {(await home.job()).id, (await home.job()).id}
    request = ClaimRequest(groups=["deploy"], wait_seconds=0)

    async def once():
        return await claims.claim_when_ready(home.runtime, partial(home.runtime.request, home.actor), home.runner.id, request, key="once")

    at_once = [claim for claim in await asyncio.gather(*(once() for _ in range(6))) if claim is not None]
    again = [await once(), *await asyncio.gather(once(), once())]
    assert len({(claim.job.id, claim.execution.id) for claim in at_once + again}) == 1
    other = await claims.claim_when_ready(home.runtime, partial(home.runtime.request, home.actor), home.runner.id, request, key="another")
    assert {again[0].job.id, other.job.id} == submitted  # and the other job is still there for another key


async def test_nothing_is_claimed_for_a_caller_who_hung_up(home):
    gone = asyncio.Event()
    request = ClaimRequest(groups=["deploy"], wait_seconds=10)
    waiting = asyncio.create_task(
        claims.claim_when_ready(home.runtime, partial(home.runtime.request, home.actor), home.runner.id, request, gone=gone)
    )
    await asyncio.sleep(0.1)
    gone.set()
    job = await home.job()
    assert await waiting is None
    assert (await home.reload(job.id)).status == "available"


async def test_the_token_of_one_execution_claims_no_other_job(home):
    first, second = await home.job(), await home.job()
    claimed = await home.claim()
    scoped = replace(home.actor, scope=f"job:{first.id}:{claimed.execution.id}")
    for job in (first, second):
        with pytest.raises(errors.NotFound):
            async with home.runtime.request(scoped) as ctx:
                await claims.claim_one(ctx, job.id)
