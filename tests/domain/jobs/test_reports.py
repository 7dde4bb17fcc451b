"""What our own runner says at the end of a job, in one call."""

import asyncio
from collections import defaultdict
from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import text

from exclave.domain.jobs import claims, executions, sweep
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.events import ExecutionEnded, JobFinished
from exclave.kit import errors
from tests import statements
from tests.domain.jobs.writes import REPORT, RESULT, WRITES, lose, renew, rows, tell_report
from tests.domain.runners.fleet import fleet


async def test_a_report_keeps_result_and_outputs_and_ends_the_job(home, told):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        ended = await executions.report(ctx, job.id, claim.execution.id, REPORT)
    assert ended.status == "finished"
    async with home.runtime.request(home.org.actor) as ctx:
        assert (await jobs.get(ctx, job.id)).status == "finished"
        result, outputs = await jobs.result_of(ctx, job.id), await jobs.outputs_of(ctx, job.id)
    assert result.contents == b"PK\x03\x04 a plan file \xff\xfe"
    assert outputs.values == {"a": 1}
    assert [type(event) for event in told] == [ExecutionEnded, JobFinished]


async def test_the_same_report_twice_is_answered_twice_and_told_once(home, told):
    job = await home.job()
    claim = await home.claim()
    kept = []
    for _ in range(2):
        async with home.runtime.request(home.actor) as ctx:
            await executions.report(ctx, job.id, claim.execution.id, REPORT)
        kept.append(await rows(home, claim.execution.id))
    assert kept[0] == kept[1]
    assert len(told) == 2


async def test_a_failed_job_is_reported_with_its_reason_alone(home):
    job = await home.job()
    claim = await home.claim()
    body = b'{"status":"failed","result":{"success":false,"error_metadata":{"message":"boom"}},"outputs":null}'
    async with home.runtime.request(home.actor) as ctx:
        await executions.report(ctx, job.id, claim.execution.id, body)
    async with home.runtime.request(home.org.actor) as ctx:
        assert (await jobs.get(ctx, job.id)).status == "failed"
        assert (await jobs.result_of(ctx, job.id)).error_metadata == {"message": "boom"}
        assert await jobs.outputs_of(ctx, job.id) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"status":"in-progress"}',
        b'{"status":"finished","result":[]}',
        b'{"status":"finished","outputs":{"outputs":3}}',
        b'{"status":"finished","result":{"success":true,"contents_compressed":"%%"}}',
    ],
)
async def test_a_report_that_is_wrong_in_one_part_changes_nothing(home, body):
    job = await home.job()
    claim = await home.claim()
    before = await rows(home, claim.execution.id)
    with pytest.raises(errors.Invalid):
        async with home.runtime.request(home.actor) as ctx:
            await executions.report(ctx, job.id, claim.execution.id, body)
    assert await rows(home, claim.execution.id) == before


async def test_another_report_after_the_first_is_refused(home):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.report(ctx, job.id, claim.execution.id, REPORT)
    other = msgspec.json.encode({"status": "failed", "result": {"success": False}})
    with pytest.raises(errors.Stale):
        async with home.runtime.request(home.actor) as ctx:
            await executions.report(ctx, job.id, claim.execution.id, other)
    async with home.runtime.request(home.org.actor) as ctx:
        assert (await jobs.get(ctx, job.id)).status == "finished"


async def test_people_report_nothing(home):
    job = await home.job()
    claim = await home.claim()
    with pytest.raises(errors.Forbidden):
        async with home.runtime.request(home.org.actor) as ctx:
            await executions.report(ctx, job.id, claim.execution.id, REPORT)


async def test_a_report_after_the_same_result_keeps_the_first_and_ends_the_job(home, told):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        kept = await executions.give_result(ctx, job.id, claim.execution.id, RESULT)
        await executions.give_outputs(ctx, job.id, claim.execution.id, b'{"outputs":{"a":1}}')
    before = await rows(home, claim.execution.id)
    async with home.runtime.request(home.actor) as ctx:
        await executions.report(ctx, job.id, claim.execution.id, REPORT)
    assert (await rows(home, claim.execution.id))[1:] == before[1:]
    assert before[1][0] == kept.id
    assert [type(event) for event in told] == [ExecutionEnded, JobFinished]


@pytest.mark.parametrize("part", ["result", "outputs"])
async def test_a_report_that_differs_from_what_was_delivered_before_changes_nothing(home, told, part):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        if part == "result":
            await executions.give_result(ctx, job.id, claim.execution.id, b'{"success":false}')
        else:
            await executions.give_outputs(ctx, job.id, claim.execution.id, b'{"outputs":{"a":2}}')
    before = await rows(home, claim.execution.id)
    with pytest.raises(errors.Conflict) as refusal:
        async with home.runtime.request(home.actor) as ctx:
            await executions.report(ctx, job.id, claim.execution.id, REPORT)
    assert f"other {part} before" in str(refusal.value)
    assert refusal.value.code == "conflict"
    assert await rows(home, claim.execution.id) == before
    assert told == []


async def test_nobody_reports_for_another(home):
    job, other_job = await home.job(), await home.job()
    claim = await home.claim()
    other, stranger = await fleet(home.runtime, home.org), await fleet(home.runtime)
    scoped = replace(home.actor, scope=f"job:{job.id}:{claim.execution.id}")
    foreign = replace(stranger.actor, runner_id=home.runner.id)  # of another org, though it names the runner
    before = await rows(home, claim.execution.id)
    for actor, job_id in ((other.actor, job.id), (stranger.actor, job.id), (foreign, job.id), (scoped, job.id), (home.actor, other_job.id)):
        for enter in (home.runtime.request, home.runtime.sweep):  # the fence holds also where row-level security shows all
            for write in (executions.report, executions.give_result, executions.give_outputs):
                with pytest.raises(errors.NotFound):
                    async with enter(actor) as ctx:
                        await write(ctx, job_id, claim.execution.id, REPORT)
            for status in ("in-progress", "finished"):
                with pytest.raises(errors.NotFound):
                    async with enter(actor) as ctx:
                        await executions.move(ctx, job_id, claim.execution.id, status)
            with pytest.raises(errors.NotFound):
                async with enter(actor) as ctx:
                    await claims.renew(ctx, job_id, claim.execution.id)
    assert await rows(home, claim.execution.id) == before


@pytest.mark.parametrize("write", WRITES)
async def test_what_waits_for_the_end_of_its_execution_writes_nothing(home, told, write):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(_END, {"id": claim.execution.id})
        writing = asyncio.create_task(WRITES[write](home, job.id, claim.execution.id))
        await _waits(home)
    with pytest.raises(errors.Stale):
        await writing
    assert len(await rows(home, claim.execution.id)) == 1  # no result, no outputs
    assert told == []


@pytest.mark.parametrize("write", [executions.give_result, executions.give_outputs])
async def test_nobody_ends_an_execution_that_is_writing(home, write):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await write(ctx, job.id, claim.execution.id, b"{}")
        with pytest.raises(errors.Unavailable) as refused:
            async with home.runtime.sweep() as sweeping:
                await sweeping.db.execute(_TAKE, {"id": claim.execution.id})
    assert "could not obtain lock" in str(refused.value.__cause__)


async def test_a_report_that_waits_for_a_renewal_is_kept(home):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await claims.renew(ctx, job.id, claim.execution.id)
        reporting = asyncio.create_task(tell_report(home, job.id, claim.execution.id))
        await _waits(home)
    await reporting
    assert (await home.reload(job.id)).status == "finished"


async def test_a_report_that_waits_for_the_same_result_keeps_the_first(home):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        kept = await executions.give_result(ctx, job.id, claim.execution.id, RESULT)
        reporting = asyncio.create_task(tell_report(home, job.id, claim.execution.id))
        await _waits(home)
    await reporting
    assert (await rows(home, claim.execution.id))[1][0] == kept.id
    assert (await home.reload(job.id)).status == "finished"


async def test_a_report_that_waits_for_a_cancellation_leaves_the_job_cancelled(home, told):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.org.actor) as ctx:
        await jobs.cancel(ctx, await jobs.get(ctx, job.id), "not wanted")
        reporting = asyncio.create_task(tell_report(home, job.id, claim.execution.id))
        await _waits(home)
    await reporting
    assert (await home.reload(job.id)).status == "cancelled"
    assert len(await rows(home, claim.execution.id)) == 3
    assert [event.status for event in told if isinstance(event, JobFinished)] == ["cancelled"]
    assert [event.execution_id for event in told if isinstance(event, ExecutionEnded)] == [claim.execution.id]


async def test_whatever_happens_to_a_job_at_once_ends_it_once(home, told):
    """Everybody locks the execution before the job, so nobody waits for ever."""
    claimed = []
    for _ in range(8):
        job = await home.job()
        async with home.runtime.request(home.actor) as ctx:
            claimed.append((job, await claims.claim_one(ctx, job.id)))

    async def cancel(job):
        async with home.runtime.request(home.org.actor) as ctx:
            await jobs.cancel(ctx, await jobs.get(ctx, job.id), "")

    async def beat():
        async with home.runtime.request(home.actor) as ctx:
            await claims.beat(ctx, home.runner.id, "install", "1.0.0", 1)

    async def time_out(execution):
        await lose(home, execution.id)
        await sweep.expire(home.runtime)

    at_once = [beat() for _ in range(4)]
    for job, execution in claimed:
        at_once += [tell_report(home, job.id, execution.id) for _ in range(2)]
        at_once += [cancel(job), renew(home, job.id, execution.id), beat()]
    at_once += [time_out(execution) for _, execution in claimed[:2]]
    refused = [found for found in await asyncio.gather(*at_once, return_exceptions=True) if found is not None]
    assert {type(found) for found in refused} <= {errors.Stale}, refused
    await sweep.expire(home.runtime)  # what somebody held when the first sweep came by
    for job, execution in claimed:
        assert (await home.reload(job.id)).status in ("finished", "cancelled", "failed")
        assert len([event for event in told if isinstance(event, JobFinished) and event.job_id == job.id]) == 1
        assert len([event for event in told if isinstance(event, ExecutionEnded) and event.execution_id == execution.id]) == 1


_END = text(
    "update runner_job_executions set status = 'failed', finished_at = now(), leased_until = null, ended_by = 'lost' where id = :id"
)
_TAKE = text("select 1 from runner_job_executions where id = :id for no key update nowait")
_WAITING = text(
    "select count(*) from pg_locks where not granted and pid in (select pid from pg_stat_activity where datname = current_database())"
)


async def _waits(home):
    """Until somebody waits for a lock."""
    async with asyncio.timeout(10), home.runtime.sweep() as ctx:
        while not (await ctx.db.execute(_WAITING)).scalar():  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)


async def test_a_report_costs_one_statement(home, monkeypatch):
    first, job = await home.job(), await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.report(ctx, first.id, claim.execution.id, REPORT)  # from here on the key of the org is known
    claim = await home.claim()
    monkeypatch.setattr(home.runtime.events, "_handlers", defaultdict(list))  # who hears of the end sends more
    async with home.runtime.request(home.actor) as ctx:
        with statements.sent() as sent:
            await executions.report(ctx, job.id, claim.execution.id, REPORT)
    assert len(sent) == 1, [each.text[:80] for each in sent]
