"""Runner groups (one for an org's builds, one for each install), their runners and settings."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Tenant


class RunnerGroup(Tenant):
    __tablename__ = "runner_groups"
    prefix = "rgr"

    owner_id: Mapped[str] = mapped_column(String(26))
    owner_type: Mapped[str]  # orgs | installs
    type: Mapped[str]  # org | install
    platform: Mapped[str] = mapped_column(default="")  # the app's runner type

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("owner_type", "owner_id", "deleted_at"),)


class RunnerGroupSettings(Tenant):
    __tablename__ = "runner_group_settings"
    prefix = "rgs"

    runner_group_id: Mapped[str] = mapped_column(String(26), ForeignKey("runner_groups.id"), unique=True)
    container_image_url: Mapped[str] = mapped_column(default="")
    container_image_tag: Mapped[str] = mapped_column(default="")
    runner_api_url: Mapped[str] = mapped_column(default="")
    sandbox_mode: Mapped[bool] = mapped_column(default=False)
    heart_beat_timeout: Mapped[int] = mapped_column(BigInteger, default=5_000_000_000)
    otel_collector_config: Mapped[str] = mapped_column(default="")
    enable_sentry: Mapped[bool] = mapped_column(default=False)
    enable_metrics: Mapped[bool] = mapped_column(default=False)
    enable_logging: Mapped[bool] = mapped_column(default=True)
    logging_level: Mapped[str] = mapped_column(default="INFO")
    groups: Mapped[list[str]] = mapped_column(default=list)
    settings_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    org_aws_iam_role_arn: Mapped[str] = mapped_column(default="")
    org_k8s_service_account_name: Mapped[str] = mapped_column(default="")
    local_aws_iam_role_arn: Mapped[str] = mapped_column(default="")
    aws_instance_type: Mapped[str] = mapped_column(default="")
    aws_max_instance_lifetime: Mapped[int] = mapped_column(default=604_800)
    aws_cloudformation_stack_type: Mapped[str] = mapped_column(default="")
    aws_tags: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Runner(Tenant):
    __tablename__ = "runners"
    prefix = "run"

    runner_group_id: Mapped[str] = mapped_column(String(26), ForeignKey("runner_groups.id"), index=True)
    name: Mapped[str] = mapped_column(default="default")
    display_name: Mapped[str] = mapped_column(default="default")
    status: Mapped[str] = mapped_column(default="pending")
    status_description: Mapped[str] = mapped_column(default="")
    account_id: Mapped[str] = mapped_column(default="")  # its service account

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("runner_group_id", "name", "deleted_at"),)


class RunnerOperation(Tenant):
    __tablename__ = "runner_operations"
    prefix = "rop"

    runner_id: Mapped[str] = mapped_column(String(26), ForeignKey("runners.id"), index=True)
    operation_type: Mapped[str]
    status: Mapped[str] = mapped_column(default="pending")


class RunnerHeartBeat(Tenant):
    """The newest beat of each process of a runner: written in place, so a beat costs one small update."""

    __tablename__ = "runner_heart_beats"
    prefix = "hrt"

    runner_id: Mapped[str] = mapped_column(String(26), ForeignKey("runners.id"))
    process: Mapped[str] = mapped_column(default="")
    version: Mapped[str] = mapped_column(default="")
    alive_time: Mapped[int] = mapped_column(BigInteger, default=0)
    beat_at: Mapped[datetime]

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("runner_id", "process"),)


class RunnerHealthCheck(Tenant):
    """What a runner's status was in one minute, for each process that beats. Kept for a day."""

    __tablename__ = "runner_health_checks"
    prefix = "hlt"

    runner_id: Mapped[str] = mapped_column(String(26), ForeignKey("runners.id"))
    process: Mapped[str] = mapped_column(default="")
    status: Mapped[str]
    minute: Mapped[datetime]

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("runner_id", "process", "minute"), Index("runner_health_checks_minute", "minute"))
