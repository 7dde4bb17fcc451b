"""Is a plan the one that was approved? Asked again at the moment of applying: a row that changed in between stops the apply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, select

from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecutionResult, RunnerJobPlan
from exclave.domain.jobs.service import JobResult
from exclave.engine.models import WorkflowStepApproval, WorkflowStepApprovalResponse
from exclave.kit.context import Ctx
from exclave.kit.prepared import Prepared, any_of, in_org

_YES = ("approve", "auto-approve")

# What a plan job delivered, the document that it was given, and the newest approval that was asked for it, with the answer.
_PLANNED: Prepared[tuple[RunnerJobExecutionResult, RunnerJobPlan | None, str | None, str | None]] = Prepared(
    select(RunnerJobExecutionResult, RunnerJobPlan, WorkflowStepApproval.plan_digest, WorkflowStepApprovalResponse.type)
    .select_from(RunnerJob)
    .join(RunnerJobExecutionResult, RunnerJobExecutionResult.runner_job_execution_id == RunnerJob.current_execution_id)
    .outerjoin(RunnerJobPlan, RunnerJobPlan.runner_job_id == RunnerJob.id)
    .outerjoin(
        WorkflowStepApproval,
        and_(
            WorkflowStepApproval.install_workflow_step_id == any_of("steps"),
            WorkflowStepApproval.deleted_at == 0,
        ),
    )
    .outerjoin(WorkflowStepApprovalResponse, WorkflowStepApprovalResponse.install_workflow_step_approval_id == WorkflowStepApproval.id)
    .where(RunnerJob.id == bindparam("job"), in_org(RunnerJob), RunnerJob.deleted_at == 0)
    .order_by(WorkflowStepApproval.created_at.desc())
    .limit(1)
)


@dataclass(frozen=True)
class Planned:
    """What was planned, the document that it was planned from, and what was said of it: the digest that was asked about and the
    answer, None where nobody was asked, or nobody answered."""

    result: JobResult
    document: bytes
    asked: str | None
    answer: str | None


async def planned(ctx: Ctx, job_id: str, plan_step_ids: Sequence[str]) -> Planned | None:
    """Return what a plan job delivered; None when it is not there any more."""
    found: Any = await _PLANNED.first(ctx.db, job=job_id, steps=list(plan_step_ids), org=ctx.org_id)
    if found is None:
        return None
    row, plan, asked, answer = found
    return Planned(await jobs.opened_result(ctx, row), await jobs.opened_plan(ctx, job_id, plan), asked, answer)


def refusal(planned: Planned, *, digest: str, noop: bool) -> str:
    """Say why a plan may not be applied; empty when it may.

    `digest` is what the run says of its plan. A plan that was asked about must have been approved with this very digest, which is also
    that of the stored file; one that nobody was asked about must change nothing.
    """
    if not digest or digest != planned.result.contents_digest:
        return "the plan that is stored is not the plan that was shown: nothing is applied, plan again"
    if planned.asked is None:
        return "" if noop else "nobody approved the plan: nothing is applied"
    if planned.answer not in _YES:
        return "the plan was not approved: nothing is applied"
    return "" if planned.asked == digest else "the plan that was approved is not the plan that is stored: nothing is applied, plan again"
