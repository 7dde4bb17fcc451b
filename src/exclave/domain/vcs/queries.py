"""Reads of connections, git configs and commits of the actor's org."""

from sqlalchemy import ColumnElement, Select, and_, select

from exclave.domain.vcs.models import ConnectedGithubVCSConfig, PublicGitVCSConfig, VCSConnection, VCSConnectionCommit
from exclave.kit.context import Actor
from exclave.kit.db import Tenant
from exclave.kit.prepared import in_org


def visible_to(actor: Actor) -> Select[VCSConnection]:
    return (
        select(VCSConnection)
        .where(VCSConnection.org_id == actor.org_id, VCSConnection.deleted_at == 0)
        .order_by(VCSConnection.created_at.desc())
    )


def public_of_owner(owner: type[Tenant]) -> ColumnElement[bool]:
    """The condition of a join with the public git config of an owner."""
    return and_(in_org(PublicGitVCSConfig), PublicGitVCSConfig.component_config_id == owner.id, PublicGitVCSConfig.deleted_at == 0)


def connected_of_owner(owner: type[Tenant]) -> ColumnElement[bool]:
    """The condition of a join with the connected git config of an owner."""
    return and_(
        in_org(ConnectedGithubVCSConfig),
        ConnectedGithubVCSConfig.component_config_id == owner.id,
        ConnectedGithubVCSConfig.deleted_at == 0,
    )


def public_of(org_id: str, owner_ids: list[str]) -> Select[PublicGitVCSConfig]:
    return select(PublicGitVCSConfig).where(
        PublicGitVCSConfig.org_id == org_id, PublicGitVCSConfig.component_config_id.in_(owner_ids), PublicGitVCSConfig.deleted_at == 0
    )


def connected_of(org_id: str, owner_ids: list[str]) -> Select[ConnectedGithubVCSConfig]:
    return select(ConnectedGithubVCSConfig).where(
        ConnectedGithubVCSConfig.org_id == org_id,
        ConnectedGithubVCSConfig.component_config_id.in_(owner_ids),
        ConnectedGithubVCSConfig.deleted_at == 0,
    )


def commits(org_id: str, ids: list[str]) -> Select[VCSConnectionCommit]:
    return select(VCSConnectionCommit).where(VCSConnectionCommit.org_id == org_id, VCSConnectionCommit.id.in_(ids))
