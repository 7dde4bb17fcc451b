"""What the public API says about installs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import field

from exclave.wire.base import Body, CompositeStatus, JSONObject, Shape, word


class AWSAccount(Shape):
    """`app.AWSAccount` of the contract."""

    id: str = ""
    created_by_id: str = ""
    iam_role_arn: str = ""
    region: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AzureAccount(Shape):
    """`app.AzureAccount` of the contract."""

    id: str = ""
    created_by_id: str = ""
    location: str = ""
    service_principal_app_id: str = ""
    service_principal_password: str = ""
    subscription_id: str = ""
    subscription_tenant_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Install(Shape):
    """`app.Install` of the contract."""

    id: str = ""
    app: App | None = None  # the original writes it where an install is read, but does not document it
    app_config_id: str = ""
    app_id: str = ""
    app_runner_config: AppRunnerConfig | None = None
    app_sandbox_config: AppSandboxConfig | None = None
    aws_account: AWSAccount | None = None
    azure_account: AzureAccount | None = None
    cloud_platform: str = ""
    component_statuses: dict[str, str | None] | None = None
    composite_component_status: str = ""
    composite_component_status_description: str = ""
    created_by_id: str = ""
    drifted_objects: list[DriftedObject] | None = None
    install_action_workflows: list[InstallActionWorkflow] = field(default_factory=list)
    install_components: list[InstallComponent] = field(default_factory=list)
    install_config: InstallConfig | None = None
    install_events: list[InstallEvent] | None = None
    install_inputs: list[InstallInputs] | None = None
    install_number: int = 0
    install_sandbox_runs: list[InstallSandboxRun] = field(default_factory=list)
    install_stack: InstallStack | None = None
    install_states: list[InstallState] | None = None
    links: JSONObject = field(default_factory=dict)
    metadata: dict[str, str | None] | None = None
    name: str = ""
    runner_id: str = ""
    runner_status: str = ""
    runner_status_description: str = ""
    runner_type: str = ""
    sandbox: InstallSandbox = field(default_factory=lambda: InstallSandbox())
    sandbox_status: str = ""
    sandbox_status_description: str = ""
    status: str = ""
    status_description: str = ""
    workflows: list[Workflow] | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallAuditLog(Shape):
    """`app.InstallAuditLog` of the contract."""

    install_id: str = ""
    log_line: str = ""
    time_stamp: str = ""
    type: str = ""


class InstallComponent(Shape):
    """`app.InstallComponent` of the contract."""

    id: str = ""
    component: Component | None = None
    component_id: str = ""
    created_by_id: str = ""
    drifted_object: DriftedObject | None = None
    helm_chart: HelmChart | None = field(default_factory=lambda: None)
    install_deploys: list[InstallDeploy] | None = None
    install_id: str = ""
    links: JSONObject = field(default_factory=dict)
    status: str = ""
    status_description: str = ""
    status_v2: CompositeStatus | None = None
    terraform_workspace: TerraformWorkspace | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallConfig(Shape):
    """`app.InstallConfig` of the contract."""

    id: str = ""
    approval_option: Annotated[str, word(InstallApprovalOption)] = ""
    created_by_id: str = ""
    install_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallEvent(Shape):
    """`app.InstallEvent` of the contract."""

    id: str = ""
    created_by_id: str = ""
    install_id: str = ""
    operation: str = ""
    operation_name: str = ""
    operation_status: Annotated[str, word(OperationStatus)] = ""
    org_id: str = ""
    payload: bytes = b""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallInputs(Shape):
    """`app.InstallInputs` of the contract."""

    id: str = ""
    app_input_config_id: str = ""
    created_by_id: str = ""
    install_id: str = ""
    org_id: str = ""
    redacted_values: dict[str, str | None] | None = None
    values: dict[str, str | None] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallState(Shape):
    """`app.InstallState` of the contract."""

    id: str = ""
    archived: bool = field(default_factory=bool)
    contents: str = ""
    created_by_id: str = ""
    install_id: str = ""
    triggered_by_id: str = ""
    triggered_by_type: str = ""
    version: int = 0
    org_id: str = ""
    created_at: datetime | None = None
    stale_at: datetime | None = None
    updated_at: datetime | None = None


class Readme(Shape):
    """`service.Readme` of the contract."""

    original: str = field(default_factory=str)
    readme: str = field(default_factory=str)
    warnings: list[str] | None = field(default_factory=lambda: None)


class ServiceCreateInstallRequestAwsAccount(Body):
    """`ServiceCreateInstallRequestAwsAccount` of the contract."""

    region: str = ""


class ServiceCreateInstallRequestAzureAccount(Body):
    """`ServiceCreateInstallRequestAzureAccount` of the contract."""

    location: str = ""


class ServiceCreateInstallV2RequestAwsAccount(Body):
    """`ServiceCreateInstallV2RequestAwsAccount` of the contract."""

    region: str = ""


class ServiceCreateInstallV2RequestAzureAccount(Body):
    """`ServiceCreateInstallV2RequestAzureAccount` of the contract."""

    location: str = ""


class CreateInstallConfigParams(Body):
    """`helpers.CreateInstallConfigParams` of the contract."""

    approval_option: InstallApprovalOption | None = None


class InstallMetadata(Body):
    """`helpers.InstallMetadata` of the contract."""

    managed_by: str = ""


class CreateInstallConfigRequest(Body):
    """`service.CreateInstallConfigRequest` of the contract."""

    approval_option: InstallApprovalOption | None = None


class CreateInstallInputsRequest(Body):
    """`service.CreateInstallInputsRequest` of the contract."""

    inputs: dict[str, str]


class CreateInstallRequest(Body):
    """`service.CreateInstallRequest` of the contract."""

    name: str
    aws_account: ServiceCreateInstallRequestAwsAccount | None = None
    azure_account: ServiceCreateInstallRequestAzureAccount | None = None
    inputs: dict[str, str] | None = None
    install_config: CreateInstallConfigParams | None = None
    metadata: InstallMetadata | None = None


class CreateInstallV2Request(Body):
    """`service.CreateInstallV2Request` of the contract."""

    app_id: str
    name: str
    aws_account: ServiceCreateInstallV2RequestAwsAccount | None = None
    azure_account: ServiceCreateInstallV2RequestAzureAccount | None = None
    inputs: dict[str, str] | None = None
    install_config: CreateInstallConfigParams | None = None
    metadata: InstallMetadata | None = None


class DeprovisionInstallRequest(Body):
    """`service.DeprovisionInstallRequest` of the contract."""

    plan_only: bool = False


class DeprovisionInstallSandboxRequest(Body):
    """`service.DeprovisionInstallSandboxRequest` of the contract."""

    plan_only: bool = False


class ForgetInstallRequest(Body):
    """`service.ForgetInstallRequest` of the contract."""

    pass


class InstallPhoneHomeRequest(Body):
    """`service.InstallPhoneHomeRequest`: no fields."""


class PatchInstallConfigParams(Body):
    """`service.PatchInstallConfigParams` of the contract."""

    approval_option: InstallApprovalOption | None = None


class ReprovisionInstallRequest(Body):
    """`service.ReprovisionInstallRequest` of the contract."""

    plan_only: bool = False


class ReprovisionInstallSandboxRequest(Body):
    """`service.ReprovisionInstallSandboxRequest` of the contract."""

    plan_only: bool = False


class SyncSecretsRequest(Body):
    """`service.SyncSecretsRequest` of the contract."""

    plan_only: bool = False


class TeardownInstallComponentRequest(Body):
    """`service.TeardownInstallComponentRequest` of the contract."""

    plan_only: bool = False


class TeardownInstallComponentsRequest(Body):
    """`service.TeardownInstallComponentsRequest` of the contract."""

    plan_only: bool = False


class UpdateInstallConfigRequest(Body):
    """`service.UpdateInstallConfigRequest` of the contract."""

    approval_option: InstallApprovalOption | None = None


class UpdateInstallInputsRequest(Body):
    """`service.UpdateInstallInputsRequest` of the contract."""

    inputs: dict[str, str]


class UpdateInstallRequest(Body):
    """`service.UpdateInstallRequest` of the contract."""

    install_config: PatchInstallConfigParams | None = None
    metadata: InstallMetadata | None = None
    name: str = ""


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.actions import InstallActionWorkflow
from exclave.wire.public.apps import App, AppRunnerConfig, AppSandboxConfig
from exclave.wire.public.components import Component
from exclave.wire.public.deploys import DriftedObject, InstallDeploy
from exclave.wire.public.general import OperationStatus
from exclave.wire.public.sandboxes import InstallSandbox, InstallSandboxRun
from exclave.wire.public.stacks import InstallStack
from exclave.wire.public.workflows import InstallApprovalOption, Workflow
from exclave.wire.public.workspaces import HelmChart, TerraformWorkspace
