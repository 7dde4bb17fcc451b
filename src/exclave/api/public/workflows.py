"""Workflows of installs: read them, approve and deny what they ask, retry, skip, cancel."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Response

from exclave.api.pages import workflow as pages
from exclave.api.route import Page, Routes
from exclave.domain.installs import service as installs
from exclave.domain.workflows import queries
from exclave.domain.workflows import service as workflows
from exclave.engine.models import Workflow
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.base import word
from exclave.wire.public import workflows as wire

route = Routes("installs")


# The words of a body are checked by the verb, which names those that are allowed.


class UpdateWorkflowRequest(wire.UpdateWorkflowRequest):
    """How a workflow is approved from now on."""

    approval_option: Annotated[str, word(wire.InstallApprovalOption)] = ""  # type: ignore[assignment]


class CreateWorkflowStepApprovalResponseRequest(wire.CreateWorkflowStepApprovalResponseRequest):
    """What to do with the plan that a step shows, and why."""

    response_type: Annotated[str, word(wire.WorkflowStepResponseType)] = ""  # type: ignore[assignment]


@route.get("/v1/installs/{install_id}/workflows")
async def list_workflows(
    ctx: Ctx, install_id: str, page: Page, type: str = "", planonly: bool = True, created_at_gte: str = "", created_at_lte: str = ""
) -> list[wire.Workflow]:
    """Return the workflows of an install, newest first. `planonly=false` hides those that only plan; times are RFC 3339."""
    install = await installs.get(ctx, install_id)
    wanted = queries.visible_to(ctx.actor).where(Workflow.owner_id == install.id, Workflow.owner_type == "installs")
    if type:
        wanted = wanted.where(Workflow.type == type)
    if not planonly:
        wanted = wanted.where(Workflow.plan_only.is_(False))
    if created_at_gte:
        wanted = wanted.where(Workflow.created_at >= _time("created_at_gte", created_at_gte))
    if created_at_lte:
        wanted = wanted.where(Workflow.created_at <= _time("created_at_lte", created_at_lte))
    wanted = wanted.order_by(Workflow.created_at.desc(), Workflow.id.desc()).offset(page.offset).limit(page.fetch)
    return page.cut(await pages.workflows(ctx, wanted, at_most=page.limit))


@route.get("/v1/workflows/{workflow_id}", deprecated=["/v1/install-workflows/{install_workflow_id}"])
async def get_workflow(ctx: Ctx, workflow_id: str, install_workflow_id: str) -> wire.Workflow:
    """Return a workflow with its steps."""
    return await pages.workflow(ctx, workflow_id or install_workflow_id)


@route.patch("/v1/workflows/{workflow_id}", deprecated=["/v1/install-workflows/{install_workflow_id}"])
async def update_workflow(ctx: Ctx, workflow_id: str, install_workflow_id: str, body: UpdateWorkflowRequest) -> wire.Workflow:
    """Change how a workflow is approved: prompt, or approve-all, which also approves what waits now."""
    workflow = await workflows.get(ctx, workflow_id or install_workflow_id)
    await workflows.approve_by(ctx, workflow, body.approval_option)
    return await pages.workflow(ctx, workflow.id)


@route.post("/v1/workflows/{workflow_id}/cancel", deprecated=["/v1/install-workflows/{install_workflow_id}/cancel"], status=202)
async def cancel_workflow(ctx: Ctx, workflow_id: str, install_workflow_id: str) -> bool:
    """Cancel a workflow that is not finished."""
    await workflows.cancel(ctx, await workflows.get(ctx, workflow_id or install_workflow_id))
    return True


@route.get("/v1/workflows/{workflow_id}/steps", deprecated=["/v1/install-workflows/{install_workflow_id}/steps"])
async def list_steps(ctx: Ctx, workflow_id: str, install_workflow_id: str) -> list[wire.WorkflowStep]:
    """Return the steps of a workflow in their order."""
    return await pages.steps(ctx, workflow_id or install_workflow_id)


@route.get(
    "/v1/workflows/{workflow_id}/steps/{step_id}",
    deprecated=["/v1/install-workflows/{install_workflow_id}/steps/{install_workflow_step_id}"],
)
async def get_step(ctx: Ctx, workflow_id: str, step_id: str, install_workflow_id: str, install_workflow_step_id: str) -> wire.WorkflowStep:
    """Return one step of a workflow."""
    (found,) = await pages.steps(ctx, workflow_id or install_workflow_id, step_id or install_workflow_step_id)
    return found


_OLD_STEP = "/v1/install-workflows/{install_workflow_id}/steps/{install_workflow_step_id}"


@route.get(
    "/v1/workflows/{workflow_id}/steps/{step_id}/approvals/{approval_id}",
    deprecated=[_OLD_STEP + "/approvals/{approval_id}"],
)
async def get_approval(
    ctx: Ctx, workflow_id: str, step_id: str, approval_id: str, install_workflow_id: str, install_workflow_step_id: str
) -> wire.WorkflowStepApproval:
    """Return what a step asks, with its answer when it has one."""
    asked = await workflows.asked(ctx, workflow_id or install_workflow_id, step_id or install_workflow_step_id, approval_id)
    return await pages.approval(ctx, asked.step.id, asked.approval.id)


@route.get("/v1/workflows/{workflow_id}/steps/{step_id}/approvals/{approval_id}/contents")
async def get_approval_contents(ctx: Ctx, workflow_id: str, step_id: str, approval_id: str) -> Response[Any]:
    """Return the plan that waits for approval as JSON, with its sensitive values masked."""
    asked = await workflows.asked(ctx, workflow_id, step_id, approval_id)
    return Response(await workflows.contents(ctx, asked), media_type="application/json")


@route.post(
    "/v1/workflows/{workflow_id}/steps/{step_id}/approvals/{approval_id}/response",
)
async def respond(
    ctx: Ctx, workflow_id: str, step_id: str, approval_id: str, body: CreateWorkflowStepApprovalResponseRequest
) -> wire.CreateWorkflowStepApprovalResponseResponse:
    """Approve or deny a plan, have it made anew, or skip what it belongs to."""
    return await _respond(ctx, workflow_id, step_id, approval_id, body)


@route.post("/v1/workflows/{workflow_id}/steps/approvals/{approval_id}/response", hidden=True)
async def respond_without_step(
    ctx: Ctx, workflow_id: str, approval_id: str, body: CreateWorkflowStepApprovalResponseRequest
) -> wire.CreateWorkflowStepApprovalResponseResponse:
    """The same for clients that leave the step empty."""
    return await _respond(ctx, workflow_id, "", approval_id, body)


async def _respond(
    ctx: Ctx, workflow_id: str, step_id: str, approval_id: str, body: CreateWorkflowStepApprovalResponseRequest
) -> wire.CreateWorkflowStepApprovalResponseResponse:
    asked = await workflows.asked(ctx, workflow_id, step_id, approval_id)
    response = await workflows.respond(ctx, asked, body.response_type or "", body.note)
    return wire.CreateWorkflowStepApprovalResponseResponse(id=response.id, type=response.type, note=response.note)


@route.post("/v1/workflows/{workflow_id}/steps/{step_id}/retry")
async def retry_step(ctx: Ctx, workflow_id: str, step_id: str, body: wire.RetryWorkflowStepRequest) -> wire.RetryWorkflowByIDResponse:
    """Retry or skip a failed step."""
    await workflows.again(ctx, await workflows.step(ctx, workflow_id, step_id), body.operation)
    return wire.RetryWorkflowByIDResponse(workflow_id=workflow_id)


@route.post("/v1/workflows/{workflow_id}/step/{step_id}/retry")
async def retry_step_as_documented(
    ctx: Ctx, workflow_id: str, step_id: str, body: wire.RetryWorkflowStepRequest
) -> wire.RetryWorkflowByIDResponse:
    """Retry or skip a failed step."""
    return await retry_step(ctx, workflow_id, step_id, body)


@route.post("/v1/workflows/{workflow_id}/retry")
async def retry_workflow_by_id(ctx: Ctx, workflow_id: str, body: wire.RetryWorkflowByIDRequest) -> wire.RetryWorkflowByIDResponse:
    """Retry or skip a failed step of a workflow."""
    await workflows.again(ctx, await workflows.step(ctx, workflow_id, body.step_id), body.operation)
    return wire.RetryWorkflowByIDResponse(workflow_id=workflow_id)


@route.post("/v1/installs/{install_id}/retry-workflow")
async def retry_workflow(ctx: Ctx, install_id: str, body: wire.RetryWorkflowRequest) -> wire.RetryWorkflowResponse:
    """Retry or skip a failed step of a workflow of the install."""
    install = await installs.get(ctx, install_id)
    workflow = await workflows.get(ctx, body.workflow_id)
    if workflow.owner_id != install.id:
        raise errors.NotFound(f"the install has no workflow {body.workflow_id!r}")
    await workflows.again(ctx, await workflows.step(ctx, workflow.id, body.step_id), body.operation)
    return wire.RetryWorkflowResponse(workflow_id=workflow.id)


def _time(name: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign in a query is read as a blank
    except ValueError as error:
        raise errors.Invalid(f"{name}: {text!r} is no time such as 2026-01-31T12:00:00Z") from error
    if found.tzinfo is None:
        raise errors.Invalid(f"{name}: {text!r} has no zone, write 2026-01-31T12:00:00Z")
    return found
