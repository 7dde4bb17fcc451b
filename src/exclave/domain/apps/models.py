"""Apps, app configs and the one-to-one children of a config (spec domain.md 1.3)."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Encrypted, Tenant


class App(Tenant):
    __tablename__ = "apps"
    prefix = "app"

    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    display_name: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(default="active")
    status_description: Mapped[str] = mapped_column(default="")
    config_repo: Mapped[str] = mapped_column(default="")
    config_directory: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("org_id", "name", "deleted_at"),)


class AppConfig(Tenant):
    """One version of everything that a vendor describes. Installs pin one."""

    __tablename__ = "app_configs"
    prefix = "app"

    app_id: Mapped[str] = mapped_column(String(26), ForeignKey("apps.id"))
    version: Mapped[int]
    status: Mapped[str] = mapped_column(default="pending")
    status_description: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(Text, default="")
    readme: Mapped[str] = mapped_column(Text, default="")
    checksum: Mapped[str] = mapped_column(default="")
    cli_version: Mapped[str] = mapped_column(default="")
    component_ids: Mapped[list[str]] = mapped_column(default=list)
    app_branch_id: Mapped[str] = mapped_column(default="")
    vcs_connection_commit_id: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("app_id", "version"), Index("app_configs_newest", "app_id", "created_at"))


class AppConfigChild(Tenant):
    """What hangs on a config. `app_config_id` may be empty: old clients send children alone."""

    __abstract__ = True

    app_id: Mapped[str] = mapped_column(String(26), ForeignKey("apps.id"), index=True)
    app_config_id: Mapped[str] = mapped_column(default="", index=True)


class AppSandboxConfig(AppConfigChild):
    __tablename__ = "app_sandbox_configs"
    prefix = "app"

    terraform_version: Mapped[str] = mapped_column(default="")
    variables: Mapped[dict[str, Any]] = mapped_column(default=dict)
    env_vars: Mapped[dict[str, Any]] = mapped_column(default=dict)
    variables_files: Mapped[list[str]] = mapped_column(default=list)
    references: Mapped[list[str]] = mapped_column(default=list)
    drift_schedule: Mapped[str] = mapped_column(default="")
    aws_region_type: Mapped[str] = mapped_column(default="")


class AppRunnerConfig(AppConfigChild):
    __tablename__ = "app_runner_configs"
    prefix = "app"

    app_runner_type: Mapped[str]
    env_vars: Mapped[dict[str, Any]] = mapped_column(default=dict)
    helm_driver: Mapped[str] = mapped_column(default="")
    init_script: Mapped[str] = mapped_column(default="")


class AppInputConfig(AppConfigChild):
    __tablename__ = "app_input_configs"
    prefix = "app"


class AppInputGroup(Tenant):
    __tablename__ = "app_input_groups"
    prefix = "app"

    app_input_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_input_configs.id"), index=True)  # wire name: the config's id
    name: Mapped[str]
    display_name: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    index: Mapped[int] = mapped_column(default=0)


class AppInput(Tenant):
    __tablename__ = "app_inputs"
    prefix = "app"

    app_input_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_input_configs.id"), index=True)
    group_id: Mapped[str] = mapped_column(default="")
    name: Mapped[str]
    display_name: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    default: Mapped[str] = mapped_column(default="")
    required: Mapped[bool] = mapped_column(default=False)
    sensitive: Mapped[bool] = mapped_column(default=False)
    internal: Mapped[bool] = mapped_column(default=False)
    index: Mapped[int] = mapped_column(default=0)
    type: Mapped[str] = mapped_column(default="string")
    source: Mapped[str] = mapped_column(default="vendor")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("app_input_id", "name"),)


class AppPermissionsConfig(AppConfigChild):
    __tablename__ = "app_permissions_configs"
    prefix = "app"


class AppBreakGlassConfig(AppConfigChild):
    __tablename__ = "app_break_glass_configs"
    prefix = "app"


class AppAWSIAMRoleConfig(Tenant):
    __tablename__ = "app_aws_iam_role_configs"
    prefix = "apc"

    app_config_id: Mapped[str] = mapped_column(default="", index=True)
    owner_id: Mapped[str] = mapped_column(String(26), index=True)
    owner_type: Mapped[str]  # app_permissions_configs | app_break_glass_configs
    type: Mapped[str]
    name: Mapped[str]
    display_name: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    permissions_boundary: Mapped[str] = mapped_column(Text, default="")


class AppAWSIAMPolicyConfig(Tenant):
    __tablename__ = "app_aws_iam_policy_configs"
    prefix = "apc"

    app_config_id: Mapped[str] = mapped_column(default="")
    app_aws_iam_role_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_aws_iam_role_configs.id"), index=True)
    name: Mapped[str] = mapped_column(default="")
    managed_policy_name: Mapped[str] = mapped_column(default="")
    contents: Mapped[str] = mapped_column(Text, default="")


class AppPoliciesConfig(AppConfigChild):
    __tablename__ = "app_policies_configs"
    prefix = "apc"


class AppPolicyConfig(Tenant):
    __tablename__ = "app_policy_configs"
    prefix = "apc"

    app_policies_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_policies_configs.id"), index=True)
    type: Mapped[str]
    contents: Mapped[str] = mapped_column(Text)


class AppSecretsConfig(AppConfigChild):
    __tablename__ = "app_secrets_configs"
    prefix = "apc"


class AppSecretConfig(Tenant):
    __tablename__ = "app_secret_configs"
    prefix = "apc"

    app_secrets_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_secrets_configs.id"), index=True)
    app_config_id: Mapped[str] = mapped_column(default="")
    name: Mapped[str]
    display_name: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    required: Mapped[bool] = mapped_column(default=False)
    auto_generate: Mapped[bool] = mapped_column(default=False)
    format: Mapped[str] = mapped_column(default="")
    default: Mapped[str] = mapped_column(default="")
    kubernetes_sync: Mapped[bool] = mapped_column(default=False)
    kubernetes_secret_namespace: Mapped[str] = mapped_column(default="")
    kubernetes_secret_name: Mapped[str] = mapped_column(default="")


class AppStackConfig(AppConfigChild):
    __tablename__ = "app_stack_configs"
    prefix = "app"

    type: Mapped[str]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    runner_nested_template_url: Mapped[str] = mapped_column(default="")
    vpc_nested_template_url: Mapped[str] = mapped_column(default="")


class AppSecret(Tenant):
    """A value that a vendor keeps with an app, for old clients. It is sealed and never shown again."""

    __tablename__ = "app_secrets"
    prefix = "aps"

    app_id: Mapped[str] = mapped_column(String(26), ForeignKey("apps.id"), index=True)
    name: Mapped[str]
    length: Mapped[int]
    value: Mapped[bytes] = mapped_column(Encrypted)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("app_id", "name", "deleted_at"),)


class AppBranch(Tenant):
    """A branch of an app's own repository. Configs may say that they came from one."""

    __tablename__ = "app_branches"
    prefix = "abr"

    app_id: Mapped[str] = mapped_column(String(26), ForeignKey("apps.id"), index=True)
    name: Mapped[str]
    connected_github_vcs_config_id: Mapped[str] = mapped_column(String(26))

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("app_id", "name", "deleted_at"),)
