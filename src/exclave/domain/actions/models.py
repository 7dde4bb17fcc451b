"""Actions of an app, their configs, and their runs in installs (spec domain.md 1.6)."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.domain.installs.models import OfInstall
from exclave.kit.db import Tenant


class ActionWorkflow(Tenant):
    __tablename__ = "action_workflows"
    prefix = "acw"

    app_id: Mapped[str] = mapped_column(String(26), ForeignKey("apps.id"))
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    status_description: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("app_id", "name", "deleted_at"),)


class ActionWorkflowConfig(Tenant):
    __tablename__ = "action_workflow_configs"
    prefix = "acc"

    app_id: Mapped[str] = mapped_column(String(26), ForeignKey("apps.id"))
    app_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_configs.id"), index=True)
    action_workflow_id: Mapped[str] = mapped_column(String(26), ForeignKey("action_workflows.id"))
    timeout: Mapped[int] = mapped_column(BigInteger, default=300_000_000_000)
    component_dependency_ids: Mapped[list[str]] = mapped_column(default=list)
    references: Mapped[list[str]] = mapped_column(default=list)
    break_glass_role_arn: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("action_workflow_id", "app_config_id"),)


class OfActionConfig(Tenant):
    __abstract__ = True

    app_id: Mapped[str] = mapped_column(String(26))
    app_config_id: Mapped[str] = mapped_column(String(26), index=True)
    action_workflow_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("action_workflow_configs.id"), index=True)


class ActionWorkflowTriggerConfig(OfActionConfig):
    __tablename__ = "action_workflow_trigger_configs"
    prefix = "act"

    type: Mapped[str]
    index: Mapped[int] = mapped_column(default=0)
    cron_schedule: Mapped[str] = mapped_column(default="")
    component_id: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("action_workflow_config_id", "type", "component_id"),)


class ActionWorkflowStepConfig(OfActionConfig):
    __tablename__ = "action_workflow_step_configs"
    prefix = "acs"

    name: Mapped[str]
    idx: Mapped[int] = mapped_column(default=0)
    previous_step_id: Mapped[str] = mapped_column(default="")
    references: Mapped[list[str]] = mapped_column(default=list)
    env_vars: Mapped[dict[str, Any]] = mapped_column(default=dict)
    command: Mapped[str] = mapped_column(Text, default="")
    inline_contents: Mapped[str] = mapped_column(Text, default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("action_workflow_config_id", "name"),)


class InstallActionWorkflow(OfInstall):
    __tablename__ = "install_action_workflows"
    prefix = "iaw"

    action_workflow_id: Mapped[str] = mapped_column(String(26), ForeignKey("action_workflows.id"))

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("install_id", "action_workflow_id", "deleted_at"),)


class InstallActionWorkflowRun(OfInstall):
    __tablename__ = "install_action_workflow_runs"
    prefix = "iar"

    install_action_workflow_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_action_workflows.id"))
    action_workflow_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("action_workflow_configs.id"))
    trigger_type: Mapped[str]
    triggered_by_id: Mapped[str] = mapped_column(default="")
    triggered_by_type: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(default="queued")
    status_description: Mapped[str] = mapped_column(default="")
    status_v2: Mapped[dict[str, Any]] = mapped_column(default=dict)
    run_env_vars: Mapped[dict[str, Any]] = mapped_column(default=dict)
    install_workflow_id: Mapped[str | None] = mapped_column(String(26), index=True)
    sandbox_run_id: Mapped[str] = mapped_column(default="", index=True)  # the sandbox run that the action ran around, if any
    step_key: Mapped[str | None] = mapped_column(unique=True)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (Index("action_runs_newest", "install_action_workflow_id", "created_at"),)


class InstallActionWorkflowRunStep(Tenant):
    __tablename__ = "install_action_workflow_run_steps"
    prefix = "iar"

    install_action_workflow_run_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_action_workflow_runs.id"), index=True)
    step_id: Mapped[str] = mapped_column(String(26), ForeignKey("action_workflow_step_configs.id"))
    idx: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(default="pending")
    execution_duration: Mapped[int] = mapped_column(BigInteger, default=0)
