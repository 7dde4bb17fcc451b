"""Notice runners that stopped beating, by the process that takes their jobs, and keep a health check a minute."""

from datetime import timedelta

from sqlalchemy import delete, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from exclave.domain.runners import rules
from exclave.domain.runners.models import Runner, RunnerHealthCheck, RunnerHeartBeat
from exclave.kit import ids, time
from exclave.kit.context import Runtime

_KEEP_CHECKS = timedelta(days=1)


async def check(runtime: Runtime) -> float:
    """Mark active runners without a recent beat as `error`; return the seconds until the next look."""
    silence = timedelta(seconds=runtime.settings.unhealthy_after_seconds)
    recent = exists().where(
        RunnerHeartBeat.runner_id == Runner.id,
        RunnerHeartBeat.process != rules.MANAGEMENT,
        RunnerHeartBeat.beat_at > func.clock_timestamp() - literal(silence),
    )
    seconds = runtime.settings.unhealthy_after_seconds
    description = f"no heartbeat for {seconds:g} seconds"
    async with runtime.sweep() as ctx:
        await ctx.db.execute(
            update(Runner)
            .where(
                Runner.status == "active", Runner.deleted_at == 0, ~recent, Runner.updated_at <= func.clock_timestamp() - literal(silence)
            )
            .values(status="error", status_description=description, updated_at=time.now())
            .execution_options(synchronize_session=False)
        )
    await _record(runtime)
    return min(5.0, seconds / 3)


async def _record(runtime: Runtime) -> None:
    """Keep one health check a minute for each process that ever beat; drop those of the day before."""
    minute = time.now().replace(second=0, microsecond=0)
    async with runtime.sweep() as ctx:
        known = exists().where(
            RunnerHealthCheck.runner_id == RunnerHeartBeat.runner_id,
            RunnerHealthCheck.process == RunnerHeartBeat.process,
            RunnerHealthCheck.minute == minute,
        )
        rows = (
            await ctx.db.execute(
                select(Runner.org_id, Runner.id, RunnerHeartBeat.process, Runner.status)
                .join(RunnerHeartBeat, RunnerHeartBeat.runner_id == Runner.id)
                .where(Runner.deleted_at == 0, Runner.status.in_(("active", "error")), ~known)
            )
        ).all()
        if not rows:
            return
        values = [
            {
                "id": ids.new_id(RunnerHealthCheck.prefix),
                "org_id": row.org_id,
                "runner_id": row.id,
                "process": row.process,
                "status": row.status,
                "minute": minute,
            }
            for row in rows
        ]
        await ctx.db.execute(insert(RunnerHealthCheck).on_conflict_do_nothing(), values)
        await ctx.db.execute(delete(RunnerHealthCheck).where(RunnerHealthCheck.minute < minute - _KEEP_CHECKS))
