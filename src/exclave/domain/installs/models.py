"""Installs, and the rows that exist once for each (spec domain.md 1.5)."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Encrypted, Tenant


class Install(Tenant):
    __tablename__ = "installs"
    prefix = "inl"

    name: Mapped[str]
    app_id: Mapped[str] = mapped_column(String(26), ForeignKey("apps.id"))
    app_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_configs.id"))
    app_sandbox_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_sandbox_configs.id"))
    app_runner_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_runner_configs.id"))
    install_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    install_number: Mapped[int] = mapped_column(default=0)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("app_id", "name", "deleted_at"), Index("installs_by_name", "org_id", "name"))


class OfInstall(Tenant):
    __abstract__ = True

    install_id: Mapped[str] = mapped_column(String(26), ForeignKey("installs.id"), index=True)


class AWSAccount(OfInstall):
    __tablename__ = "aws_accounts"
    prefix = "aws"

    region: Mapped[str] = mapped_column(default="")
    iam_role_arn: Mapped[str] = mapped_column(default="")


class AzureAccount(OfInstall):
    __tablename__ = "azure_accounts"
    prefix = "azu"

    location: Mapped[str] = mapped_column(default="")
    subscription_id: Mapped[str] = mapped_column(default="")
    subscription_tenant_id: Mapped[str] = mapped_column(default="")
    service_principal_app_id: Mapped[str] = mapped_column(default="")


class InstallConfig(OfInstall):
    __tablename__ = "install_configs"
    prefix = "icg"

    approval_option: Mapped[str] = mapped_column(default="prompt")  # prompt | approve-all


class InstallInputs(OfInstall):
    """One version of the inputs. Sensitive values are in `sealed` (a JSON object), the others in `values`."""

    __tablename__ = "install_inputs"
    prefix = "app"

    app_input_config_id: Mapped[str] = mapped_column(String(26))
    values: Mapped[dict[str, Any]] = mapped_column(default=dict)
    sealed: Mapped[bytes | None] = mapped_column(Encrypted)
    redacted_values: Mapped[dict[str, Any]] = mapped_column(default=dict)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (Index("install_inputs_newest", "install_id", "created_at"),)


class InstallSandbox(OfInstall):
    __tablename__ = "install_sandboxes"
    prefix = "isb"

    status: Mapped[str] = mapped_column(default="queued")
    status_description: Mapped[str] = mapped_column(default="")
    status_v2: Mapped[dict[str, Any]] = mapped_column(default=dict)


class InstallStack(OfInstall):
    __tablename__ = "install_stacks"
    prefix = "ist"


class InstallComponent(OfInstall):
    __tablename__ = "install_components"
    prefix = "inc"

    component_id: Mapped[str] = mapped_column(String(26), ForeignKey("components.id"))
    status: Mapped[str] = mapped_column(default="")
    status_description: Mapped[str] = mapped_column(default="")
    status_v2: Mapped[dict[str, Any]] = mapped_column(default=dict)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("install_id", "component_id"),)
