"""Who wakes a workflow that waits: a job that finished, a runner that became healthy, a build that ended."""

from exclave.domain.builds.events import BuildFinished
from exclave.domain.jobs.events import JobFinished
from exclave.domain.runners.events import RunnerHealthy
from exclave.engine import service as engine
from exclave.kit.context import Ctx


async def on_job_finished(ctx: Ctx, event: JobFinished) -> None:
    await engine.wake_waiting(ctx, event.job_id)


async def on_runner_healthy(ctx: Ctx, event: RunnerHealthy) -> None:
    await engine.wake_waiting(ctx, event.runner_id)


async def on_build_finished(ctx: Ctx, event: BuildFinished) -> None:
    await engine.wake_waiting(ctx, event.build_id)
