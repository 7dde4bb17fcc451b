"""Terraform workspaces: states with serial and lineage, one lock each."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Encrypted, Tenant


class TerraformWorkspace(Tenant):
    __tablename__ = "terraform_workspaces"
    prefix = "tfw"

    owner_id: Mapped[str] = mapped_column(String(26))
    owner_type: Mapped[str]  # install_components | install_sandboxes

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("owner_type", "owner_id", "deleted_at"),)


class TerraformWorkspaceState(Tenant):
    """A version of the state, sealed. Serial grows, lineage stays."""

    __tablename__ = "terraform_workspace_states"
    prefix = "tfs"

    terraform_workspace_id: Mapped[str] = mapped_column(String(26), ForeignKey("terraform_workspaces.id"))
    runner_job_id: Mapped[str] = mapped_column(default="")
    revision: Mapped[int]
    serial: Mapped[int] = mapped_column(BigInteger)
    lineage: Mapped[str]
    contents: Mapped[bytes] = mapped_column(Encrypted)
    digest: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("terraform_workspace_id", "revision"),)


class TerraformWorkspaceStateJSON(Tenant):
    """The `terraform show -json` snapshot that people look at, sealed."""

    __tablename__ = "terraform_workspace_state_jsons"
    prefix = "tfs"

    workspace_id: Mapped[str] = mapped_column(String(26), ForeignKey("terraform_workspaces.id"))
    runner_job_id: Mapped[str] = mapped_column(default="")
    contents: Mapped[bytes] = mapped_column(Encrypted)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (Index("state_jsons_newest", "workspace_id", "created_at"),)


class TerraformWorkspaceLock(Tenant):
    """Who holds the workspace. Deleted on unlock, and when the execution that holds it is lost."""

    __tablename__ = "terraform_workspace_locks"
    prefix = "tfl"

    workspace_id: Mapped[str] = mapped_column(String(26), ForeignKey("terraform_workspaces.id"), unique=True)
    runner_job_id: Mapped[str] = mapped_column(default="")
    runner_job_execution_id: Mapped[str] = mapped_column(default="")
    lock_id: Mapped[str]
    lock: Mapped[dict[str, Any]] = mapped_column(default=dict)  # as Terraform sent it, keys in lower case
