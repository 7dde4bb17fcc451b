"""The verbs of workflows: start, wake, and what a user may do to one that runs.

Waking only inserts a row and never touches the workflow, so that whoever finishes something never waits for a running advance.
A user's verb takes the workflow's row lock, as an advance does: the two never see each other half done. What the handler of a
step must do about it (end a job, mark a run) follows in the next advance, within milliseconds (`WorkflowStep.settling`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from exclave.engine import rows, rules
from exclave.engine.models import Workflow, WorkflowStep, WorkflowStepApproval, WorkflowStepApprovalResponse
from exclave.engine.rules import Change
from exclave.engine.status import composite, moved
from exclave.kit.context import Ctx
from exclave.kit.db import every, one
from exclave.kit.errors import Invalid, NotFound
from exclave.kit.prepared import Prepared
from exclave.kit.time import now

TOPIC = "engine"
OPTIONS = ("prompt", "approve-all")
SECOND_LOOK = timedelta(seconds=1)
_WAKE: Prepared[Any] = Prepared(
    text("insert into wakeup (workflow_id, due) values (:workflow, coalesce(cast(:due as timestamptz), clock_timestamp()))")
)
_WAKE_WAITING: Prepared[Any] = Prepared(
    text("""
insert into wakeup (workflow_id, waited_for, due)
select distinct install_workflow_id, '', clock_timestamp() from install_workflow_steps where waits_for = :on and waits_for <> ''
union all select '', :on, clock_timestamp() + cast(:later as interval)
""")
)


async def start(
    ctx: Ctx,
    type: str,
    *,
    owner_id: str,
    owner_type: str,
    plan_only: bool = False,
    approval_option: str = "prompt",
    metadata: Mapping[str, str] | None = None,
    visible: bool = True,
    serial_key: str = "",
    org_id: str = "",
) -> Workflow:
    """Start a workflow: its row and its wake-up are in the caller's transaction. Steps are made at the first advance.

    `serial_key`: at most one workflow runs per key, in the order of their creation. `visible=False`: a kind that no client lists.
    """
    workflow = Workflow(
        org_id=org_id or ctx.org_id,
        created_by_id=ctx.actor.account_id,
        owner_id=owner_id,
        owner_type=owner_type,
        type=type,
        workflow_metadata=dict(metadata or {}),
        status=composite("pending", by=ctx.actor.account_id),
        plan_only=plan_only,
        approval_option=approval_option or "prompt",
        visible=visible,
        serial_key=serial_key,
    )
    ctx.db.add(workflow)
    await ctx.db.flush()
    await wake(ctx, workflow.id)
    return workflow


async def wake(ctx: Ctx, workflow_id: str, *, due: datetime | None = None) -> None:
    """Have a workflow looked at after this commit, or at `due`."""
    await _WAKE.send(ctx.db, workflow=workflow_id, due=due)
    ctx.poke(TOPIC)


async def wake_waiting(ctx: Ctx, on: str) -> None:
    """Wake every workflow with a step that waits for `on`: call it in the transaction in which that is finished.

    A second look follows one second later, for a step that began to wait at this very moment and could not be seen from here.
    """
    await _WAKE_WAITING.send(ctx.db, on=on, later=SECOND_LOOK)
    ctx.poke(TOPIC)


async def respond(
    ctx: Ctx, step: WorkflowStep, approval: WorkflowStepApproval, response_type: str, note: str = ""
) -> WorkflowStepApprovalResponse:
    """Answer an approval (spec domain.md 3.6). One answer per approval: a second one is Invalid, also in a race."""
    workflow, steps = await _locked(ctx, step.install_workflow_id)
    step = _among(steps, step.id)
    if approval.install_workflow_step_id != step.id:
        raise NotFound(f"approval {approval.id} is not one of step {step.id}")
    given = select(WorkflowStepApprovalResponse).where(
        WorkflowStepApprovalResponse.install_workflow_step_approval_id == approval.id, WorkflowStepApprovalResponse.deleted_at == 0
    )
    if (await ctx.db.execute(given)).first() is not None:
        raise Invalid(f"approval {approval.id} already has a response")
    change = rules.answer(step, steps, response_type, note)
    response = await _response(ctx, approval, response_type, note)
    await _carry(ctx, workflow, steps, change)
    return response


async def approve_all(ctx: Ctx, workflow: Workflow) -> None:
    """Set the approval option to approve-all: whatever waits for an approval now or later is approved, noted "auto-approved"."""
    workflow, steps = await _locked(ctx, workflow.id)
    workflow.approval_option = "approve-all"
    for step in sorted((step for step in steps if step.state == "asking"), key=rules.order):
        newest = select(WorkflowStepApproval).where(WorkflowStepApproval.install_workflow_step_id == step.id)
        approval = await one(ctx.db, newest.order_by(WorkflowStepApproval.created_at.desc()).limit(1))
        await _response(ctx, approval, "approve", "auto-approved")
        await _carry(ctx, workflow, steps, rules.answer(step, steps, "approve", "auto-approved"))
    await wake(ctx, workflow.id)


async def retry(ctx: Ctx, step: WorkflowStep) -> None:
    """Retry a failed step (Invalid unless it is in error and retryable). A step that applies a plan is planned again too."""
    workflow, steps = await _locked(ctx, step.install_workflow_id)
    step = _among(steps, step.id)
    change = rules.retry(workflow, step, steps)
    step.retried = True
    await _again(ctx, workflow, steps, change)


async def skip(ctx: Ctx, step: WorkflowStep) -> None:
    """Skip a failed step (Invalid unless it is in error and skippable) and go on with what comes after."""
    workflow, steps = await _locked(ctx, step.install_workflow_id)
    step = _among(steps, step.id)
    await _again(ctx, workflow, steps, rules.skip(workflow, step, steps))


async def cancel(ctx: Ctx, workflow: Workflow) -> None:
    """Cancel a workflow that is not finished (else Invalid). Its jobs end in the next advance."""
    workflow, steps = await _locked(ctx, workflow.id)
    change = rules.cancel(workflow, steps)
    workflow.status = moved(workflow.status, "cancelled", "cancelled by a user", by=ctx.actor.account_id)
    if workflow.state == "pending":
        workflow.state = "finished"
    workflow.finished_at = now()
    await _carry(ctx, workflow, steps, change)


async def _again(ctx: Ctx, workflow: Workflow, steps: list[WorkflowStep], change: Change) -> None:
    by = ctx.actor.account_id
    workflow.status = moved(workflow.status, "retrying", by=by)
    workflow.status["metadata"].pop("error_message", None)  # of the end before, which the history keeps
    if workflow.state == "finished":
        workflow.state = "pending"  # it takes its turn among those of its serial key
        workflow.finished_at = None
    elif workflow.state == "running":
        workflow.status = moved(workflow.status, "in-progress", by=by)
    await _carry(ctx, workflow, steps, change)


async def _locked(ctx: Ctx, workflow_id: str) -> tuple[Workflow, list[WorkflowStep]]:
    """Take the workflow's row lock, then read: a running advance has committed before."""
    await ctx.db.flush()
    lock = select(Workflow).where(Workflow.id == workflow_id, Workflow.deleted_at == 0)
    found = await one(
        ctx.db,
        lock.with_for_update(key_share=True).execution_options(populate_existing=True),
        or_raise=NotFound(f"workflow {workflow_id} not found"),
    )
    listed = select(WorkflowStep).where(WorkflowStep.install_workflow_id == workflow_id)
    return found, await every(ctx.db, listed.execution_options(populate_existing=True))


def _among(steps: list[WorkflowStep], step_id: str) -> WorkflowStep:
    for step in steps:
        if step.id == step_id:
            return step
    raise NotFound(f"step {step_id} not found")


async def _carry(ctx: Ctx, workflow: Workflow, steps: list[WorkflowStep], change: Change) -> None:
    clones = rows.carry(workflow, steps, change, by=ctx.actor.account_id)
    ctx.db.add_all(clones)
    steps += clones
    await ctx.db.flush()
    await wake(ctx, workflow.id)


async def _response(ctx: Ctx, approval: WorkflowStepApproval, response_type: str, note: str) -> WorkflowStepApprovalResponse:
    response = WorkflowStepApprovalResponse(
        org_id=approval.org_id,
        created_by_id=ctx.actor.account_id,
        install_workflow_step_approval_id=approval.id,
        type=response_type,
        note=note,
    )
    ctx.db.add(response)
    try:
        await ctx.db.flush()
    except IntegrityError as error:
        raise Invalid(f"approval {approval.id} already has a response") from error
    return response
