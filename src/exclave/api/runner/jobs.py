"""Jobs as runners see them: claim, plan, status, result, outputs (spec runner.md 1.1, rows 3, 8-19; claims and leases are ours)."""

import asyncio
from typing import Any

import msgspec
from litestar import Response

from exclave.api.route import AnyRequest, Enter, MiB, Page, Reply, Routes
from exclave.domain.jobs import claims, executions, queries, rules, service, shapes
from exclave.domain.jobs.models import RunnerJobExecution
from exclave.domain.runners import access
from exclave.kit import db, errors
from exclave.kit.context import Ctx, Runtime
from exclave.wire.plans.composite import CompositePlan
from exclave.wire.public import runners as public
from exclave.wire.runner import jobs as wire

route = Routes("runners", "runner")

RESULT_LIMIT = 128 * MiB  # a plan file and its display, in base64


@route.post("/v1/runners/{runner_id}/claims", status=200, also=[204], transaction=False)
async def claim_job(
    runtime: Runtime, enter: Enter, request: AnyRequest, runner_id: str, body: wire.ClaimRequest, reply: Reply
) -> wire.Claim | None:
    """Claim the oldest waiting job of some groups with its plan and a lease; 204 when none came in time.

    The same `Idempotency-Key` gets the same job again, while its lease holds.
    """
    gone = asyncio.Event()
    watch = asyncio.create_task(_watch(request, gone))
    try:
        key = request.headers.get("idempotency-key", "")[:64]
        claim = await claims.claim_when_ready(runtime, enter, runner_id, body, key=key, gone=gone)
    finally:
        watch.cancel()
    if claim is None:
        reply.status = 204
    return claim


async def _watch(request: AnyRequest, gone: asyncio.Event) -> None:
    """Notice that the caller hung up: after the body nothing else comes on a request."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()


@route.get("/v1/runners/{runner_id}/jobs")
async def get_runner_jobs(ctx: Ctx, runner_id: str, page: Page, group: str = "any", status: str = "available") -> list[public.RunnerJob]:
    """List jobs of a runner: waiting ones oldest first, since runners take the first; others newest first."""
    access.require(ctx.actor, runner_id)
    found = queries.of_runner(
        ctx.actor,
        runner_id,
        groups=() if group in ("", "any") else (group,),
        statuses=() if status in ("", "any") else (status,),
    )
    rows = await db.every(ctx.db, found.offset(page.offset).limit(page.fetch))
    return [shapes.flat(row) for row in page.cut(rows)]


@route.get("/v1/runner-jobs/{runner_job_id}", deprecated=["/v1/runners/{runner_id}/jobs/{job_id}"])
async def get_runner_job(ctx: Ctx, runner_job_id: str, job_id: str = "") -> public.RunnerJob:
    """Get a job with its newest execution."""
    job = await service.get(ctx, runner_job_id or job_id)
    newest = await db.every(ctx.db, queries.executions_of(ctx.actor, [job.id]).limit(1))
    outputs = (await ctx.db.execute(queries.outputs_of([job.current_execution_id]))).first()
    return shapes.full(job, newest, outputs[1] if outputs is not None else None)


@route.patch("/v1/runner-jobs/{runner_job_id}", deprecated=["/v1/runners/{runner_id}/jobs/{job_id}"])
async def update_runner_job(ctx: Ctx, runner_job_id: str, body: wire.UpdateRunnerJobRequest, job_id: str = "") -> public.RunnerJob:
    """End a job as official runners do when they shut down: the end of its current execution, once more."""
    job = await service.get(ctx, runner_job_id or job_id)
    if job.status == body.status:
        return shapes.flat(job)
    if body.status is None or body.status not in ("finished", "failed", "cancelled") or not job.current_execution_id:
        raise errors.Conflict(f"the job {job.id} is {job.status} and cannot become {body.status}: its executions decide")
    await executions.move(ctx, job.id, job.current_execution_id, body.status)
    return shapes.flat(await service.get(ctx, job.id))


@route.get(
    "/v1/runner-jobs/{runner_job_id}/plan",
    deprecated=["/v1/runners/{runner_id}/jobs/{job_id}/plan", "/v1/runner/{runner_id}/jobs/{job_id}/plan"],
    answers=str,
    media="text/plain",
)
async def get_runner_job_plan(ctx: Ctx, runner_job_id: str, job_id: str = "") -> Response[bytes]:
    """Get the plan of a job, with its secrets, as text."""
    access.runner_only(ctx.actor)  # people read it, masked, on the public API
    return Response(await service.plan_of(ctx, runner_job_id or job_id), media_type="text/plain; charset=utf-8")


@route.get("/v1/runner-jobs/{runner_job_id}/composite-plan", answers=CompositePlan)
async def get_composite_plan(ctx: Ctx, runner_job_id: str) -> dict[str, Any]:
    """Get the plan of a job, with its secrets, under the name of its kind."""
    access.runner_only(ctx.actor)
    job = await service.get(ctx, runner_job_id)
    name = rules.plan_kind(job.type)
    return {name: msgspec.Raw(await service.plan_of(ctx, job.id))} if name else {}


@route.post("/v1/runner-jobs/{runner_job_id}/executions", status=201)
async def create_execution(
    ctx: Ctx, request: AnyRequest, runner_job_id: str, body: wire.CreateRunnerJobExecutionRequest
) -> public.RunnerJobExecution:
    """Claim this job; 409 when somebody has it or it is over. Heartbeats of its runner keep it."""
    version = request.headers.get("x-nuon-client-version", "")[:128]
    return shapes.execution(await claims.claim_one(ctx, runner_job_id, client_version=version))


@route.get("/v1/runner-jobs/{runner_job_id}/executions")
async def get_executions(ctx: Ctx, runner_job_id: str, page: Page) -> list[public.RunnerJobExecution]:
    """List the executions of a job, newest first."""
    await service.get(ctx, runner_job_id)
    rows = await db.every(ctx.db, queries.executions_of(ctx.actor, [runner_job_id]).offset(page.offset).limit(page.fetch))
    return [shapes.execution(row) for row in page.cut(rows)]


@route.get("/v1/runner-jobs/{runner_job_id}/executions/{runner_job_execution_id}")
async def get_execution(ctx: Ctx, runner_job_id: str, runner_job_execution_id: str) -> public.RunnerJobExecution:
    """Get an execution."""
    found = queries.executions_of(ctx.actor, [runner_job_id]).where(RunnerJobExecution.id == runner_job_execution_id)
    missing = errors.NotFound(f"the job {runner_job_id} has no execution {runner_job_execution_id}")
    return shapes.execution(await db.one(ctx.db, found, or_raise=missing))


@route.patch("/v1/runner-jobs/{runner_job_id}/executions/{runner_job_execution_id}", known=True)
async def update_execution(
    ctx: Ctx, runner_job_id: str, runner_job_execution_id: str, body: wire.UpdateRunnerJobExecutionRequest
) -> public.RunnerJobExecution:
    """Take an execution to its next status; a final one ends its job."""
    return shapes.execution(await executions.move(ctx, runner_job_id, runner_job_execution_id, body.status or ""))


@route.post("/v1/runner-jobs/{runner_job_id}/executions/{runner_job_execution_id}/renew", status=200, known=True)
async def renew_execution(ctx: Ctx, runner_job_id: str, runner_job_execution_id: str) -> wire.Lease:
    """Keep an execution, and learn what became of its job; 409 `stale_epoch` says to stop."""
    return await claims.renew(ctx, runner_job_id, runner_job_execution_id)


@route.post(
    "/v1/runner-jobs/{runner_job_id}/executions/{runner_job_execution_id}/result",
    status=201,
    limit=RESULT_LIMIT,
    accepts=wire.CreateRunnerJobExecutionResultRequest,
)
async def create_result(ctx: Ctx, runner_job_id: str, runner_job_execution_id: str, raw: bytes) -> public.RunnerJobExecutionResult:
    """Deliver how an execution went; the exact repeat is answered as before."""
    return shapes.result(await executions.give_result(ctx, runner_job_id, runner_job_execution_id, raw))


@route.post(
    "/v1/runner-jobs/{runner_job_id}/executions/{runner_job_execution_id}/outputs",
    status=201,
    limit=RESULT_LIMIT,
    accepts=wire.CreateRunnerJobExecutionOutputsRequest,
)
async def create_outputs(ctx: Ctx, runner_job_id: str, runner_job_execution_id: str, raw: bytes) -> public.RunnerJobExecutionOutputs:
    """Deliver the outputs of an execution; the exact repeat is answered as before."""
    return shapes.outputs(*await executions.give_outputs(ctx, runner_job_id, runner_job_execution_id, raw))


@route.post(
    "/v1/runner-jobs/{runner_job_id}/executions/{runner_job_execution_id}/report",
    status=200,
    known=True,
    limit=RESULT_LIMIT,
    accepts=wire.ReportRequest,
)
async def report_execution(ctx: Ctx, runner_job_id: str, runner_job_execution_id: str, raw: bytes) -> public.RunnerJobExecution:
    """Deliver result and outputs and end the execution, all in one; the exact repeat is answered as before."""
    return shapes.execution(await executions.report(ctx, runner_job_id, runner_job_execution_id, raw))
