"""Git configs belong to the config they describe (`component_config_id`, `component_config_type` = its table)."""

from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Tenant


class VCSConnection(Tenant):
    __tablename__ = "vcs_connections"
    prefix = "vcs"

    github_install_id: Mapped[str]
    github_account_id: Mapped[str] = mapped_column(default="")
    github_account_name: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("org_id", "github_install_id", "deleted_at"),)


class VCSConnectionCommit(Tenant):
    """A commit that a build or sandbox was made from. `vcs_connection_id` is empty for public repositories."""

    __tablename__ = "vcs_connection_commits"
    prefix = "vcs"

    vcs_connection_id: Mapped[str] = mapped_column(default="", index=True)
    sha: Mapped[str]
    author_name: Mapped[str] = mapped_column(default="")
    author_email: Mapped[str] = mapped_column(default="")
    message: Mapped[str] = mapped_column(default="")


class PublicGitVCSConfig(Tenant):
    """A repository without credentials. For a source of the app's own directory, `repo` is `./` and `archive` its uploaded digest."""

    __tablename__ = "public_git_vcs_configs"
    prefix = "vcs"

    component_config_id: Mapped[str] = mapped_column(String(26), index=True)
    component_config_type: Mapped[str]
    repo: Mapped[str]
    directory: Mapped[str]
    branch: Mapped[str] = mapped_column(default="")
    archive: Mapped[str] = mapped_column(default="")


class ConnectedGithubVCSConfig(Tenant):
    __tablename__ = "connected_github_vcs_configs"
    prefix = "vcs"

    component_config_id: Mapped[str] = mapped_column(String(26), index=True)
    component_config_type: Mapped[str]
    repo: Mapped[str]
    repo_owner: Mapped[str] = mapped_column(default="")
    repo_name: Mapped[str] = mapped_column(default="")
    directory: Mapped[str]
    branch: Mapped[str] = mapped_column(default="")
    vcs_connection_id: Mapped[str] = mapped_column(String(26), ForeignKey("vcs_connections.id"))
