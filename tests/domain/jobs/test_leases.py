"""Leases: how long a job is kept, and what the sweep does with one that is not."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from exclave.domain.jobs import claims, executions, sweep
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.events import ExecutionEnded, JobFinished
from exclave.domain.jobs.models import RunnerJobExecution
from exclave.kit import errors
from tests.domain.jobs.writes import lose, rows, tell_status


async def test_renewing_moves_the_end_of_the_lease(home):
    await home.job()
    claim = await home.claim()
    await asyncio.sleep(0.1)
    async with home.runtime.request(home.actor) as ctx:
        lease = await claims.renew(ctx, claim.job.id, claim.execution.id)
    assert lease.expires_at > claim.lease.expires_at
    assert lease.job_status == "in-progress"


async def test_a_lost_runner_fails_its_job_with_a_reason(home, told):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, job.id, claim.execution.id, "in-progress")
    await lose(home, claim.execution.id)
    await sweep.expire(home.runtime)
    after = await home.reload(job.id)
    assert (after.status, after.status_description) == ("failed", "the runner was lost")
    async with home.runtime.request(home.org.actor) as ctx:
        result = await jobs.result_of(ctx, job.id)
    assert result.success is False
    assert result.error_metadata["reason"] == "lost"
    assert [event.job_id for event in told if isinstance(event, JobFinished) and event.org_id == home.org.id] == [job.id]
    assert [event.execution_id for event in told if isinstance(event, ExecutionEnded) and event.org_id == home.org.id] == [
        claim.execution.id
    ]


async def test_the_sweep_knows_when_to_look_again(home):
    await sweep.expire(home.runtime)
    await home.job()
    await home.claim()
    assert 0 < await sweep.expire(home.runtime) <= 2.0


async def test_a_renewed_lease_outlives_the_sweep(home):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await claims.renew(ctx, job.id, claim.execution.id)
    await sweep.expire(home.runtime)
    assert (await home.reload(job.id)).status == "in-progress"


async def test_a_job_that_waits_too_long_is_not_attempted(home, told):
    job = await home.job()
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(text("update runner_jobs set queue_timeout = 1000 where id = :id"), {"id": job.id})
    await sweep.expire(home.runtime)
    after = await home.reload(job.id)
    assert (after.status, after.status_description) == ("not-attempted", "queue timeout reached")
    assert [event.job_id for event in told if isinstance(event, JobFinished) and event.org_id == home.org.id] == [job.id]


async def test_an_execution_that_takes_too_long_times_out(home):
    job = await home.job(execution_timeout=timedelta(seconds=1))
    await home.claim()
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(text("update runner_jobs set started_at = started_at - interval '4 seconds' where id = :id"), {"id": job.id})
    await sweep.expire(home.runtime)
    assert (await home.reload(job.id)).status == "timed-out"


async def test_heartbeats_keep_what_official_runners_run_and_nothing_else(home):
    official, ours, cancelled = await home.job(), await home.job(), await home.job()
    ends = {}
    for job in (official, cancelled):
        async with home.runtime.request(home.actor) as ctx:
            ends[job.id] = (await claims.claim_one(ctx, job.id)).leased_until
    claim = await home.claim()
    assert claim.job.id == ours.id
    async with home.runtime.request(home.org.actor) as ctx:
        await jobs.cancel(ctx, await jobs.get(ctx, cancelled.id), "")
    async with home.runtime.request(home.actor) as ctx:
        await claims.beat(ctx, home.runner.id, "install", "1.0.0", 5_000_000_000)
    async with home.runtime.sweep() as ctx:
        found = {
            row.runner_job_id: row.leased_until
            for row in await ctx.db.execute(select(RunnerJobExecution.runner_job_id, RunnerJobExecution.leased_until))
        }
    assert found[official.id] > ends[official.id]
    assert found[ours.id] == claim.lease.expires_at
    assert found[cancelled.id] == ends[cancelled.id]


async def test_a_claim_that_is_never_heard_of_again_is_given_to_the_next(home):
    job = await home.job()
    lost = await home.claim()
    await lose(home, lost.execution.id)
    await sweep.expire(home.runtime)
    again = await home.claim()
    assert (again.job.id, again.lease.epoch) == (job.id, 2)
    with pytest.raises(errors.Stale):
        await tell_status(home, job.id, lost.execution.id)
    await tell_status(home, job.id, again.execution.id)
    assert (await home.reload(job.id)).status == "finished"


async def test_a_job_whose_claims_are_lost_again_and_again_is_given_up(home):
    job = await home.job()
    for _ in range(5):
        claim = await home.claim()
        await lose(home, claim.execution.id)
        await sweep.expire(home.runtime)
    after = await home.reload(job.id)
    assert (after.status, after.status_description) == ("failed", "the runner was lost")


async def test_a_job_that_cannot_be_ended_does_not_hold_up_the_others(home):
    stuck, other = await home.job(), await home.job()
    for _ in range(2):
        claim = await home.claim()
        async with home.runtime.request(home.actor) as ctx:
            await executions.move(ctx, claim.job.id, claim.execution.id, "in-progress")
        await lose(home, claim.execution.id)

    async def refuse(_ctx, event):
        if event.job_id == stuck.id:
            raise RuntimeError("a subscriber that fails")

    home.runtime.events.subscribe(JobFinished, refuse)
    await sweep.expire(home.runtime)
    home.runtime.events._handlers[JobFinished].remove(refuse)
    assert (await home.reload(other.id)).status == "failed"
    assert (await home.reload(stuck.id)).status == "in-progress"
    await sweep.expire(home.runtime)
    assert (await home.reload(stuck.id)).status == "failed"


async def test_what_has_ended_is_not_ended_again_though_its_row_kept_a_lease(home, told):
    """Such rows once made the sweep go round for ever: it found them again after every batch."""
    await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, claim.job.id, claim.execution.id, "finished")
    await lose(home, claim.execution.id)
    before = await rows(home, claim.execution.id)
    told.clear()
    await asyncio.wait_for(sweep.expire(home.runtime), 30)
    assert await rows(home, claim.execution.id) == before
    assert [event for event in told if event.job_id == claim.job.id] == []  # of other tests' jobs others may be told
