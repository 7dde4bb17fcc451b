"""Every SELECT over state documents. The engine reads across orgs: a system actor is bound by the install alone."""

from typing import Any

from sqlalchemy import Select, select

from exclave.domain.states.models import InstallState, InstallStateBranch
from exclave.kit.context import Actor


def branches_of(actor: Actor, install_id: str) -> Select[*tuple[Any, ...]]:
    """Return name, contents, id and org of every branch that has contents."""
    statement = select(InstallStateBranch.branch, InstallStateBranch.contents, InstallStateBranch.id, InstallStateBranch.org_id).where(
        InstallStateBranch.install_id == install_id, InstallStateBranch.contents.is_not(None), InstallStateBranch.deleted_at == 0
    )
    return statement.where(InstallStateBranch.org_id == actor.org_id) if actor.org_id else statement


def versions_of(actor: Actor, install_id: str) -> Select[*tuple[Any, ...]]:
    """Return the versions, newest first."""
    return (
        select(InstallState)
        .where(InstallState.org_id == actor.org_id, InstallState.install_id == install_id, InstallState.deleted_at == 0)
        .order_by(InstallState.version.desc())
    )
