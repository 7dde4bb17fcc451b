"""Workflows, steps, approvals, wake-ups. Rows are the truth; a wake-up only says "look at this workflow"."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Base, Tenant


class Workflow(Tenant):
    """`visible = false`: a kind that clients never see (a build). `serial_key`: at most one mutating workflow runs per key."""

    __tablename__ = "install_workflows"
    prefix = "inw"

    owner_id: Mapped[str] = mapped_column(String(26))
    owner_type: Mapped[str]
    type: Mapped[str]
    workflow_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    status: Mapped[dict[str, Any]] = mapped_column(default=dict)  # composite
    step_error_behavior: Mapped[str] = mapped_column(default="abort")
    approval_option: Mapped[str] = mapped_column(default="prompt")
    plan_only: Mapped[bool] = mapped_column(default=False)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    visible: Mapped[bool] = mapped_column(default=True)
    state: Mapped[str] = mapped_column(default="pending")  # pending | running | finished: what the engine looks at
    serial_key: Mapped[str] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)  # of an advance that raised

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (
            Index("workflows_newest", "owner_id", "created_at"),
            Index("workflows_serial", "serial_key", "created_at", postgresql_where=text("state <> 'finished' and serial_key <> ''")),
            Index("workflows_active", "id", postgresql_where=text("state <> 'finished'")),
        )


class WorkflowStep(Tenant):
    """One visible step. `kind` is the registered name of its handler, `after` the ids of the steps it waits for."""

    __tablename__ = "install_workflow_steps"
    prefix = "iws"

    install_workflow_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_workflows.id"))
    owner_id: Mapped[str] = mapped_column(String(26))
    owner_type: Mapped[str]
    name: Mapped[str]
    status: Mapped[dict[str, Any]] = mapped_column(default=dict)  # composite
    state: Mapped[str] = mapped_column(default="pending")  # pending | running | waiting | asking | done | skipped | failed | …: engine's
    idx: Mapped[int]
    group_idx: Mapped[int] = mapped_column(default=0)
    group_retry_idx: Mapped[int] = mapped_column(default=0)
    execution_type: Mapped[str] = mapped_column(default="system")
    step_target_id: Mapped[str] = mapped_column(default="", index=True)
    step_target_type: Mapped[str] = mapped_column(default="")
    step_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    retryable: Mapped[bool] = mapped_column(default=True)
    skippable: Mapped[bool] = mapped_column(default=True)
    retried: Mapped[bool] = mapped_column(default=False)
    kind: Mapped[str]
    args: Mapped[dict[str, Any]] = mapped_column(default=dict)
    after: Mapped[list[str]] = mapped_column(default=list)
    waits_for: Mapped[str] = mapped_column(default="")  # what a Wait named, e.g. a job id
    wake_at: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (
            Index("workflow_steps_order", "install_workflow_id", "group_idx", "group_retry_idx", "idx"),
            Index("workflow_steps_waiting", "waits_for", postgresql_where=text("waits_for <> ''")),
        )


class WorkflowStepApproval(Tenant):
    """What a step asks. `plan_digest` binds the answer to one plan."""

    __tablename__ = "install_workflow_step_approvals"
    prefix = "waa"

    install_workflow_step_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_workflow_steps.id"), index=True)
    owner_id: Mapped[str] = mapped_column(String(26))
    owner_type: Mapped[str]
    runner_job_id: Mapped[str] = mapped_column(default="")
    type: Mapped[str]
    plan_digest: Mapped[str] = mapped_column(default="")
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)


class WorkflowStepApprovalResponse(Tenant):
    """One response per approval: the database says so."""

    __tablename__ = "install_workflow_step_approval_responses"
    prefix = "waa"

    install_workflow_step_approval_id: Mapped[str] = mapped_column(
        String(26), ForeignKey("install_workflow_step_approvals.id"), unique=True
    )
    type: Mapped[str]
    note: Mapped[str] = mapped_column(default="")


class WorkflowStepPolicyValidation(Tenant):
    __tablename__ = "install_workflow_step_policy_validations"
    prefix = "wpv"

    install_workflow_step_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_workflow_steps.id"), index=True)
    runner_job_id: Mapped[str] = mapped_column(default="")
    status: Mapped[dict[str, Any]] = mapped_column(default=dict)
    response: Mapped[str] = mapped_column(default="")


class Wakeup(Base):
    """Only ever inserted into and eaten. A `due` in the future is a durable timer."""

    __tablename__ = "wakeup"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    workflow_id: Mapped[str]
    due: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())

    __table_args__ = (Index("wakeup_due", "due"), Index("wakeup_workflow", "workflow_id"))
