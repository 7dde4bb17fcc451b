"""What a user may do to a workflow: approve, deny, retry, skip, cancel, and say how it is approved."""

from dataclasses import dataclass
from typing import get_args

import msgspec

from exclave.domain.audit import service as audit
from exclave.domain.deploys import service as deploys
from exclave.domain.jobs import service as jobs
from exclave.domain.workflows import queries
from exclave.engine import service as engine
from exclave.engine.models import Workflow, WorkflowStep, WorkflowStepApproval, WorkflowStepApprovalResponse
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import one
from exclave.wire.public.workflows import WorkflowStepResponseType

OPERATIONS = ("retry-step", "skip-step")
RESPONSES: tuple[str, ...] = get_args(WorkflowStepResponseType)


@dataclass(frozen=True)
class Asked:
    """An approval, and the step that asked for it."""

    step: WorkflowStep
    approval: WorkflowStepApproval


async def get(ctx: Ctx, workflow_id: str) -> Workflow:
    """Return a workflow, or raise `NotFound`."""
    found: Workflow = await one(ctx.db, queries.by_id(ctx.actor, workflow_id), or_raise=errors.NotFound(f"no workflow {workflow_id}"))
    return found


async def step(ctx: Ctx, workflow_id: str, step_id: str) -> WorkflowStep:
    """Return one step of a workflow, or raise `NotFound`."""
    wanted = queries.steps_of(ctx.actor, workflow_id).where(WorkflowStep.id == step_id)
    found: WorkflowStep = await one(ctx.db, wanted, or_raise=errors.NotFound(f"the workflow {workflow_id} has no step {step_id}"))
    return found


async def asked(ctx: Ctx, workflow_id: str, step_id: str, approval_id: str) -> Asked:
    """Return an approval. The official Go client leaves the step empty: then the approval alone says which it is."""
    found = (await ctx.db.execute(queries.approval(ctx.actor, workflow_id, approval_id))).first()
    if found is None or (step_id and found[0].id != step_id):
        raise errors.NotFound(f"the workflow {workflow_id} has no approval {approval_id} of this step")
    return Asked(found[0], found[1])


async def contents(ctx: Ctx, asked: Asked) -> bytes:
    """Return the plan that waits for approval as JSON, masked by the runner that made it."""
    if not asked.approval.runner_job_id:
        raise errors.NotFound(f"the approval {asked.approval.id} has no plan to show")
    result = await jobs.result_of(ctx, asked.approval.runner_job_id)
    if result is None or not result.display:
        raise errors.NotFound(f"the plan of the approval {asked.approval.id} has nothing to show")
    try:
        msgspec.json.decode(result.display, type=msgspec.Raw)
    except msgspec.DecodeError:
        return msgspec.json.encode(result.display.decode(errors="replace"))
    return result.display


async def respond(ctx: Ctx, asked: Asked, response_type: str, note: str) -> WorkflowStepApprovalResponse:
    """Answer an approval, once. `response_type`: one of the contract's words; see spec domain.md 3.6 for what each does."""
    if response_type not in RESPONSES:
        raise errors.Invalid(f"response_type: {response_type!r} is unknown, use one of {', '.join(RESPONSES)}")
    response = await engine.respond(ctx, asked.step, asked.approval, response_type, note)
    await audit.record(ctx, "respond", asked.approval, response_type=response_type, step=asked.step.name)
    return response


async def again(ctx: Ctx, step: WorkflowStep, operation: str) -> None:
    """Retry or skip a step that has failed. `operation`: retry-step | skip-step."""
    match operation:
        case "retry-step":
            await engine.retry(ctx, step)
        case "skip-step":
            await engine.skip(ctx, step)
        case _:
            raise errors.Invalid(f"operation: {operation!r} is unknown, use one of {', '.join(OPERATIONS)}")
    await audit.record(ctx, operation, step, name=step.name)


async def cancel(ctx: Ctx, workflow: Workflow) -> None:
    """Cancel a workflow that is not finished: its jobs end, its steps are cancelled."""
    await engine.cancel(ctx, workflow)
    await deploys.abandon(ctx, workflow.id)
    await audit.record(ctx, "cancel", workflow)


async def approve_by(ctx: Ctx, workflow: Workflow, option: str) -> Workflow:
    """Say how a workflow is approved from now on. With approve-all whatever waits is approved at once."""
    if option not in engine.OPTIONS:
        raise errors.Invalid(f"approval_option: {option!r} is unknown, use one of {', '.join(engine.OPTIONS)}")
    if option == "approve-all":
        await engine.approve_all(ctx, workflow)
    else:
        workflow.approval_option = option
    await ctx.db.flush()
    await audit.record(ctx, "update", workflow, approval_option=option)
    return workflow
