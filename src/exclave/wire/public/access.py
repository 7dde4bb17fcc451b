"""What the public API says about what an app may do in a customer's account: roles, policies, secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import field

from exclave.wire.base import Body, Shape, word


AWSIAMRoleType = Literal["runner_provision", "runner_deprovision", "runner_maintenance", "breakglass", "runner_breakglass"]


AppPolicyType = Literal["kubernetes_cluster", "runner_job_terraform_deploy", "runner_job_helm_deploy", "runner_job_action_workflow"]


class AppAWSIAMPolicyConfig(Shape):
    """`app.AppAWSIAMPolicyConfig` of the contract."""

    id: str = field(default_factory=str)
    app_aws_iam_role_config_id: str = ""
    app_config_id: str = ""
    cloudformation_stack_name: str = ""
    contents: bytes = b""
    created_by_id: str = ""
    managed_policy_name: str = ""
    name: str = field(default_factory=str)
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppAWSIAMRoleConfig(Shape):
    """`app.AppAWSIAMRoleConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    cloudformation_param_name: str = ""
    cloudformation_stack_name: str = ""
    created_by_id: str = ""
    description: str = ""
    display_name: str = ""
    name: str = ""
    org_id: str = ""
    owner_id: str = ""
    owner_type: str = ""
    permissions_boundary: bytes = b""
    policies: list[AppAWSIAMPolicyConfig] | None = None
    type: Annotated[str, word(AWSIAMRoleType)] = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppBreakGlassConfig(Shape):
    """`app.AppBreakGlassConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    aws_iam_roles: list[AppAWSIAMRoleConfig] | None = None
    created_by_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppPermissionsConfig(Shape):
    """`app.AppPermissionsConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    aws_iam_roles: list[AppAWSIAMRoleConfig] | None = None
    break_glass_aws_iam_role: AppAWSIAMRoleConfig | None = None
    created_by_id: str = ""
    deprovision_aws_iam_role: AppAWSIAMRoleConfig | None = None
    maintenance_aws_iam_role: AppAWSIAMRoleConfig | None = None
    org_id: str = ""
    provision_aws_iam_role: AppAWSIAMRoleConfig | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppPoliciesConfig(Shape):
    """`app.AppPoliciesConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    created_by_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppSecret(Shape):
    """`app.AppSecret` of the contract."""

    id: str = ""
    app_id: str = ""
    created_by_id: str = ""
    length: int = 0
    name: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppSecretConfig(Shape):
    """`app.AppSecretConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    app_secrets_config_id: str = ""
    auto_generate: bool = False
    cloudformation_param_name: str = ""
    cloudformation_stack_name: str = ""
    created_by_id: str = ""
    default: str = field(default_factory=str)
    description: str = ""
    display_name: str = ""
    format: str = field(default_factory=str)
    kubernetes_secret_name: str = ""
    kubernetes_secret_namespace: str = ""
    kubernetes_sync: bool = False
    name: str = ""
    org_id: str = ""
    required: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppSecretsConfig(Shape):
    """`app.AppSecretsConfig` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_id: str = ""
    created_by_id: str = ""
    org_id: str = ""
    secrets: list[AppSecretConfig] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AppAWSIAMPolicyConfigRequest(Body):
    """`service.AppAWSIAMPolicyConfig` of the contract."""

    contents: str = ""
    managed_policy_name: str = ""
    name: str = ""


class AppAWSIAMRoleConfigRequest(Body):
    """`service.AppAWSIAMRoleConfig` of the contract."""

    description: str
    display_name: str
    name: str
    permissions_boundary: str = ""
    policies: list[AppAWSIAMPolicyConfigRequest] | None = None


class AppPolicyConfig(Body):
    """`service.AppPolicyConfig` of the contract."""

    contents: str
    type: AppPolicyType


class AppSecretConfigRequest(Body):
    """`service.AppSecretConfig` of the contract."""

    description: str
    display_name: str
    name: str
    auto_generate: bool = False
    default: str = ""
    format: str = ""
    kubernetes_secret_name: str = ""
    kubernetes_secret_namespace: str = ""
    kubernetes_sync: bool = False
    required: bool = False


class CreateAppBreakGlassConfigRequest(Body):
    """`service.CreateAppBreakGlassConfigRequest` of the contract."""

    app_config_id: str
    roles: list[AppAWSIAMRoleConfigRequest]


class CreateAppPermissionsConfigRequest(Body):
    """`service.CreateAppPermissionsConfigRequest` of the contract."""

    app_config_id: str
    deprovision_role: AppAWSIAMRoleConfigRequest
    maintenance_role: AppAWSIAMRoleConfigRequest
    provision_role: AppAWSIAMRoleConfigRequest
    break_glass_roles: list[AppAWSIAMRoleConfigRequest] | None = None


class CreateAppPoliciesConfigRequest(Body):
    """`service.CreateAppPoliciesConfigRequest` of the contract."""

    app_config_id: str
    policies: list[AppPolicyConfig] | None = None


class CreateAppSecretRequest(Body):
    """`service.CreateAppSecretRequest` of the contract."""

    name: str
    value: str


class CreateAppSecretsConfigRequest(Body):
    """`service.CreateAppSecretsConfigRequest` of the contract."""

    app_config_id: str
    secrets: list[AppSecretConfigRequest] | None = None
