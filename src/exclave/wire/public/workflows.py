"""What the public API says about workflows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import field

from exclave.wire.base import Body, CompositeStatus, JSONObject, Shape, word


InstallApprovalOption = Literal["approve-all", "prompt"]


StepErrorBehavior = Literal["abort"]


WorkflowStepApprovalType = Literal["noop", "approve-all", "terraform_plan", "kubernetes_manifest_approval", "helm_approval"]


WorkflowStepExecutionType = Literal["system", "user", "approval", "skipped", "hidden"]


WorkflowStepResponseType = Literal["deny", "approve", "deny-skip-current", "deny-skip-current-and-dependents", "retry", "auto-approve"]


WorkflowType = Literal[
    "provision",
    "deprovision",
    "deprovision_sandbox",
    "manual_deploy",
    "input_update",
    "deploy_components",
    "teardown_component",
    "teardown_components",
    "reprovision_sandbox",
    "drift_run_reprovision_sandbox",
    "action_workflow_run",
    "sync_secrets",
    "drift_run",
    "app_branches_manual_update",
    "app_branches_config_repo_update",
    "app_branches_component_repo_update",
    "reprovision",
]


class Workflow(Shape):
    """`app.Workflow` of the contract."""

    id: str = ""
    approval_option: Annotated[str, word(InstallApprovalOption)] = ""
    created_by: Account = field(default_factory=lambda: Account())
    created_by_id: str = ""
    execution_time: int = 0
    finished: bool = False
    install_action_workflow_runs: list[InstallActionWorkflowRun] | None = None
    install_deploys: list[InstallDeploy] | None = None
    install_sandbox_runs: list[InstallSandboxRun] | None = None
    links: JSONObject = field(default_factory=dict)
    metadata: dict[str, str | None] | None = None
    name: str = ""
    owner_id: str = ""
    owner_type: str = ""
    plan_only: bool = field(default_factory=bool)
    status: CompositeStatus | None = None
    step_error_behavior: Annotated[str, word(StepErrorBehavior)] = ""
    steps: list[WorkflowStep] | None = None
    type: Annotated[str, word(WorkflowType)] = ""
    org_id: str = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None


class WorkflowStep(Shape):
    """`app.WorkflowStep` of the contract."""

    id: str = ""
    approval: WorkflowStepApproval | None = None
    created_by: Account = field(default_factory=lambda: Account())
    created_by_id: str = ""
    execution_time: int = 0
    execution_type: Annotated[str, word(WorkflowStepExecutionType)] = ""
    finished: bool = False
    group_idx: int = 0
    group_retry_idx: int = field(default_factory=int)
    idx: int = 0
    install_workflow_id: str = ""
    links: JSONObject = field(default_factory=dict)
    metadata: dict[str, str | None] | None = None
    name: str = ""
    owner_id: str = ""
    owner_type: str = ""
    policy_validation: WorkflowStepPolicyValidation | None = None
    retried: bool = False
    retryable: bool = False
    skippable: bool = False
    status: CompositeStatus | None = None
    step_target_id: str = ""
    step_target_type: str = ""
    workflow_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None


class WorkflowStepApproval(Shape):
    """`app.WorkflowStepApproval` of the contract."""

    id: str = ""
    created_by_id: str = ""
    install_workflow_step: WorkflowStep = field(default_factory=lambda: WorkflowStep(), name="installWorkflowStep")
    install_workflow_step_id: str = field(default_factory=str, name="installWorkflowStepID")
    owner_id: str = ""
    owner_type: str = ""
    response: dict[str, str] | None = None
    runner_job: RunnerJob | None = None
    runner_job_id: str = ""
    type: Annotated[str, word(WorkflowStepApprovalType)] = field(default_factory=str)
    workflow_step: WorkflowStep | None = None
    workflow_step_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class WorkflowStepPolicyValidation(Shape):
    """`app.WorkflowStepPolicyValidation` of the contract."""

    id: str = ""
    created_by_id: str = ""
    install_workflow_step_id: str = ""
    response: str = ""
    runner_job_id: str = ""
    status: CompositeStatus | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class CreateWorkflowStepApprovalResponseResponse(Shape):
    """`service.CreateWorkflowStepApprovalResponseResponse` of the contract."""

    id: str = field(default_factory=str)
    note: str = field(default_factory=str)
    type: str = field(default_factory=str)


class RetryWorkflowByIDResponse(Shape):
    """`service.RetryWorkflowByIDResponse` of the contract."""

    workflow_id: str = field(default_factory=str)


class RetryWorkflowResponse(Shape):
    """`service.RetryWorkflowResponse` of the contract."""

    workflow_id: str = field(default_factory=str)


class CreateWorkflowStepApprovalResponseRequest(Body):
    """`service.CreateWorkflowStepApprovalResponseRequest` of the contract."""

    note: str = ""
    response_type: WorkflowStepResponseType | None = None


class RetryWorkflowByIDRequest(Body):
    """`service.RetryWorkflowByIDRequest` of the contract."""

    operation: str = ""
    step_id: str = ""


class RetryWorkflowRequest(Body):
    """`service.RetryWorkflowRequest` of the contract."""

    operation: str = ""
    step_id: str = ""
    workflow_id: str = ""


class RetryWorkflowStepRequest(Body):
    """`service.RetryWorkflowStepRequest` of the contract."""

    operation: str = ""


class UpdateWorkflowRequest(Body):
    """`service.UpdateWorkflowRequest` of the contract."""

    approval_option: InstallApprovalOption


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.accounts import Account
from exclave.wire.public.actions import InstallActionWorkflowRun
from exclave.wire.public.deploys import InstallDeploy
from exclave.wire.public.runners import RunnerJob
from exclave.wire.public.sandboxes import InstallSandboxRun
