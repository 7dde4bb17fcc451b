"""Executions: how one ends, and that nothing is written for one that is over."""

import pytest
from sqlalchemy import text

from exclave.domain.jobs import claims, executions, sweep
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.events import ExecutionEnded, JobFinished
from exclave.kit import errors
from tests.domain.jobs.writes import WRITES, lose, rows


async def test_an_ended_execution_ends_its_job_and_says_so_once(home, told):
    job = await home.job()
    claim = await home.claim()
    for status in ("initializing", "initializing", "in-progress", "cleaning-up", "finished", "finished"):
        async with home.runtime.request(home.actor) as ctx:
            await executions.move(ctx, job.id, claim.execution.id, status)
    assert (await home.reload(job.id)).status == "finished"
    assert [event for event in told if isinstance(event, JobFinished)] == [
        JobFinished(job_id=job.id, status="finished", owner_id=job.owner_id, owner_type="runners", org_id=home.org.id)
    ]
    assert len([event for event in told if isinstance(event, ExecutionEnded)]) == 1


@pytest.mark.parametrize(
    ("said", "becomes"), [("failed", "failed"), ("timed-out", "failed"), ("cancelled", "cancelled"), ("not-attempted", "failed")]
)
async def test_how_an_execution_ends_decides_how_its_job_ends(home, said, becomes):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, job.id, claim.execution.id, said)
    assert (await home.reload(job.id)).status == becomes


async def test_an_execution_does_not_go_back(home):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, job.id, claim.execution.id, "in-progress")
    with pytest.raises(errors.Conflict) as refusal:
        async with home.runtime.request(home.actor) as ctx:
            await executions.move(ctx, job.id, claim.execution.id, "initializing")
    assert refusal.value.code == "conflict"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("how", ["lost", "swept", "ended"])
async def test_a_zombie_writes_nothing(home, write, how):
    job = await home.job()
    claim = await home.claim()
    if how == "ended":
        async with home.runtime.request(home.actor) as ctx:
            await executions.move(ctx, job.id, claim.execution.id, "failed")
    else:
        await lose(home, claim.execution.id)
    if how == "swept":
        await sweep.expire(home.runtime)
    before = await rows(home, claim.execution.id)
    with pytest.raises(errors.Stale):
        await WRITES[write](home, job.id, claim.execution.id)
    assert await rows(home, claim.execution.id) == before


@pytest.mark.parametrize("write", WRITES)
async def test_an_execution_that_is_over_writes_nothing_though_its_row_kept_a_lease(home, write):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, job.id, claim.execution.id, "failed")
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(
            text("update runner_job_executions set leased_until = now() + interval '1 hour' where id = :id"), {"id": claim.execution.id}
        )
    before = await rows(home, claim.execution.id)
    with pytest.raises(errors.Conflict):
        await WRITES[write](home, job.id, claim.execution.id)
    assert await rows(home, claim.execution.id) == before


async def test_a_zombie_that_says_what_the_sweep_said_is_refused_too(home):
    job = await home.job()
    claim = await home.claim()
    await lose(home, claim.execution.id)
    await sweep.expire(home.runtime)
    with pytest.raises(errors.Stale):
        async with home.runtime.request(home.actor) as ctx:
            await executions.move(ctx, job.id, claim.execution.id, "failed")


async def test_a_running_job_that_is_cancelled_hears_of_it_and_may_still_report(home, told):
    workspace = await home.workspace()
    job, following = await home.terraform_job(workspace), await home.terraform_job(workspace)
    claim = await home.claim()
    async with home.runtime.request(home.org.actor) as ctx:
        await jobs.cancel(ctx, await jobs.get(ctx, job.id), "not wanted any more")
    async with home.runtime.request(home.actor) as ctx:
        assert (await claims.renew(ctx, job.id, claim.execution.id)).job_status == "cancelled"
    async with home.runtime.request(home.actor) as ctx:  # its Terraform still stops
        assert await claims.claim(ctx, home.runner.id, ["sandbox"]) is None
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, job.id, claim.execution.id, "finished")
    assert (await home.reload(job.id)).status == "cancelled"
    assert (await home.claim()).job.id == following.id
    assert [event.status for event in told if isinstance(event, JobFinished)] == ["cancelled"]


async def test_a_waiting_job_that_is_cancelled_is_never_claimed(home):
    job = await home.job(key="step-9")
    async with home.runtime.request(home.org.actor) as ctx:
        await jobs.cancel_by_key(ctx, "step-9", "not wanted")
        await jobs.cancel_by_key(ctx, "no such key", "not wanted")
    assert (await home.reload(job.id)).status == "cancelled"
    async with home.runtime.request(home.actor) as ctx:
        assert await claims.claim(ctx, home.runner.id, ["deploy"]) is None
