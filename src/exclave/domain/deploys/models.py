"""Deploys."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from exclave.domain.installs.models import OfInstall


class InstallDeploy(OfInstall):
    """One deploy or teardown of a component. The plan that was shown is the plan that is applied: linked by id and digest."""

    __tablename__ = "install_deploys"
    prefix = "dpl"

    build_id: Mapped[str] = mapped_column(String(26), ForeignKey("component_builds.id"))
    install_component_id: Mapped[str] = mapped_column(String(26), ForeignKey("install_components.id"))
    component_id: Mapped[str] = mapped_column(String(26), ForeignKey("components.id"))
    release_id: Mapped[str] = mapped_column(default="")
    install_deploy_type: Mapped[str]  # apply | sync-image | teardown
    status: Mapped[str] = mapped_column(default="queued")
    status_description: Mapped[str] = mapped_column(default="")
    status_v2: Mapped[dict[str, Any]] = mapped_column(default=dict)
    install_workflow_id: Mapped[str] = mapped_column(default="", index=True)
    plan_only: Mapped[bool] = mapped_column(default=False)
    plan_job_id: Mapped[str] = mapped_column(default="")
    plan_digest: Mapped[str] = mapped_column(default="")
    step_key: Mapped[str | None] = mapped_column(unique=True)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (
            Index("install_deploys_newest", "install_id", "created_at"),
            Index("install_deploys_component", "install_component_id", "created_at"),
        )
