"""Log streams: what is written once is read once, in order, by whoever may."""

import asyncio
import gzip
import random

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from sqlalchemy import text
from tests import factories
from tests.domain.logs.otlp import export
from tests.domain.runners.fleet import Fleet, fleet

from exclave.domain.jobs import executions
from exclave.domain.jobs import logs as job_logs
from exclave.domain.logs import otlp
from exclave.domain.logs import service as logs
from exclave.kit import errors
from exclave.kit.context import Runtime


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


async def write(home: Fleet, stream_id: str, body: bytes, encoding: str = "") -> int:
    async with home.runtime.request(home.actor) as ctx:
        return await job_logs.write(ctx, stream_id, body, encoding)


async def bodies(home: Fleet, stream_id: str, limit: int = 100) -> list[str]:
    """Every line of a stream, page by page."""
    found: list[str] = []
    cursor = 0
    while True:
        async with home.runtime.request(home.org.actor) as ctx:
            page = await logs.page(ctx, stream_id, after=cursor, limit=limit)
        found += [record.body for record in page.records]
        if not page.next:
            return found
        cursor = page.next


async def test_lines_are_read_as_they_were_written(home):
    job = await home.job()
    execution = (await home.claim()).execution
    lines = [f"line {n}" for n in range(250)]
    assert await write(home, job.log_stream_id, export(lines, execution_id=execution.id)) == 250
    assert await bodies(home, job.log_stream_id) == lines


async def test_lines_of_one_moment_are_all_read(home):
    job = await home.job()
    execution = (await home.claim()).execution
    lines = [f"line {n}" for n in range(30)]
    await write(home, job.log_stream_id, export(lines, execution_id=execution.id, same_time=True))
    assert await bodies(home, job.log_stream_id, limit=7) == lines


@pytest.mark.parametrize("first_seq", [1, None])
async def test_a_batch_that_is_sent_again_is_written_once(home, first_seq):
    job = await home.job()
    execution = (await home.claim()).execution
    batches = [export([f"{batch}-{n}" for n in range(20)], execution_id=execution.id, timestamp=10**18 + batch * 100,
                      first_seq=first_seq and batch * 20 + 1) for batch in range(5)]  # fmt: skip
    for batch in batches:
        await write(home, job.log_stream_id, batch)
    again = batches * 3
    random.Random(7).shuffle(again)
    assert [await write(home, job.log_stream_id, batch) for batch in again] == [0] * 15
    assert await bodies(home, job.log_stream_id) == [f"{batch}-{n}" for batch in range(5) for n in range(20)]


async def test_equal_lines_of_one_batch_are_all_kept(home):
    job = await home.job()
    await write(home, job.log_stream_id, export(["same"] * 3, first_seq=None, same_time=True))
    assert await bodies(home, job.log_stream_id) == ["same"] * 3


async def test_gzip_is_taken_and_other_encodings_are_not(home):
    job = await home.job()
    body = export(["packed"])
    assert await write(home, job.log_stream_id, gzip.compress(body), "gzip") == 1
    for broken, encoding in ((body, "br"), (body, "gzip"), (b"\xff\xff\xff", "")):
        with pytest.raises(errors.Invalid):
            await write(home, job.log_stream_id, broken, encoding)


async def test_a_gzip_bomb_is_refused(home):
    job = await home.job()
    bomb = gzip.compress(b"\0" * (otlp.UNPACKED_LIMIT + 1))
    with pytest.raises(errors.TooLarge):
        await write(home, job.log_stream_id, bomb, "gzip")


@pytest.mark.parametrize("whole", [lambda packed: packed[:10], lambda packed: packed[:-1], lambda packed: packed + packed])
async def test_a_gzip_that_is_not_whole_or_not_alone_is_refused(home, whole):
    """What is missing, or comes after it, would be lost while its sender takes it for written."""
    job = await home.job()
    with pytest.raises(errors.Invalid):
        await write(home, job.log_stream_id, whole(gzip.compress(export(["x"]))), "gzip")


def _field(number: int, content: bytes) -> bytes:
    """A field of a message in protobuf."""
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


MANY = otlp.MOST_PARTS + 1


@pytest.mark.parametrize(
    "export",
    [
        _field(1, b"") * MANY,  # resources
        _field(1, _field(2, b"") * MANY),  # scopes
        _field(1, _field(2, _field(2, b"") * MANY)),  # records
        _field(1, _field(1, _field(1, b"") * MANY)),  # attributes of a resource
        _field(1, _field(2, _field(2, _field(6, b"") * MANY))),  # attributes of a record
        _field(1, _field(2, _field(2, _field(5, _field(5, _field(1, b"") * MANY))))),  # values in a list
        _field(1, _field(2, _field(2, _field(5, _field(6, _field(1, b"") * MANY))))),  # values in a map
        _field(1, _field(2, _field(2, _field(6, b"") * 1000) * (MANY // 1000 + 1))),  # a bit of each
    ],
)  # fmt: skip
def test_an_export_of_more_parts_than_anybody_sends_is_refused(export):
    with pytest.raises(errors.TooLarge):
        otlp.read(export)


async def test_lines_of_more_executions_than_a_statement_has_parameters_are_no_failure(home):
    job = await home.job()
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for number in range(33_000):
        attribute = scope.log_records.add().attributes.add()
        attribute.key, attribute.value.string_value = "runner_job_execution.id", f"execution {number}"
    with pytest.raises(errors.Stale):
        await write(home, job.log_stream_id, request.SerializeToString())


async def test_a_nul_in_a_line_does_not_stop_the_batch(home):
    job = await home.job()
    await write(home, job.log_stream_id, export(["a\0b"]))
    assert await bodies(home, job.log_stream_id) == ["a\ufffdb"]


async def test_nothing_is_written_to_a_closed_stream(home):
    job = await home.job()
    async with home.runtime.request(home.org.actor) as ctx:
        logs.close(ctx, await logs.get(ctx, job.log_stream_id))
    with pytest.raises(errors.Conflict):
        await write(home, job.log_stream_id, export(["late"]))
    assert await bodies(home, job.log_stream_id) == []


async def test_a_runner_writes_to_streams_of_its_own_jobs_only(home):
    other, stranger = await fleet(home.runtime, home.org), await fleet(home.runtime)
    job = await home.job()
    for side in (other, stranger):
        with pytest.raises(errors.NotFound):
            await write(side, job.log_stream_id, export(["foreign"]))
    assert await bodies(home, job.log_stream_id) == []


async def test_an_execution_that_may_not_write_logs_nothing(home):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(
            text("update runner_job_executions set leased_until = now() - interval '1 second' where id = :id"), {"id": claim.execution.id}
        )
    with pytest.raises(errors.Stale):
        await write(home, job.log_stream_id, export(["zombie"], execution_id=claim.execution.id))
    assert await bodies(home, job.log_stream_id) == []


async def test_what_an_official_runner_flushes_after_its_end_is_kept(home):
    from exclave.domain.jobs import claims

    job = await home.job()
    async with home.runtime.request(home.actor) as ctx:
        execution = await claims.claim_one(ctx, job.id)
        await executions.move(ctx, job.id, execution.id, "finished")
    assert await write(home, job.log_stream_id, export(["the end"], execution_id=execution.id)) == 1
    async with home.runtime.request(home.org.actor) as ctx:
        logs.close(ctx, await logs.get(ctx, job.log_stream_id))  # as the step does that waited for the job
    assert await write(home, job.log_stream_id, export(["the very end"], execution_id=execution.id, first_seq=2)) == 1
    assert await bodies(home, job.log_stream_id) == ["the end", "the very end"]
    with pytest.raises(errors.Conflict):
        await write(home, job.log_stream_id, export(["nobody's"]))


async def test_what_our_own_runner_sends_after_its_end_is_refused(home):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, job.id, claim.execution.id, "finished")
    with pytest.raises(errors.Stale):
        await write(home, job.log_stream_id, export(["too late"], execution_id=claim.execution.id))


async def test_the_newest_page_comes_newest_first(home):
    job = await home.job()
    await write(home, job.log_stream_id, export([str(n) for n in range(10)]))
    async with home.runtime.request(home.org.actor) as ctx:
        page = await logs.page(ctx, job.log_stream_id, newest_first=True, limit=3)
        before = await logs.page(ctx, job.log_stream_id, newest_first=True, limit=3, after=page.next)
    assert [record.body for record in page.records] == ["9", "8", "7"]
    assert [record.body for record in before.records] == ["6", "5", "4"]
    assert page.total == 10


async def test_a_time_is_a_cursor_too(home):
    job = await home.job()
    await write(home, job.log_stream_id, export(["a", "b", "c"], timestamp=1_700_000_000_000_000_000))
    async with home.runtime.request(home.org.actor) as ctx:
        page = await logs.page(ctx, job.log_stream_id, after=1_700_000_000_000_000_001)
    assert [record.body for record in page.records] == ["c"]


async def test_a_tail_gives_every_line_once_and_ends_with_its_stream(home):
    job = await home.job()
    await write(home, job.log_stream_id, export(["0", "1"]))
    seen: list[str] = []

    async def follow() -> None:
        async for batch in logs.tail(home.runtime, home.org.actor, job.log_stream_id):
            seen.extend(record.body for record in batch)

    following = asyncio.create_task(follow())
    writers = [write(home, job.log_stream_id, export([f"{n}"], first_seq=n + 1, timestamp=10**18 + n)) for n in range(2, 60)]
    await asyncio.gather(*writers)
    async with home.runtime.request(home.org.actor) as ctx:
        logs.close(ctx, await logs.get(ctx, job.log_stream_id))
    await asyncio.wait_for(following, 5)
    assert sorted(map(int, seen)) == list(range(60))


async def test_a_stream_is_opened_once_for_its_owner(home):
    async with home.runtime.request(home.org.actor) as ctx:
        assert (await logs.open_stream(ctx, home.runner)).id == (await logs.open_stream(ctx, home.runner)).id


async def test_another_org_does_not_see_a_stream(home):
    job = await home.job()
    other = await factories.org(home.runtime)
    with pytest.raises(errors.NotFound):
        async with home.runtime.request(other.actor) as ctx:
            await logs.page(ctx, job.log_stream_id)
