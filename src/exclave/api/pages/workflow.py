"""Workflows with their steps, approvals and who made them (spec nesting.md 3.7)."""

from sqlalchemy import Select, select

from exclave.api.pages.relations import APPROVAL, STEP, WORKFLOW
from exclave.api.pages.roots import Root
from exclave.domain.workflows import queries
from exclave.engine.models import Workflow, WorkflowStep, WorkflowStepApproval
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.public import workflows as wire

_WORKFLOWS = Root(WORKFLOW, {"created_by": {}, "steps": {"created_by": {}, "approval": {}}})
_STEPS = Root(STEP, {"created_by": {}, "approval": {}, "policy_validation": {}})
_STEP = Root(STEP, {})
_APPROVALS = Root(APPROVAL, {})


async def workflow(ctx: Ctx, workflow_id: str) -> wire.Workflow:
    """Return one workflow with its steps in their order."""
    found = await _WORKFLOWS.read(ctx, queries.by_id(ctx.actor, workflow_id))
    if not found:
        raise errors.NotFound(f"no workflow {workflow_id}")
    shape: wire.Workflow = found[0]
    return shape


async def workflows(ctx: Ctx, wanted: Select[Workflow], *, at_most: int) -> list[wire.Workflow]:
    """Return the workflows of a page with their steps: four statements, whatever their number."""
    return await _WORKFLOWS.read(ctx, wanted, at_most=at_most)


async def steps(ctx: Ctx, workflow_id: str, step_id: str = "") -> list[wire.WorkflowStep]:
    """Return the steps of a workflow in their order, or one of them. `NotFound` when the workflow, or that step, does not exist."""
    wanted = queries.steps_of(ctx.actor, workflow_id)
    if step_id:
        wanted = wanted.where(WorkflowStep.id == step_id)
    found = await _STEPS.read(ctx, wanted)
    if step_id and not found:
        raise errors.NotFound(f"the workflow {workflow_id} has no step {step_id}")
    if not found and not await _WORKFLOWS.read(ctx, queries.by_id(ctx.actor, workflow_id)):
        raise errors.NotFound(f"no workflow {workflow_id}")
    return found


async def approval(ctx: Ctx, step_id: str, approval_id: str) -> wire.WorkflowStepApproval:
    """Return an approval with the step that asked, under both of its names. The plan itself is never in here."""
    (shape,) = await _APPROVALS.read(ctx, select(WorkflowStepApproval).where(WorkflowStepApproval.id == approval_id))
    (step,) = await _STEP.read(ctx, select(WorkflowStep).where(WorkflowStep.id == step_id, WorkflowStep.org_id == ctx.org_id))
    shape.workflow_step = shape.install_workflow_step = step
    result: wire.WorkflowStepApproval = shape
    return result
