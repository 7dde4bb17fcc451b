"""What the public API says about stacks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import field

from exclave.wire.base import CompositeStatus, JSONObject, Shape


StackType = Literal["aws-cloudformation"]


class AWSStackOutputs(Shape):
    """`app.AWSStackOutputs` of the contract."""

    account_id: str = ""
    break_glass_role_arns: dict[str, str] | None = None
    deprovision_iam_role_arn: str = ""
    install_inputs: dict[str, str] | None = None
    maintenance_iam_role_arn: str = ""
    private_subnets: list[str] | None = None
    provision_iam_role_arn: str = ""
    public_subnets: list[str] | None = None
    region: str = ""
    runner_iam_role_arn: str = ""
    runner_subnet: str = ""
    vpc_id: str = ""


class AzureStackOutputs(Shape):
    """`app.AzureStackOutputs` of the contract."""

    key_vault_id: str = ""
    key_vault_name: str = ""
    network_id: str = ""
    network_name: str = ""
    private_subnet_ids: list[str] | None = None
    private_subnet_names: list[str] | None = None
    public_subnet_ids: list[str] | None = None
    public_subnet_names: list[str] | None = None
    resource_group_id: str = ""
    resource_group_location: str = ""
    resource_group_name: str = ""
    subscription_id: str = field(default_factory=str)
    subscription_tenant_id: str = field(default_factory=str)


class InstallStack(Shape):
    """`app.InstallStack` of the contract."""

    id: str = ""
    created_by_id: str = ""
    install_id: str = ""
    install_stack_outputs: InstallStackOutputs | None = None
    org_id: str = ""
    versions: list[InstallStackVersion] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallStackOutputs(Shape):
    """`app.InstallStackOutputs` of the contract."""

    id: str = ""
    aws: AWSStackOutputs | None = None
    azure: AzureStackOutputs | None = None
    created_by_id: str = ""
    data: dict[str, str | None] | None = None
    data_contents: JSONObject | None = None
    install_stack_id: str = ""
    install_version_run_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallStackVersion(Shape):
    """`app.InstallStackVersion` of the contract."""

    id: str = ""
    app_config_id: str = ""
    aws_bucket_key: str = ""
    aws_bucket_name: str = ""
    checksum: str = ""
    composite_status: CompositeStatus | None = None
    contents: bytes = b""
    created_by_id: str = ""
    install_id: str = ""
    install_stack_id: str = ""
    org_id: str = ""
    phone_home_id: str = ""
    phone_home_url: str = ""
    quick_link_url: str = ""
    runs: list[InstallStackVersionRun] | None = None
    template_url: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallStackVersionRun(Shape):
    """`app.InstallStackVersionRun` of the contract."""

    id: str = ""
    created_by_id: str = ""
    data: dict[str, str | None] | None = None
    data_contents: JSONObject | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
