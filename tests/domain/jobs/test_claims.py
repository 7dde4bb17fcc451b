"""Claims, leases and fences, on a real database."""

import asyncio
import base64
import gzip
import hashlib
import time as clock
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import func, select, text
from tests.domain.runners.fleet import Fleet, fleet, sandbox_plan

from exclave.domain.jobs import claims, executions, sweep
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.events import ExecutionEnded, JobFinished
from exclave.domain.jobs.models import RunnerJobExecution, RunnerJobExecutionOutputs, RunnerJobExecutionResult, RunnerJobPlan
from exclave.kit import errors
from exclave.kit.context import Runtime
from exclave.wire.runner.jobs import ClaimRequest


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


@pytest.fixture
def told(runtime: Runtime):
    """Every event about a job that is told during the test."""
    heard: list[object] = []

    async def keep(_ctx, event):
        heard.append(event)

    for kind in (JobFinished, ExecutionEnded):
        runtime.events.subscribe(kind, keep)
    yield heard
    for kind in (JobFinished, ExecutionEnded):
        runtime.events._handlers[kind].remove(keep)


async def lose(home: Fleet, execution_id: str) -> None:
    """Let the lease of an execution have ended a second ago."""
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(
            text("update runner_job_executions set leased_until = clock_timestamp() - interval '1 second' where id = :id"),
            {"id": execution_id},
        )


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


async def test_the_plan_lies_sealed_in_the_table(home):
    job = await home.job(plan=sandbox_plan("w", vars={"password": "hunter2hunter2"}), type="sandbox-terraform")
    async with home.runtime.sweep() as ctx:
        stored = (await ctx.db.execute(select(RunnerJobPlan.plan).where(RunnerJobPlan.runner_job_id == job.id))).scalar_one()
    assert b"hunter2" not in stored
    async with home.runtime.request(home.org.actor) as ctx:
        assert b"hunter2hunter2" in await jobs.plan_of(ctx, job.id)
        assert b"hunter2" in await jobs.shown_plan_of(ctx, job.id)  # nothing calls it sensitive


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
            await claims.claim_when_ready(side.runtime, side.actor, side.runner.id, ClaimRequest(groups=["deploy"], wait_seconds=0))
            is not None
        )

    assert sum(await asyncio.gather(once(home), once(other))) == 1


async def test_a_waiting_claim_returns_as_soon_as_a_job_is_submitted(home):
    request = ClaimRequest(groups=["deploy"], wait_seconds=10)
    waiting = asyncio.create_task(claims.claim_when_ready(home.runtime, home.actor, home.runner.id, request))
    await asyncio.sleep(0.2)
    begun = clock.monotonic()
    job = await home.job()
    claim = await waiting
    assert claim.job.id == job.id
    assert clock.monotonic() - begun < 1


async def test_a_claim_that_waits_in_vain_comes_back_empty(home):
    request = ClaimRequest(groups=["deploy"], wait_seconds=0.3)
    assert await claims.claim_when_ready(home.runtime, home.actor, home.runner.id, request) is None


async def test_a_runner_cannot_claim_for_another(home):
    other = await fleet(home.runtime, home.org)
    with pytest.raises(errors.NotFound):
        await claims.claim_when_ready(home.runtime, other.actor, home.runner.id, ClaimRequest(groups=["deploy"]))
    job = await home.job()
    with pytest.raises(errors.NotFound):
        async with home.runtime.request(other.actor) as ctx:
            await claims.claim_one(ctx, job.id)


async def test_renewing_moves_the_end_of_the_lease(home):
    await home.job()
    claim = await home.claim()
    await asyncio.sleep(0.1)
    async with home.runtime.request(home.actor) as ctx:
        lease = await claims.renew(ctx, claim.job.id, claim.execution.id)
    assert lease.expires_at > claim.lease.expires_at
    assert lease.job_status == "in-progress"


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


RESULT = msgspec.json.encode(
    {
        "success": True,
        "contents_compressed": base64.urlsafe_b64encode(b"PK\x03\x04 a plan file \xff\xfe").decode(),
        "contents_display_compressed": base64.urlsafe_b64encode(gzip.compress(b'{"format_version": "1.2"}')).decode(),
    }
)


async def tell_status(home: Fleet, job_id: str, execution_id: str) -> None:
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, job_id, execution_id, "finished")


async def tell_result(home: Fleet, job_id: str, execution_id: str) -> None:
    async with home.runtime.request(home.actor) as ctx:
        await executions.give_result(ctx, job_id, execution_id, RESULT)


async def tell_outputs(home: Fleet, job_id: str, execution_id: str) -> None:
    async with home.runtime.request(home.actor) as ctx:
        await executions.give_outputs(ctx, job_id, execution_id, b'{"outputs":{"a":1}}')


async def renew(home: Fleet, job_id: str, execution_id: str) -> None:
    async with home.runtime.request(home.actor) as ctx:
        await claims.renew(ctx, job_id, execution_id)


WRITES = {"status": tell_status, "result": tell_result, "outputs": tell_outputs, "renew": renew}


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


async def rows(home: Fleet, execution_id: str) -> list[object]:
    async with home.runtime.sweep() as ctx:
        found: list[object] = []
        for table, column in (
            (RunnerJobExecution.__table__, "id"),
            (RunnerJobExecutionResult.__table__, "runner_job_execution_id"),
            (RunnerJobExecutionOutputs.__table__, "runner_job_execution_id"),
        ):
            if column == "id":
                chosen = select(table.c.status, table.c.finished_at, table.c.leased_until).where(table.c.id == execution_id)
            else:
                chosen = select(table.c.id, table.c.body_digest).where(table.c[column] == execution_id)
            found += [tuple(row) for row in await ctx.db.execute(chosen)]
        return found


async def test_a_zombie_that_says_what_the_sweep_said_is_refused_too(home):
    job = await home.job()
    claim = await home.claim()
    await lose(home, claim.execution.id)
    await sweep.expire(home.runtime)
    with pytest.raises(errors.Stale):
        async with home.runtime.request(home.actor) as ctx:
            await executions.move(ctx, job.id, claim.execution.id, "failed")


async def test_a_result_is_kept_sealed_and_read_back_as_it_was(home):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.give_result(ctx, job.id, claim.execution.id, RESULT)
    async with home.runtime.request(home.org.actor) as ctx:
        stored = (await ctx.db.execute(select(RunnerJobExecutionResult.contents))).scalars().all()
        result = await jobs.result_of(ctx, job.id)
    assert b"a plan file" not in stored[0]
    assert result.contents == b"PK\x03\x04 a plan file \xff\xfe"
    assert result.contents_digest == "sha256:" + hashlib.sha256(b"PK\x03\x04 a plan file \xff\xfe").hexdigest()
    assert result.display == b'{"format_version": "1.2"}'


async def test_the_reason_of_a_failure_is_kept(home):
    job = await home.job()
    claim = await home.claim()
    body = b'{"success":false,"error_code":3,"error_metadata":{"step":"execute","message":"boom"}}'
    async with home.runtime.request(home.actor) as ctx:
        await executions.give_result(ctx, job.id, claim.execution.id, body)
        await executions.move(ctx, job.id, claim.execution.id, "failed")
    async with home.runtime.request(home.org.actor) as ctx:
        result = await jobs.result_of(ctx, job.id)
    assert (result.success, result.error_code, result.error_metadata) == (False, 3, {"step": "execute", "message": "boom"})


async def test_a_repeated_result_is_answered_as_before_and_another_one_refused(home):
    job = await home.job()
    claim = await home.claim()
    ids = []
    for _ in range(3):
        async with home.runtime.request(home.actor) as ctx:
            ids.append((await executions.give_result(ctx, job.id, claim.execution.id, RESULT)).id)
    with pytest.raises(errors.Conflict) as refusal:
        async with home.runtime.request(home.actor) as ctx:
            await executions.give_result(ctx, job.id, claim.execution.id, b'{"success":false}')
    assert refusal.value.code == "conflict"
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, job.id, claim.execution.id, "finished")
    async with home.runtime.request(home.actor) as ctx:  # delivered again after the end: the answer was lost on its way
        ids.append((await executions.give_result(ctx, job.id, claim.execution.id, RESULT)).id)
    assert len(set(ids)) == 1


async def test_outputs_come_back_byte_for_byte(home):
    job = await home.job()
    claim = await home.claim()
    outputs = b'{"a": null, "b": "", "c": 0, "d": false, "e": [], "f": 1.50, "g": {"z": 1, "a": 2}, "h": "\\u00e9"}'
    async with home.runtime.request(home.actor) as ctx:
        _, shown = await executions.give_outputs(ctx, job.id, claim.execution.id, b'{"outputs":' + outputs + b"}")
    assert shown.encode() == outputs
    async with home.runtime.request(home.org.actor) as ctx:
        found = await jobs.outputs_of(ctx, job.id)
    assert bytes(found.shown) == outputs
    assert found.values == msgspec.json.decode(outputs)


async def test_sensitive_outputs_are_masked_and_sealed(home):
    job = await home.job()
    claim = await home.claim()
    body = b'{"outputs":{"url":"https://x","password":"hunter2hunter2"},"sensitive":["password"]}'
    async with home.runtime.request(home.actor) as ctx:
        _, shown = await executions.give_outputs(ctx, job.id, claim.execution.id, body)
        again, _ = await executions.give_outputs(ctx, job.id, claim.execution.id, body)
    assert msgspec.json.decode(shown) == {"url": "https://x", "password": "********"}
    assert b"hunter2" not in again.sealed
    async with home.runtime.request(home.org.actor) as ctx:
        found = await jobs.outputs_of(ctx, job.id)
    assert found.values == {"url": "https://x", "password": "hunter2hunter2"}
    assert found.sensitive == {"password"}


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
        await claims.renew_by_heartbeat(ctx, home.runner.id)
    async with home.runtime.sweep() as ctx:
        found = {
            row.runner_job_id: row.leased_until
            for row in await ctx.db.execute(select(RunnerJobExecution.runner_job_id, RunnerJobExecution.leased_until))
        }
    assert found[official.id] > ends[official.id]
    assert found[ours.id] == claim.lease.expires_at
    assert found[cancelled.id] == ends[cancelled.id]


async def test_plans_are_shown_without_their_secrets(home):
    from exclave.wire.plans.base import AWSAuth, GitSource, StaticCredentials

    plan = sandbox_plan(
        "w",
        vars={"region": "eu-west-1", "password": "canary-1"},
        sensitive_vars=["password"],
        env_vars={"TOKEN": "canary-2"},
        apply_plan_contents="canary-3",
        git_source=GitSource(url="https://x-access-token:canary-4@github.com/acme/infra", ref="main", path="."),
        aws_auth=AWSAuth(static=StaticCredentials(access_key_id="canary-5", secret_access_key="canary-6", session_token="canary-7")),
    )
    job = await home.job(plan=plan, type="sandbox-terraform")
    async with home.runtime.request(home.org.actor) as ctx:
        shown = await jobs.shown_plan_of(ctx, job.id)
    assert b"canary" not in shown
    assert msgspec.json.decode(shown)["vars"]["region"] == "eu-west-1"
    assert msgspec.json.decode(shown)["git_source"]["url"] == "https://github.com/acme/infra"


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


async def test_the_same_key_claims_the_same_job(home):
    submitted = {(await home.job()).id, (await home.job()).id}
    request = ClaimRequest(groups=["deploy"], wait_seconds=0)

    async def once():
        return await claims.claim_when_ready(home.runtime, home.actor, home.runner.id, request, key="once")

    at_once = [claim for claim in await asyncio.gather(*(once() for _ in range(6))) if claim is not None]
    again = [await once(), *await asyncio.gather(once(), once())]
    assert len({(claim.job.id, claim.execution.id) for claim in at_once + again}) == 1
    other = await claims.claim_when_ready(home.runtime, home.actor, home.runner.id, request, key="another")
    assert {again[0].job.id, other.job.id} == submitted  # and the other job is still there for another key


async def test_nothing_is_claimed_for_a_caller_who_hung_up(home):
    gone = asyncio.Event()
    request = ClaimRequest(groups=["deploy"], wait_seconds=10)
    waiting = asyncio.create_task(claims.claim_when_ready(home.runtime, home.actor, home.runner.id, request, gone=gone))
    await asyncio.sleep(0.1)
    gone.set()
    job = await home.job()
    assert await waiting is None
    assert (await home.reload(job.id)).status == "available"


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
