"""Reads of orgs, members and invites, limited to what the actor may see."""

from sqlalchemy import Select, select

from exclave.domain.accounts.models import Account
from exclave.domain.orgs.models import AccountRole, NotificationsConfig, Org, OrgInvite, Policy, Role
from exclave.kit.context import Actor


def visible_to(actor: Actor) -> Select[Org]:
    """The orgs that an account is in."""
    return select(Org).where(Org.id.in_(actor.org_ids), Org.deleted_at == 0)


def by_id(org_id: str) -> Select[Org]:
    return select(Org).where(Org.id == org_id, Org.deleted_at == 0)


def by_name(name: str) -> Select[Org]:
    return select(Org).where(Org.name == name, Org.deleted_at == 0)


def members(org_id: str) -> Select[Account]:
    """The people of an org: accounts with its admin role."""
    inside = (
        select(AccountRole.account_id)
        .join(Role, Role.id == AccountRole.role_id)
        .where(AccountRole.org_id == org_id, AccountRole.deleted_at == 0, Role.role_type == "org_admin")
    )
    return select(Account).where(Account.id.in_(inside), Account.deleted_at == 0).order_by(Account.created_at.desc())


def invites(actor: Actor) -> Select[OrgInvite]:
    return select(OrgInvite).where(OrgInvite.org_id == actor.org_id, OrgInvite.deleted_at == 0).order_by(OrgInvite.created_at.desc())


def pending_invites(email: str) -> Select[OrgInvite]:
    """Every org's pending invites of an address; for sweeps, which see all orgs."""
    return select(OrgInvite).where(OrgInvite.email == email, OrgInvite.status == "pending", OrgInvite.deleted_at == 0)


def roles_of(account_id: str) -> Select[Role]:
    held = select(AccountRole.role_id).where(AccountRole.account_id == account_id, AccountRole.deleted_at == 0)
    return select(Role).where(Role.id.in_(held), Role.deleted_at == 0).order_by(Role.created_at)


def policies_of(role_ids: list[str]) -> Select[Policy]:
    return select(Policy).where(Policy.role_id.in_(role_ids), Policy.deleted_at == 0).order_by(Policy.created_at)


def notifications_of(owner_id: str) -> Select[NotificationsConfig]:
    return select(NotificationsConfig).where(NotificationsConfig.owner_id == owner_id, NotificationsConfig.deleted_at == 0)
