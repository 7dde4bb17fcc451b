"""What a runner writes about an execution, what is kept of it, and how its lease ends."""

import base64
import gzip

import msgspec
from sqlalchemy import select, text

from exclave.domain.jobs import claims, executions
from exclave.domain.jobs.models import RunnerJobExecution, RunnerJobExecutionOutputs, RunnerJobExecutionResult
from tests.domain.runners.fleet import Fleet


async def lose(home: Fleet, execution_id: str) -> None:
    """Let the lease of an execution have ended a second ago."""
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(
            text("update runner_job_executions set leased_until = clock_timestamp() - interval '1 second' where id = :id"),
            {"id": execution_id},
        )


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


REPORT = b'{"status":"finished","result":' + RESULT + b',"outputs":{"outputs":{"a":1}}}'


async def tell_report(home: Fleet, job_id: str, execution_id: str) -> None:
    async with home.runtime.request(home.actor) as ctx:
        await executions.report(ctx, job_id, execution_id, REPORT)


async def renew(home: Fleet, job_id: str, execution_id: str) -> None:
    async with home.runtime.request(home.actor) as ctx:
        await claims.renew(ctx, job_id, execution_id)


WRITES = {"status": tell_status, "result": tell_result, "outputs": tell_outputs, "report": tell_report, "renew": renew}


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
