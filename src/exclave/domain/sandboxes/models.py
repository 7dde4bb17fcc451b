"""Sandbox runs."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from exclave.domain.installs.models import OfInstall


class InstallSandboxRun(OfInstall):
    """One plan and apply of the sandbox. `step_key`: the same plan step (and attempt), the same run."""

    __tablename__ = "install_sandbox_runs"
    prefix = "sbr"

    run_type: Mapped[str]  # provision | reprovision | deprovision
    install_sandbox_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_sandboxes.id"))
    install_workflow_id: Mapped[str] = mapped_column(default="", index=True)
    app_sandbox_config_id: Mapped[str] = mapped_column(String(26), ForeignKey("app_sandbox_configs.id"))
    status: Mapped[str] = mapped_column(default="queued")
    status_description: Mapped[str] = mapped_column(default="")
    status_v2: Mapped[dict[str, Any]] = mapped_column(default=dict)
    plan_job_id: Mapped[str] = mapped_column(default="")  # the job whose plan was shown
    plan_digest: Mapped[str] = mapped_column(default="")  # sha256:… of the plan file that may be applied
    step_key: Mapped[str | None] = mapped_column(unique=True)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (Index("sandbox_runs_newest", "install_id", "created_at", "id"),)
