"""Versions of the customer's stack, what each phoned home, and the outputs that templates read."""

from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from exclave.domain.installs.models import OfInstall
from exclave.kit.db import Tenant


class InstallStackVersion(OfInstall):
    __tablename__ = "install_stack_versions"
    prefix = "isv"

    install_stack_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_stacks.id"), index=True)
    app_config_id: Mapped[str] = mapped_column(String(26))
    composite_status: Mapped[dict[str, Any]] = mapped_column(default=dict)
    contents: Mapped[bytes | None] = mapped_column(LargeBinary)
    checksum: Mapped[str] = mapped_column(default="")
    template_url: Mapped[str] = mapped_column(default="")
    phone_home_id: Mapped[str] = mapped_column(default="")
    phone_home_url: Mapped[str] = mapped_column(default="")
    aws_bucket_name: Mapped[str] = mapped_column(default="")
    aws_bucket_key: Mapped[str] = mapped_column(default="")
    quick_link_url: Mapped[str] = mapped_column(default="")


class InstallStackVersionRun(Tenant):
    __tablename__ = "install_stack_version_runs"
    prefix = "isr"

    install_stack_version_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_stack_versions.id"), index=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class InstallStackOutputs(Tenant):
    __tablename__ = "install_stack_outputs"
    prefix = "apc"

    install_stack_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_stacks.id"), unique=True)
    install_version_run_id: Mapped[str] = mapped_column(default="")
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
