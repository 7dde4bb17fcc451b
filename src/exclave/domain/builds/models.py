"""Builds of a component's config."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Tenant


class ComponentBuild(Tenant):
    __tablename__ = "component_builds"
    prefix = "bld"

    component_id: Mapped[str] = mapped_column(String(26), ForeignKey("components.id"))
    component_config_connection_id: Mapped[str] = mapped_column(String(26), ForeignKey("component_config_connections.id"), index=True)
    vcs_connection_commit_id: Mapped[str] = mapped_column(default="")
    git_ref: Mapped[str] = mapped_column(default="")
    checksum: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(default="queued")
    status_description: Mapped[str] = mapped_column(default="")
    status_v2: Mapped[dict[str, Any]] = mapped_column(default=dict)
    workflow_id: Mapped[str] = mapped_column(default="")  # the hidden workflow that makes it

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (Index("component_builds_newest", "component_id", "created_at"),)
