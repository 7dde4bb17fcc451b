"""What the public API says about vcs."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from exclave.wire.base import Body, Shape


class ConnectedGithubVCSConfig(Shape):
    """`app.ConnectedGithubVCSConfig` of the contract."""

    id: str = ""
    branch: str = ""
    component_config_id: str = ""
    component_config_type: str = ""
    created_by_id: str = ""
    directory: str = ""
    repo: str = ""
    repo_name: str = ""
    repo_owner: str = ""
    vcs_connection: VCSConnection | None = None
    vcs_connection_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class PublicGitVCSConfig(Shape):
    """`app.PublicGitVCSConfig` of the contract."""

    id: str = ""
    branch: str = ""
    component_config_id: str = ""
    component_config_type: str = ""
    created_by_id: str = ""
    directory: str = ""
    repo: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class VCSConnection(Shape):
    """`app.VCSConnection` of the contract."""

    id: str = ""
    created_by_id: str = ""
    github_account_id: str = ""
    github_account_name: str = ""
    github_install_id: str = ""
    vcs_connection_commit: list[VCSConnectionCommit] | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class VCSConnectionCommit(Shape):
    """`app.VCSConnectionCommit` of the contract."""

    id: str = ""
    author_email: str = ""
    author_name: str = ""
    created_by_id: str = ""
    message: str = ""
    sha: str = ""
    vcs_connection_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ConnectedGithubVCSActionWorkflowConfigRequest(Body):
    """`service.ConnectedGithubVCSActionWorkflowConfigRequest` of the contract."""

    directory: str
    repo: str
    branch: str = ""
    git_ref: str = field(name="gitRef", default="")


class ConnectedGithubVCSConfigRequest(Body):
    """`service.ConnectedGithubVCSConfigRequest` of the contract."""

    directory: str
    repo: str
    branch: str = ""
    git_ref: str = field(name="gitRef", default="")


class ConnectedGithubVCSSandboxConfigRequest(Body):
    """`service.ConnectedGithubVCSSandboxConfigRequest` of the contract."""

    directory: str
    repo: str
    branch: str = ""
    git_ref: str = field(name="gitRef", default="")


class CreateConnectionCallbackRequest(Body):
    """`service.CreateConnectionCallbackRequest` of the contract."""

    github_install_id: str
    org_id: str


class CreateConnectionRequest(Body):
    """`service.CreateConnectionRequest` of the contract."""

    github_install_id: str


class PublicGitVCSActionWorkflowConfigRequest(Body):
    """`service.PublicGitVCSActionWorkflowConfigRequest` of the contract."""

    branch: str
    directory: str
    repo: str
    archive: str = ""  # our own: digest of an uploaded source, `repo` is then `./` and `branch` empty


class PublicGitVCSConfigRequest(Body):
    """`service.PublicGitVCSConfigRequest` of the contract."""

    branch: str
    directory: str
    repo: str
    archive: str = ""  # our own: digest of an uploaded source, `repo` is then `./` and `branch` empty


class PublicGitVCSSandboxConfigRequest(Body):
    """`service.PublicGitVCSSandboxConfigRequest` of the contract."""

    branch: str
    directory: str
    repo: str
    archive: str = ""  # our own: digest of an uploaded source, `repo` is then `./` and `branch` empty
