"""Jobs, plans, executions, results, outputs. An execution is the fence: every later write names the current one or is refused."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Encrypted, RawJSON, Tenant


class RunnerJob(Tenant):
    """Work for one runner. `step_key` is the workflow step (and its attempt) that made it: the same key, the same job."""

    __tablename__ = "runner_jobs"
    prefix = "job"

    runner_id: Mapped[str] = mapped_column(String(26), ForeignKey("runners.id"))
    owner_id: Mapped[str] = mapped_column(String(26))
    owner_type: Mapped[str]
    log_stream_id: Mapped[str | None] = mapped_column(String(26))
    queue_timeout: Mapped[int] = mapped_column(BigInteger, default=86_400_000_000_000)
    available_timeout: Mapped[int] = mapped_column(BigInteger, default=30_000_000_000)
    execution_timeout: Mapped[int] = mapped_column(BigInteger, default=300_000_000_000)
    overall_timeout: Mapped[int] = mapped_column(BigInteger, default=0)
    max_executions: Mapped[int] = mapped_column(default=1)
    status: Mapped[str] = mapped_column(default="available")
    status_description: Mapped[str] = mapped_column(default="")
    type: Mapped[str]
    group: Mapped[str]
    operation: Mapped[str]
    job_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    step_key: Mapped[str | None] = mapped_column(unique=True)
    serial_key: Mapped[str] = mapped_column(default="")  # at most one running job per key, e.g. a Terraform workspace
    workspace_id: Mapped[str] = mapped_column(default="")  # the Terraform workspace that its plan names; empty for other jobs
    execution_count: Mapped[int] = mapped_column(Integer, default=0)
    current_execution_id: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (
            # Few jobs of a runner wait. In the order in which they are taken: with the group first, claims went by all jobs of a runner.
            Index("runner_jobs_waiting", "runner_id", "created_at", postgresql_where=text("status = 'available'")),
            Index("runner_jobs_owner", "owner_id", "created_at"),
            Index("runner_jobs_runner", "runner_id", "created_at"),
            Index("runner_jobs_open", "created_at", postgresql_where=text("status in ('queued', 'available', 'in-progress')")),
            Index("runner_jobs_stream", "log_stream_id"),
            Index("runner_jobs_workspace", "workspace_id", postgresql_where=text("workspace_id <> ''")),
            # The claim looks before it takes; two claims at the same moment are told apart here.
            Index(
                "runner_jobs_serial",
                "serial_key",
                unique=True,
                postgresql_where=text("status = 'in-progress' and serial_key <> ''"),
            ),
        )


class RunnerJobPlan(Tenant):
    """The plan document of a job, sealed: it holds credentials and sensitive inputs."""

    __tablename__ = "runner_job_plans"
    prefix = "run"

    runner_job_id: Mapped[str] = mapped_column(String(26), ForeignKey("runner_jobs.id"), unique=True)
    plan: Mapped[bytes] = mapped_column(Encrypted)


class RunnerJobExecution(Tenant):
    __tablename__ = "runner_job_executions"
    prefix = "run"

    runner_job_id: Mapped[str] = mapped_column(String(26), ForeignKey("runner_jobs.id"))
    status: Mapped[str] = mapped_column(default="pending")
    execution_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    epoch: Mapped[int]  # counts the executions of the job, from 1
    process: Mapped[str] = mapped_column(default="")
    leased_until: Mapped[datetime | None]  # by the server's clock; None once final
    renewed_by: Mapped[str] = mapped_column(default="lease")  # lease | heartbeat (official runners know no lease)
    finished_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(default="")  # runner | lost | unheard | timeout: who said that it is over
    runner_id: Mapped[str] = mapped_column(String(26), default="")  # of the job, so that a heartbeat finds its leases at once
    serial_key: Mapped[str] = mapped_column(default="")  # of the job, so that a claim sees at once whether it is in use
    claim_key: Mapped[str] = mapped_column(default="")  # of the call that claimed it, so that a repeated call gets the same answer

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (
            UniqueConstraint("runner_job_id", "epoch"),
            Index("executions_leased", "leased_until", postgresql_where=text("leased_until is not null")),
            Index("executions_once", "runner_id", "claim_key", unique=True, postgresql_where=text("claim_key <> ''")),
            Index("executions_serial", "serial_key", postgresql_where=text("leased_until is not null and serial_key <> ''")),
            Index("executions_of_runner", "runner_id", postgresql_where=text("leased_until is not null")),
        )


class RunnerJobExecutionResult(Tenant):
    """How an execution ended. `contents` (for Terraform the plan file) is sealed; `contents_display` is masked by the runner."""

    __tablename__ = "runner_job_execution_results"
    prefix = "run"

    runner_job_execution_id: Mapped[str] = mapped_column(String(26), ForeignKey("runner_job_executions.id"), unique=True)
    success: Mapped[bool] = mapped_column(default=False)
    error_code: Mapped[int] = mapped_column(default=0)
    error_metadata: Mapped[dict[str, Any] | None]
    contents: Mapped[bytes | None] = mapped_column(Encrypted)
    contents_digest: Mapped[str] = mapped_column(default="")  # sha256:… of the contents before sealing
    contents_display: Mapped[bytes | None]  # JSON or text, gzip
    body_digest: Mapped[str] = mapped_column(default="")  # of the request, so that a repeated delivery is told from another one


class RunnerJobExecutionOutputs(Tenant):
    """Outputs of an execution: what may be shown, byte for byte, and all of it sealed when parts are sensitive."""

    __tablename__ = "runner_job_execution_outputs"
    prefix = "run"

    runner_job_execution_id: Mapped[str] = mapped_column(String(26), ForeignKey("runner_job_executions.id"), unique=True)
    outputs: Mapped[Any] = mapped_column(RawJSON)  # sensitive values masked
    sealed: Mapped[bytes | None] = mapped_column(Encrypted)
    body_digest: Mapped[str] = mapped_column(default="")
