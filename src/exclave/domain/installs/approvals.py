"""Is a plan the one that was approved? Asked again at the moment of applying: a row that changed in between stops the apply."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, String, any_, bindparam, select

from exclave.engine.models import WorkflowStepApproval, WorkflowStepApprovalResponse
from exclave.kit.context import Ctx
from exclave.kit.prepared import Prepared

_YES = ("approve", "auto-approve")

_NEWEST: Prepared[tuple[str, str | None]] = Prepared(
    select(WorkflowStepApproval.plan_digest, WorkflowStepApprovalResponse.type)
    .outerjoin(WorkflowStepApprovalResponse, WorkflowStepApprovalResponse.install_workflow_step_approval_id == WorkflowStepApproval.id)
    .where(
        WorkflowStepApproval.install_workflow_step_id == any_(bindparam("steps", type_=ARRAY(String))),
        WorkflowStepApproval.deleted_at == 0,
    )
    .order_by(WorkflowStepApproval.created_at.desc())
    .limit(1)
)


async def refusal(ctx: Ctx, plan_step_ids: Sequence[str], *, digest: str, stored: str, noop: bool) -> str:
    """Say why a plan may not be applied; empty when it may.

    `digest` is what the run says of its plan, `stored` what the stored plan file has. A plan that was asked about must have been
    approved with this very digest; one that nobody was asked about must change nothing.
    """
    if not digest or digest != stored:
        return "the plan that is stored is not the plan that was shown: nothing is applied, plan again"
    found = await _NEWEST.first(ctx.db, steps=list(plan_step_ids))
    if found is None:
        return "" if noop else "nobody approved the plan: nothing is applied"
    approved, response = found
    if response not in _YES:
        return "the plan was not approved: nothing is applied"
    return "" if approved == digest else "the plan that was approved is not the plan that is stored: nothing is applied, plan again"
