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
            Index("workflows_one_running", "serial_key", unique=True, postgresql_where=text("state = 'running' and serial_key <> ''")),
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
    # The engine's word: pending | running (a Call is under way) | waiting | asking, and the terminal ones of engine/rules.py.
    state: Mapped[str] = mapped_column(default="pending")
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
    needs: Mapped[list[str]] = mapped_column(default=list)  # those of `after` that the definition named: skipped with them on demand
    applies: Mapped[bool] = mapped_column(default=False)  # applies the plan of the step before it
    waits_for: Mapped[str] = mapped_column(default="")  # what a Wait named, e.g. a job id
    wake_at: Mapped[datetime | None]  # of a Wait with `until`, or when a handler that raised is tried again
    attempt: Mapped[int] = mapped_column(default=0)  # how often it was started
    raised: Mapped[int] = mapped_column(default=0)  # how often in a row its handler raised
    settling: Mapped[str] = mapped_column(default="")  # what the handler has yet to be told (Handler.settled)
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
    workflow_id: Mapped[str] = mapped_column(server_default="")
    due: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())
    # Instead of a workflow: look once more who waits for this. A step that began to wait while the event was not yet committed
    # could not see it, and the event could not see the step.
    waited_for: Mapped[str] = mapped_column(server_default="")

    __table_args__ = (
        Index("wakeup_due", "due", postgresql_where=text("workflow_id <> ''")),
        Index("wakeup_workflow", "workflow_id"),
        Index("wakeup_second_look", "due", postgresql_where=text("waited_for <> ''")),
    )


class EngineCall(Tenant):
    """Side work that a step asked for with `Call`, under the key (step id, attempt, name), and what its task answered: no secrets.

    The row says what is to be done and what came of it; the job that carries it is one of Procrastinate's (engine/carrier.py).
    """

    __tablename__ = "engine_calls"
    prefix = "cal"

    workflow_id: Mapped[str] = mapped_column(String(26), index=True)
    step_id: Mapped[str] = mapped_column(String(26))
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    args: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(default="queued")  # queued | done | failed | dropped
    tries: Mapped[int] = mapped_column(default=0)
    value: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (Index("engine_calls_queued", "updated_at", postgresql_where=text("state = 'queued'")),)
