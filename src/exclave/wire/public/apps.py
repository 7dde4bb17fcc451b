"""What the public API says about apps and their configs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import field

from exclave.wire.base import Body, JSONObject, Ref, Shape, word


AppConfigStatus = Literal["active", "pending", "syncing", "error", "outdated"]


AppConfigVersion = Literal["", "v2"]


AppInputSource = Literal["vendor", "customer"]


AppRunnerConfigHelmDriverType = Literal["secret", "configmap", ""]


AppRunnerType = Literal["unknown", "aws-ecs", "aws-eks", "azure-aks", "azure-acs", "local", "aws", "azure"]


AppConfigTemplateType = Literal[
    "aws-ecs",
    "aws-ecs-byovpc",
    "aws-eks",
    "aws-eks-byovpc",
    "azure-aks",
    "flat",
    "top-level",
    "installer",
    "runner",
    "sandbox",
    "inputs",
    "terraform",
    "terraformInfra",
    "helm",
    "docker-build",
    "job",
    "container-image",
    "ecr-container-image",
]


class App(Shape):
    """`app.App` of the contract."""

    id: str = ""
    app_configs: list[AppConfig] | None = field(default_factory=lambda: None)
    cloud_platform: str = ""
    config_directory: str = ""
    config_repo: str = ""
    created_by_id: str = ""
    description: str = ""
    display_name: str = ""
    input_config: AppInputConfig | None = None
    links: JSONObject = field(default_factory=dict)
    name: str = ""
    notifications_config: NotificationsConfig | None = None
    org_id: str = ""
    runner_config: AppRunnerConfig | None = None
    runner_type: str = ""
    sandbox_config: AppSandboxConfig | None = None
    status: str = ""
    status_description: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppBranch(Shape):
    """`app.AppBranch` of the contract."""

    id: str = ""
    app_id: str = ""
    connected_github_vcs_config_id: str = field(default_factory=str)
    created_by_id: str = ""
    name: str = field(default_factory=str)
    org_id: str = ""
    workflows: list[Workflow] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppConfig(Shape):
    """`app.AppConfig` of the contract."""

    id: str = ""
    action_workflow_configs: list[ActionWorkflowConfig] = field(default_factory=list)
    app_branch: AppBranch | None = field(default_factory=lambda: None)
    app_branch_id: str = ""
    app_id: str = ""
    break_glass: AppBreakGlassConfig | None = None
    checksum: str = ""
    cli_version: str = ""
    component_config_connections: list[ComponentConfigConnection] = field(default_factory=list)
    component_ids: list[str] | None = None
    created_by_id: str = ""
    input: AppInputConfig | None = None
    org_id: str = ""
    permissions: AppPermissionsConfig | None = None
    policies: AppPoliciesConfig | None = None
    readme: str = ""
    runner: AppRunnerConfig | None = None
    sandbox: AppSandboxConfig | None = None
    secrets: AppSecretsConfig | None = None
    stack: AppStackConfig | None = None
    state: str = ""
    status: Annotated[str, word(AppConfigStatus)] = ""
    status_description: str = ""
    vcs_connection_commit: VCSConnectionCommit | None = None
    version: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppInput(Shape):
    """`app.AppInput` of the contract."""

    id: str = ""
    app_input_id: str = ""
    cloudformation_stack_name: str = ""
    cloudformation_stack_parameter_name: str = ""
    created_by_id: str = ""
    default: str = ""
    description: str = ""
    display_name: str = ""
    group: AppInputGroup | None = None
    group_id: str = ""
    index: int = 0
    internal: bool = False
    name: str = ""
    org_id: str = ""
    required: bool = False
    sensitive: bool = False
    source: str = ""
    type: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppInputConfig(Shape):
    """`app.AppInputConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    created_by_id: str = ""
    input_groups: list[AppInputGroup] | None = None
    inputs: list[AppInput] | None = None
    install_inputs: list[InstallInputs] | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppInputGroup(Shape):
    """`app.AppInputGroup` of the contract."""

    id: str = ""
    app_input_id: str = ""
    app_inputs: list[AppInput] | None = None
    created_by_id: str = ""
    description: str = ""
    display_name: str = ""
    index: int = 0
    name: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppRunnerConfig(Shape):
    """`app.AppRunnerConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    app_runner_type: Annotated[str, word(AppRunnerType)] = ""
    cloud_platform: Annotated[str, word(CloudPlatform)] = ""
    created_by_id: str = ""
    env_vars: dict[str, str | None] | None = None
    helm_driver: str = field(default_factory=str)
    init_script: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppSandboxConfig(Shape):
    """`app.AppSandboxConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    aws_region_type: str = ""
    cloud_platform: str = ""
    connected_github_vcs_config: ConnectedGithubVCSConfig | None = None
    created_by_id: str = ""
    drift_schedule: str = ""
    env_vars: dict[str, str | None] | None = None
    org_id: str = ""
    public_git_vcs_config: PublicGitVCSConfig | None = None
    references: list[str] | None = field(default_factory=lambda: None)
    refs: list[Ref] | None = field(default_factory=lambda: None)
    terraform_version: str = ""
    variables: dict[str, str | None] | None = None
    variables_files: list[str] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppStackConfig(Shape):
    """`app.AppStackConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    created_by_id: str = ""
    description: str = ""
    name: str = ""
    org_id: str = ""
    runner_nested_template_url: str = ""
    type: Annotated[str, word(StackType)] = ""
    vpc_nested_template_url: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppConfigTemplate(Shape):
    """`service.AppConfigTemplate` of the contract."""

    content: str = field(default_factory=str)
    filename: str = field(default_factory=str)
    format: Annotated[str, word(AppConfigVersion)] = field(default_factory=str)
    type: Annotated[str, word(AppConfigTemplateType)] = field(default_factory=str)


class AppGroupRequest(Body):
    """`service.AppGroupRequest` of the contract."""

    description: str
    display_name: str
    index: int


class AppInputRequest(Body):
    """`service.AppInputRequest` of the contract."""

    description: str
    display_name: str
    group: str
    index: int
    default: str = ""
    internal: bool = False
    required: bool = False
    sensitive: bool = False
    source: AppInputSource | None = None
    type: str = ""


class CreateAppBranchRequest(Body):
    """`service.CreateAppBranchRequest` of the contract."""

    connected_github_vcs_config_id: str
    name: str


class CreateAppConfigRequest(Body):
    """`service.CreateAppConfigRequest` of the contract."""

    cli_version: str = ""
    readme: str = ""


class CreateAppInputConfigRequest(Body):
    """`service.CreateAppInputConfigRequest` of the contract."""

    groups: dict[str, AppGroupRequest]
    inputs: dict[str, AppInputRequest]
    app_config_id: str = ""


class CreateAppRequest(Body):
    """`service.CreateAppRequest` of the contract."""

    name: str
    description: str = ""
    display_name: str = ""
    slack_webhook_url: str = ""


class CreateAppRunnerConfigRequest(Body):
    """`service.CreateAppRunnerConfigRequest` of the contract."""

    type: AppRunnerType
    app_config_id: str = ""
    env_vars: dict[str, str] | None = None
    helm_driver: AppRunnerConfigHelmDriverType | None = None
    init_script_url: str = ""


class CreateAppSandboxConfigRequest(Body):
    """`service.CreateAppSandboxConfigRequest` of the contract."""

    env_vars: dict[str, str]
    terraform_version: str
    variables: dict[str, str]
    app_config_id: str = ""
    connected_github_vcs_config: ConnectedGithubVCSSandboxConfigRequest | None = None
    drift_schedule: str = ""
    public_git_vcs_config: PublicGitVCSSandboxConfigRequest | None = None
    references: list[str] | None = None
    variables_files: list[str] | None = None


class CreateAppStackConfigRequest(Body):
    """`service.CreateAppStackConfigRequest` of the contract."""

    app_config_id: str
    description: str
    name: str
    type: StackType
    runner_nested_template_url: str = ""
    vpc_nested_template_url: str = ""


class UpdateAppConfigInstallsRequest(Body):
    """`service.UpdateAppConfigInstallsRequest` of the contract."""

    install_ids: list[str] | None = field(name="installIDs", default=None)
    update_all: bool = field(name="updateAll", default=False)


class UpdateAppConfigRequest(Body):
    """`service.UpdateAppConfigRequest` of the contract."""

    component_ids: list[str] | None = None
    state: str = ""
    status: AppConfigStatus | None = None
    status_description: str = ""


class UpdateAppRequest(Body):
    """`service.UpdateAppRequest` of the contract."""

    config_directory: str = ""
    config_repo: str = ""
    description: str = ""
    display_name: str = ""
    name: str = ""
    slack_webhook_url: str = ""


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.access import AppBreakGlassConfig, AppPermissionsConfig, AppPoliciesConfig, AppSecretsConfig
from exclave.wire.public.actions import ActionWorkflowConfig
from exclave.wire.public.components import ComponentConfigConnection
from exclave.wire.public.general import CloudPlatform
from exclave.wire.public.installs import InstallInputs
from exclave.wire.public.orgs import NotificationsConfig
from exclave.wire.public.stacks import StackType
from exclave.wire.public.vcs import (
    ConnectedGithubVCSConfig,
    ConnectedGithubVCSSandboxConfigRequest,
    PublicGitVCSConfig,
    PublicGitVCSSandboxConfigRequest,
    VCSConnectionCommit,
)
from exclave.wire.public.workflows import Workflow
