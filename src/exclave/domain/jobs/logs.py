"""Log lines from runners: a runner writes to the streams of its own jobs only, and only while its execution may write."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, String, and_, any_, func, literal, or_, select

from exclave.domain.jobs.models import RunnerJob, RunnerJobExecution
from exclave.domain.logs import otlp
from exclave.domain.logs import service as logs
from exclave.domain.runners import access
from exclave.kit import errors
from exclave.kit.context import Ctx


async def write(ctx: Ctx, stream_id: str, body: bytes, encoding: str = "") -> int:
    """Write an OTLP log export (protobuf, identity or gzip) to a stream; return how many lines were new.

    Raises `NotFound` for a stream of others, `Conflict` for a closed one, and `Stale` when a line names an execution that may not
    write any more. What an official runner sends after its last status is still taken, though that closed the stream: it flushes its
    logs late.
    """
    records = otlp.read(otlp.unpack(body, encoding))
    if ctx.actor.scope or ctx.actor.runner_id:
        await _own_stream(ctx, stream_id)
    named = sorted({record.execution_id for record in records})
    flushed = await _live(ctx, stream_id, [each for each in named if each])
    return await logs.append(ctx, stream_id, records, late=bool(named) and flushed >= set(named))


async def _own_stream(ctx: Ctx, stream_id: str) -> None:
    own = select(RunnerJob.id).where(
        RunnerJob.log_stream_id == stream_id, RunnerJob.org_id == ctx.org_id, access.own(ctx.actor, RunnerJob.runner_id)
    )
    if (await ctx.db.execute(own.limit(1))).first() is None:
        raise errors.NotFound(f"no log stream {stream_id}")


async def _live(ctx: Ctx, stream_id: str, execution_ids: Sequence[str]) -> set[str]:
    """Refuse executions that may not write any more; return those that are over and only flush."""
    if not execution_ids:
        return set()
    may_write = (
        select(RunnerJobExecution.id, RunnerJobExecution.ended_by)
        .join(RunnerJob, RunnerJob.id == RunnerJobExecution.runner_job_id)
        .where(
            RunnerJobExecution.id == any_(literal(list(execution_ids), ARRAY(String))),
            RunnerJobExecution.org_id == ctx.org_id,
            RunnerJob.log_stream_id == stream_id,
            RunnerJob.current_execution_id == RunnerJobExecution.id,
            or_(
                RunnerJobExecution.leased_until > func.clock_timestamp(),
                and_(RunnerJobExecution.renewed_by == "heartbeat", RunnerJobExecution.ended_by == "runner"),
            ),
            access.own(ctx.actor, RunnerJob.runner_id),
        )
        # Shared with other writers, not with whoever ends the execution: it waits for this transaction.
        .with_for_update(read=True, of=RunnerJobExecution)
    )
    found = {row.id: row.ended_by for row in await ctx.db.execute(may_write)}
    refused = [each for each in execution_ids if each not in found]
    if refused:
        raise errors.Stale(f"the execution {refused[0]} may not write to the log stream {stream_id}: it is over, or its lease has ended")
    return {each for each, ended_by in found.items() if ended_by}
