"""Every SELECT on workflows, limited to what the actor may see. Kinds that clients never see (builds) are left out."""

from sqlalchemy import Select, bindparam, select

from exclave.domain.apps.models import AppConfig, AppSandboxConfig
from exclave.domain.installs.models import Install
from exclave.engine.models import Workflow, WorkflowStep, WorkflowStepApproval
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org

# An install, its sandbox config, and its app config, which the graph of its components asks for.
VIEWED: Prepared[tuple[Install, AppSandboxConfig | None, AppConfig | None]] = Prepared(
    select(Install, AppSandboxConfig, AppConfig)
    .select_from(Install)
    .outerjoin(AppSandboxConfig, AppSandboxConfig.id == Install.app_sandbox_config_id)
    .outerjoin(AppConfig, AppConfig.id == Install.app_config_id)
    .where(Install.id == bindparam("install"), in_org(Install), Install.deleted_at == 0)
)


def visible_to(actor: Actor) -> Select[Workflow]:
    return select(Workflow).where(Workflow.org_id == actor.org_id, Workflow.deleted_at == 0, Workflow.visible)


def by_id(actor: Actor, workflow_id: str) -> Select[Workflow]:
    return visible_to(actor).where(Workflow.id == workflow_id)


def steps_of(actor: Actor, workflow_id: str) -> Select[WorkflowStep]:
    """The steps of a visible workflow, in their order."""
    return (
        select(WorkflowStep)
        .join(Workflow, Workflow.id == WorkflowStep.install_workflow_id)
        .where(
            WorkflowStep.org_id == actor.org_id,
            WorkflowStep.install_workflow_id == workflow_id,
            WorkflowStep.deleted_at == 0,
            Workflow.visible,
        )
        .order_by(WorkflowStep.group_idx, WorkflowStep.group_retry_idx, WorkflowStep.idx, WorkflowStep.created_at)
    )


def approval(actor: Actor, workflow_id: str, approval_id: str) -> Select[WorkflowStep, WorkflowStepApproval]:
    """An approval of a workflow, with the step that asked."""
    return (
        select(WorkflowStep, WorkflowStepApproval)
        .join(WorkflowStepApproval, WorkflowStepApproval.install_workflow_step_id == WorkflowStep.id)
        .where(
            WorkflowStep.org_id == actor.org_id,
            WorkflowStep.install_workflow_id == workflow_id,
            WorkflowStepApproval.id == approval_id,
            WorkflowStepApproval.deleted_at == 0,
        )
    )
