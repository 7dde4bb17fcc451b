"""Runners and their jobs as people see them (spec nesting.md, runners)."""

import re
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response

from exclave.api.route import Page, Routes
from exclave.domain.installs import service as installs
from exclave.domain.jobs import operations, queries, rules, service, shapes
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.runners import queries as runner_queries
from exclave.domain.runners import service as runners
from exclave.domain.runners import shapes as runner_shapes
from exclave.kit import db, errors, time
from exclave.kit.context import Ctx
from exclave.wire.plans.composite import CompositePlan
from exclave.wire.public import runners as wire

route = Routes("runners")


@route.get("/v1/runners/{runner_id}", hidden=True)
async def get_runner(ctx: Ctx, runner_id: str) -> wire.Runner:
    """Get a runner with its group and settings."""
    return await _with_group(ctx, runner_id)


@route.get("/v1/installs/{install_id}/runner-group")
async def get_install_runner_group(ctx: Ctx, install_id: str) -> wire.RunnerGroup:
    """Get the runner group of an install with its runners and settings."""
    install = await installs.get(ctx, install_id)
    group = await db.one(ctx.db, runner_queries.group_of_owner(ctx.org_id, "installs", install.id))
    settings = await db.one(ctx.db, runner_queries.settings_of(group.id))
    return runner_shapes.group(group, settings, await db.every(ctx.db, runner_queries.in_group(group.id)))


@route.get("/v1/runners/{runner_id}/card-details")
async def get_card_details(ctx: Ctx, runner_id: str) -> wire.RunnerCardDetailsResponse:
    """Get a runner, its settings and its newest heartbeat; 404 when it never sent one."""
    runner = await _with_group(ctx, runner_id)
    beat = await db.one(ctx.db, runner_queries.beats_of(ctx.actor, runner_id).limit(1), or_raise=_never_beat(runner_id))
    return wire.RunnerCardDetailsResponse(runner=runner, latest_heart_beat=runner_shapes.beat(beat))


@route.get("/v1/runners/{runner_id}/connected")
async def get_connected(ctx: Ctx, runner_id: str) -> wire.RunnerConnectionStatus:
    """Tell whether a runner sent a heartbeat lately."""
    await runners.get(ctx, runner_id)
    beat = await db.first(ctx.db, runner_queries.beats_of(ctx.actor, runner_id).limit(1))
    if beat is None:
        return wire.RunnerConnectionStatus()
    silence = timedelta(seconds=ctx.runtime.settings.unhealthy_after_seconds)
    return wire.RunnerConnectionStatus(
        connected=time.now() - beat.beat_at <= silence, latest_heartbeat_timestamp=int(beat.beat_at.timestamp())
    )


@route.get("/v1/runners/{runner_id}/latest-heart-beat")
async def get_latest_heart_beat(ctx: Ctx, runner_id: str) -> wire.RunnerHeartBeat:
    """Get the newest heartbeat of any process of a runner."""
    await runners.get(ctx, runner_id)
    beats = runner_queries.beats_of(ctx.actor, runner_id).limit(1)
    return runner_shapes.beat(await db.one(ctx.db, beats, or_raise=_never_beat(runner_id)))


@route.get("/v1/runners/{runner_id}/heart-beats/latest")
async def get_latest_heart_beats(ctx: Ctx, runner_id: str) -> dict[str, wire.LatestRunnerHeartBeat]:
    """Get the newest heartbeat of each process of a runner, by its name."""
    await runners.get(ctx, runner_id)
    return runner_shapes.latest_beats(await db.every(ctx.db, runner_queries.beats_of(ctx.actor, runner_id)))


@route.get("/v1/runners/{runner_id}/recent-health-checks")
async def get_recent_health_checks(ctx: Ctx, runner_id: str, page: Page, window: str = "1h") -> list[wire.RunnerHealthCheck]:
    """List the health checks in a window such as `1h` or `30m`, one a minute and process, oldest first."""
    await runners.get(ctx, runner_id)
    since = time.now() - _span(window)
    found = runner_queries.checks_of(ctx.actor, runner_id, since=since).offset(page.offset).limit(page.fetch)
    return [runner_shapes.check(row) for row in page.cut(await db.every(ctx.db, found))]


@route.get("/v1/runners/{runner_id}/settings")
async def get_settings(ctx: Ctx, runner_id: str) -> wire.RunnerGroupSettings:
    """Get the settings of a runner's group."""
    runner = await runners.get(ctx, runner_id)
    return runner_shapes.settings(await db.one(ctx.db, runner_queries.settings_of(runner.runner_group_id)))


@route.patch("/v1/runners/{runner_id}/settings")
async def update_settings(ctx: Ctx, runner_id: str, body: wire.UpdateRunnerSettingsRequest) -> wire.RunnerGroupSettings:
    """Change settings of a runner's group; what is not given stays."""
    columns = {"org_awsiam_role_arn": "org_aws_iam_role_arn"}
    given = {columns.get(name, name): value for name, value in msgspec.structs.asdict(body).items() if value}
    return runner_shapes.settings(await runners.update_settings(ctx, runner_id, given))


@route.post("/v1/runners/{runner_id}/graceful-shutdown")
async def graceful_shutdown(ctx: Ctx, runner_id: str, body: wire.GracefulShutdownRequest) -> bool:
    """Stop a runner after its current job."""
    await operations.operate(ctx, runner_id, "shut-down", {"shutdown_type": "graceful"})
    return True


@route.post("/v1/runners/{runner_id}/force-shutdown")
async def force_shutdown(ctx: Ctx, runner_id: str, body: wire.ForceShutdownRequest) -> bool:
    """Stop a runner at once."""
    await operations.operate(ctx, runner_id, "shut-down", {"shutdown_type": "force"})
    return True


@route.post("/v1/runners/{runner_id}/mng/shutdown")
async def mng_shutdown(ctx: Ctx, runner_id: str, body: wire.MngShutDownRequest) -> bool:
    """Stop the process that manages the machine of a runner."""
    await operations.operate(ctx, runner_id, "mng-shut-down", {})
    return True


@route.post("/v1/runners/{runner_id}/mng/shutdown-vm")
async def mng_shutdown_vm(ctx: Ctx, runner_id: str, body: wire.MngVMShutDownRequest) -> bool:
    """Power the machine of a runner off."""
    await operations.operate(ctx, runner_id, "mng-vm-shut-down", {"shutdown_type": "vm"})
    return True


@route.post("/v1/runners/{runner_id}/mng/update")
async def mng_update(ctx: Ctx, runner_id: str, body: wire.MngUpdateRequest) -> bool:
    """Update a runner to the image in its settings."""
    await operations.operate(ctx, runner_id, "mng-runner-update-version", {"upgrade_type": "mng"})
    return True


@route.get("/v1/runners/{runner_id}/jobs")
async def get_jobs(
    ctx: Ctx, runner_id: str, page: Page, group: str = "", groups: str = "", status: str = "", statuses: str = ""
) -> list[wire.RunnerJob]:
    """List the jobs of a runner, newest first; `groups` and `statuses` take several words with commas."""
    found = queries.of_runner(ctx.actor, runner_id, groups=_words(group, groups), statuses=_words(status, statuses))
    newest = found.order_by(None).order_by(RunnerJob.created_at.desc(), RunnerJob.id).offset(page.offset).limit(page.fetch)
    return [shapes.flat(row) for row in page.cut(await db.every(ctx.db, newest))]


@route.get("/v1/runner-jobs/{runner_job_id}", deprecated=["/v1/runners/{runner_id}/jobs/{job_id}"])
async def get_job(ctx: Ctx, runner_job_id: str, runner_id: str, job_id: str) -> wire.RunnerJob:
    """Get a job with its newest execution and what may be shown of its outputs."""
    job = await _job(ctx, runner_job_id or job_id, runner_id)
    newest = await db.every(ctx.db, queries.executions_of(ctx.actor, [job.id]).limit(1))
    outputs = (await ctx.db.execute(queries.outputs_of([job.current_execution_id]))).first()
    return shapes.full(job, newest, outputs[1] if outputs is not None else None)


@route.get("/v1/runner-jobs/{runner_job_id}/executions")
async def get_executions(ctx: Ctx, runner_job_id: str, page: Page) -> list[wire.RunnerJobExecution]:
    """List the executions of a job, newest first."""
    rows = await db.every(ctx.db, queries.executions_of(ctx.actor, [runner_job_id]).offset(page.offset).limit(page.fetch))
    return [shapes.execution(row) for row in page.cut(rows)]


@route.get(
    "/v1/runner-jobs/{runner_job_id}/plan", deprecated=["/v1/runner/{runner_id}/jobs/{job_id}/plan"], answers=str, media="text/plain"
)
async def get_plan(ctx: Ctx, runner_job_id: str, runner_id: str, job_id: str) -> Response[bytes]:
    """Get the plan of a job as text, without credentials, sensitive variables and plan files."""
    job = await _job(ctx, runner_job_id or job_id, runner_id)
    return Response(await service.shown_plan_of(ctx, job.id), media_type="text/plain; charset=utf-8")


@route.get("/v1/runner-jobs/{runner_job_id}/composite-plan", answers=CompositePlan)
async def get_composite_plan(ctx: Ctx, runner_job_id: str) -> dict[str, Any]:
    """Get the plan of a job under the name of its kind, without what is secret."""
    job = await service.get(ctx, runner_job_id)
    name = rules.plan_kind(job.type)
    return {name: msgspec.Raw(await service.shown_plan_of(ctx, job.id))} if name else {}


@route.post("/v1/runner-jobs/{runner_job_id}/cancel", status=202)
async def cancel_job(ctx: Ctx, runner_job_id: str) -> wire.RunnerJob:
    """Cancel a job. Its runner hears of it, stops its tools and reports; a job that is over stays as it is."""
    return shapes.flat(await service.cancel(ctx, await service.get(ctx, runner_job_id), "cancelled by a person"))


async def _job(ctx: Ctx, job_id: str, runner_id: str) -> RunnerJob:
    """Return a job; where the path names a runner, only a job of it."""
    job = await service.get(ctx, job_id)
    if runner_id not in ("", job.runner_id):
        raise errors.NotFound(f"the runner {runner_id} has no job {job_id}")
    return job


async def _with_group(ctx: Ctx, runner_id: str) -> wire.Runner:
    found = (await ctx.db.execute(runner_queries.with_group(ctx.actor, runner_id))).first()
    if found is None:
        raise errors.NotFound(f"no runner {runner_id}")
    runner, group, settings = found
    return runner_shapes.runner(runner, runner_shapes.group(group, settings))


def _never_beat(runner_id: str) -> errors.Problem:
    return errors.NotFound(f"the runner {runner_id} never sent a heartbeat")


def _words(*texts: str) -> tuple[str, ...]:
    words = tuple(word.strip() for text in texts for word in text.split(",") if word.strip())
    return () if "any" in words else words


_UNITS = {"h": 3600, "m": 60, "s": 1}


def _span(text: str) -> timedelta:
    """Read a window such as `1h30m`, at most a day: checks are kept no longer."""
    parts = re.findall(r"(\d{1,6})([hms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise errors.Invalid(f"window {text!r} is not a span such as 1h, 30m or 90s")
    return min(timedelta(days=1), timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts)))
