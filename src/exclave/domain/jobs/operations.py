"""Jobs by which people operate a runner itself: stop it, update it (spec runner.md 3.6)."""

import secrets

from exclave.domain.jobs import service
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.logs import service as logs
from exclave.domain.runners import service as runners
from exclave.kit.context import Ctx


async def operate(ctx: Ctx, runner_id: str, job_type: str, metadata: dict[str, str]) -> RunnerJob:
    """Queue a job of the type `shut-down`, `mng-shut-down`, `mng-vm-shut-down` or `mng-runner-update-version`.

    Raises `NotFound` for a runner of others.
    """
    runner = await runners.get(ctx, runner_id)
    stream = await logs.open_stream(ctx, runner)  # one for all that is done to a runner
    return await service.submit(
        ctx,
        runner=runner,
        owner=runner,
        type=job_type,
        operation="exec",
        plan={},
        log_stream_id=stream.id,
        key=f"operation:{secrets.token_hex(12)}",
        metadata=metadata,
    )
