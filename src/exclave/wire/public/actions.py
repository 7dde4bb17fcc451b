"""What the public API says about actions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import field

from exclave.wire.base import Body, CompositeStatus, Ref, Shape, word


ActionWorkflowTriggerType = Literal[
    "manual",
    "cron",
    "pre-deploy-component",
    "post-deploy-component",
    "pre-teardown-component",
    "post-teardown-component",
    "pre-secrets-sync",
    "post-secrets-sync",
    "pre-provision",
    "post-provision",
    "pre-reprovision",
    "post-reprovision",
    "pre-deprovision",
    "post-deprovision",
    "pre-deploy-all-components",
    "post-deploy-all-components",
    "pre-teardown-all-components",
    "post-teardown-all-components",
    "pre-deprovision-sandbox",
    "post-deprovision-sandbox",
    "pre-reprovision-sandbox",
    "post-reprovision-sandbox",
    "pre-update-inputs",
    "post-update-inputs",
]


InstallActionWorkflowRunStepStatus = Literal["finished", "pending", "in-progress", "timed-out", "error"]


class ActionWorkflow(Shape):
    """`app.ActionWorkflow` of the contract."""

    id: str = field(default_factory=str)
    app_id: str = ""
    config_count: int = field(default_factory=int)
    configs: list[ActionWorkflowConfig] | None = field(default_factory=lambda: None)
    created_by_id: str = ""
    name: str = ""
    status: str = ""
    status_description: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ActionWorkflowConfig(Shape):
    """`app.ActionWorkflowConfig` of the contract."""

    id: str = ""
    action_workflow_id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    break_glass_role_arn: str = ""
    component_dependency_ids: list[str] | None = field(default_factory=lambda: None)
    created_by_id: str = ""
    references: list[str] | None = field(default_factory=lambda: None)
    refs: list[Ref] | None = field(default_factory=lambda: None)
    steps: list[ActionWorkflowStepConfig] | None = None
    timeout: int = 0
    triggers: list[ActionWorkflowTriggerConfig] | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ActionWorkflowStepConfig(Shape):
    """`app.ActionWorkflowStepConfig` of the contract."""

    id: str = field(default_factory=str)
    action_workflow_config_id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    command: str = ""
    connected_github_vcs_config: ConnectedGithubVCSConfig | None = None
    created_by_id: str = field(default_factory=str)
    env_vars: dict[str, str | None] | None = None
    idx: int = 0
    inline_contents: str = ""
    name: str = ""
    previous_step_id: str = ""
    public_git_vcs_config: PublicGitVCSConfig | None = None
    references: list[str] | None = field(default_factory=lambda: None)
    org_id: str = ""
    created_at: datetime | None = field(default_factory=lambda: None)
    updated_at: datetime | None = field(default_factory=lambda: None)


class ActionWorkflowTriggerConfig(Shape):
    """`app.ActionWorkflowTriggerConfig` of the contract."""

    id: str = field(default_factory=str)
    action_workflow_config_id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    component: Component | None = field(default_factory=lambda: None)
    component_id: str = ""
    created_by_id: str = field(default_factory=str)
    cron_schedule: str = ""
    index: int = 0
    type: str = ""
    org_id: str = ""
    created_at: datetime | None = field(default_factory=lambda: None)
    updated_at: datetime | None = field(default_factory=lambda: None)


class InstallActionWorkflow(Shape):
    """`app.InstallActionWorkflow` of the contract."""

    id: str = ""
    action_workflow: ActionWorkflow | None = None
    action_workflow_id: str = ""
    created_by_id: str = ""
    install_id: str = ""
    runs: list[InstallActionWorkflowRun] | None = None
    status: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallActionWorkflowRun(Shape):
    """`app.InstallActionWorkflowRun` of the contract."""

    id: str = ""
    action_workflow_config_id: str = ""
    config: ActionWorkflowConfig | None = None
    created_by: Account | None = None
    created_by_id: str = ""
    execution_time: int = 0
    install_action_workflow: InstallActionWorkflow | None = None
    install_action_workflow_id: str = ""
    install_id: str = ""
    install_workflow_id: str = field(default_factory=str)
    log_stream: LogStream | None = None
    outputs: Any = None
    run_env_vars: dict[str, str | None] | None = None
    runner_job: RunnerJob | None = None
    status: str = ""
    status_description: str = ""
    status_v2: CompositeStatus | None = None
    steps: list[InstallActionWorkflowRunStep] | None = None
    trigger_type: Annotated[str, word(ActionWorkflowTriggerType)] = ""
    triggered_by_id: str = ""
    triggered_by_type: str = ""
    workflow: Workflow | None = None
    workflow_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallActionWorkflowRunStep(Shape):
    """`app.InstallActionWorkflowRunStep` of the contract."""

    id: str = ""
    created_by_id: str = ""
    execution_duration: int = 0
    install_action_workflow_run_id: str = ""
    status: Annotated[str, word(InstallActionWorkflowRunStepStatus)] = ""
    step_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class CreateActionWorkflowConfigRequest(Body):
    """`service.CreateActionWorkflowConfigRequest` of the contract."""

    app_config_id: str
    steps: list[CreateActionWorkflowConfigStepRequest]
    triggers: list[CreateActionWorkflowConfigTriggerRequest]
    break_glass_role_arn: str = ""
    dependencies: list[str] | None = None
    references: list[str] | None = None
    timeout: int = 0


class CreateActionWorkflowConfigStepRequest(Body):
    """`service.CreateActionWorkflowConfigStepRequest` of the contract."""

    name: str
    command: str = ""
    connected_github_vcs_config: ConnectedGithubVCSActionWorkflowConfigRequest | None = None
    env_vars: dict[str, str] | None = None
    inline_contents: str = ""
    public_git_vcs_config: PublicGitVCSActionWorkflowConfigRequest | None = None
    references: list[str] | None = None


class CreateActionWorkflowConfigTriggerRequest(Body):
    """`service.CreateActionWorkflowConfigTriggerRequest` of the contract."""

    type: ActionWorkflowTriggerType
    component_name: str = ""
    cron_schedule: str = ""
    index: int = 0


class CreateAppActionRequest(Body):
    """`service.CreateAppActionRequest` of the contract."""

    name: str = ""


class CreateAppActionWorkflowRequest(Body):
    """`service.CreateAppActionWorkflowRequest` of the contract."""

    name: str = ""


class CreateInstallActionWorkflowRunRequest(Body):
    """`service.CreateInstallActionWorkflowRunRequest` of the contract."""

    action_workflow_config_id: str = ""
    run_env_vars: dict[str, str] | None = None


class UpdateActionWorkflowRequest(Body):
    """`service.UpdateActionWorkflowRequest` of the contract."""

    name: str = ""


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.accounts import Account
from exclave.wire.public.components import Component
from exclave.wire.public.runners import LogStream, RunnerJob
from exclave.wire.public.vcs import (
    ConnectedGithubVCSActionWorkflowConfigRequest,
    ConnectedGithubVCSConfig,
    PublicGitVCSActionWorkflowConfigRequest,
    PublicGitVCSConfig,
)
from exclave.wire.public.workflows import Workflow
