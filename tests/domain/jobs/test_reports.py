"""What our own runner says at the end of a job, in one call."""

import msgspec
import pytest

from exclave.domain.jobs import executions
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.events import ExecutionEnded, JobFinished
from exclave.kit import errors
from tests import statements
from tests.domain.jobs.writes import REPORT, rows


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


async def test_a_report_costs_few_statements(home):
    first, job = await home.job(), await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.report(ctx, first.id, claim.execution.id, REPORT)  # from here on the key of the org is known
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        with statements.sent() as sent:
            await executions.report(ctx, job.id, claim.execution.id, REPORT)
    assert len(sent) <= 7, [each.text[:80] for each in sent]
