"""What a runner asks about itself, and its heartbeats (spec runner.md 1.1, rows 1, 2, 4, 5)."""

from exclave.api.route import Routes
from exclave.domain.jobs import claims
from exclave.domain.runners import queries, service, shapes
from exclave.kit import db, errors
from exclave.kit.context import Ctx
from exclave.wire.public import runners as public
from exclave.wire.runner import jobs as wire

route = Routes("runners", "runner")


@route.get("/v1/runners/{runner_id}")
async def get_runner(ctx: Ctx, runner_id: str) -> public.Runner:
    """Get a runner with its group and settings."""
    found = (await ctx.db.execute(queries.with_group(ctx.actor, runner_id))).first()
    if found is None:
        raise errors.NotFound(f"no runner {runner_id}")
    runner, group, settings = found
    return shapes.runner(runner, shapes.group(group, settings))


@route.get("/v1/runners/{runner_id}/settings")
async def get_runner_settings(ctx: Ctx, runner_id: str) -> public.RunnerGroupSettings:
    """Get the settings of a runner's group."""
    runner = await service.get(ctx, runner_id)
    return shapes.settings(await db.one(ctx.db, queries.settings_of(runner.runner_group_id)))


@route.post("/v1/runners/{runner_id}/heart-beats", status=201, known=True)
async def create_heart_beat(ctx: Ctx, runner_id: str, body: wire.CreateRunnerHeartBeatRequest) -> public.RunnerHeartBeat:
    """Tell that a process of a runner lives. It keeps the executions of official runners, too."""
    if not 0 <= body.alive_time < 2**63:
        raise errors.Invalid("alive_time must be a count of nanoseconds")
    _check_process(body.process)
    return shapes.beat(await claims.beat(ctx, runner_id, body.process, body.version, body.alive_time))


@route.post("/v1/runners/{runner_id}/health-checks", status=201)
async def create_health_check(ctx: Ctx, runner_id: str, body: wire.CreateRunnerHealthCheckRequest) -> public.RunnerHealthCheck:
    """Keep the status of a runner in this minute."""
    _check_process(body.process)
    return shapes.check(await service.record_check(ctx, runner_id, body.process))


def _check_process(name: str) -> None:
    if len(name) > 255:
        raise errors.Invalid(f"process: its name has at most 255 characters, this one has {len(name)}")
