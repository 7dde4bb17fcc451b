"""Create, rename and end orgs; invite and remove people."""

from dataclasses import replace

from sqlalchemy import delete as sql_delete

from exclave.domain.accounts import service as accounts
from exclave.domain.audit import service as audit
from exclave.domain.orgs import keys, queries, rules
from exclave.domain.orgs.events import OrgCreated
from exclave.domain.orgs.models import AccountRole, NotificationsConfig, Org, OrgInvite, Policy, Role
from exclave.kit import errors
from exclave.kit.context import Ctx, enter
from exclave.kit.db import every, first, one
from exclave.kit.time import now


async def create(ctx: Ctx, name: str, *, account_id: str, sandbox_mode: bool = False) -> Org:
    """Create an org with its roles, its data key and a build runner group; the account becomes its admin.

    From here on the transaction is inside the new org, so that row-level security lets its first rows in.
    """
    if ctx.actor.kind == "service":
        raise errors.Invalid("a service account cannot create an org")
    if await first(ctx.db, queries.by_name(rules.checked_name(name))) is not None:
        raise errors.Invalid(f"duplicate key: an org named {name!r} exists already")
    org = Org(
        name=name,
        created_by_id=account_id,
        sandbox_mode=sandbox_mode,
        org_type="sandbox" if sandbox_mode else "default",
        status="active",
        status_description="org is active",
        features=rules.default_features(),
    )
    inside = ctx.acting_as(replace(ctx.actor, account_id=account_id, org_id=org.id, org_ids=(*ctx.actor.org_ids, org.id)))
    await enter(ctx.db, inside.actor)
    ctx.db.add(org)
    await ctx.db.flush()
    for role_type, policy_name in rules.ROLES.items():
        role = Role(org_id=org.id, role_type=role_type, created_by_id=account_id)
        ctx.db.add(role)
        await ctx.db.flush()
        ctx.db.add(Policy(org_id=org.id, role_id=role.id, name=policy_name, permissions={org.id: "all"}, created_by_id=account_id))
    ctx.db.add(NotificationsConfig(org_id=org.id, owner_id=org.id, owner_type="orgs", created_by_id=account_id))
    await keys.make(inside, org.id)
    await ctx.db.flush()
    await accounts.grant(inside, account_id, org_id=org.id, role_type=rules.ADMIN)
    await accounts.complete_step(inside, account_id, "org_created")
    await audit.record(inside, "create", org)
    await inside.tell(OrgCreated(org.id))
    return org


async def current(ctx: Ctx) -> Org:
    """Return the org of this request."""
    return await get(ctx, ctx.org_id)


async def get(ctx: Ctx, org_id: str) -> Org:
    """Return an org by id."""
    org: Org = await one(ctx.db, queries.by_id(org_id), or_raise=errors.NotFound("org not found"))
    return org


async def rename(ctx: Ctx, name: str) -> Org:
    """Give the org of this request another name."""
    org = await current(ctx)
    taken = await first(ctx.db, queries.by_name(rules.checked_name(name)))
    if taken is not None and taken.id != org.id:
        raise errors.Invalid(f"duplicate key: an org named {name!r} exists already")
    org.name = name
    await audit.record(ctx, "update", org, name=name)
    return org


async def delete(ctx: Ctx) -> None:
    """End the org of this request. Who calls has made sure that nothing lives in it."""
    org = await current(ctx)
    org.status, org.status_description = "deleting", "org is deleted"
    org.deleted_at = int(now().timestamp())
    await ctx.db.execute(sql_delete(AccountRole).where(AccountRole.org_id == org.id))
    await audit.record(ctx, "delete", org)


async def invite(ctx: Ctx, email: str) -> OrgInvite:
    """Invite an address to be an admin of the org; it is accepted by signing in with that address."""
    address = rules.checked_email(email)
    invites: list[OrgInvite] = await every(ctx.db, queries.invites(ctx.actor).where(OrgInvite.email == address))
    if invites:
        raise errors.Invalid(f"duplicate key: {address} is invited already")
    row = OrgInvite(org_id=ctx.org_id, email=address, created_by_id=ctx.actor.account_id)
    ctx.db.add(row)
    await ctx.db.flush()
    await audit.record(ctx, "create", row)
    return row


async def accept_invites(ctx: Ctx, account_id: str, email: str) -> list[str]:
    """Accept every pending invite of an address and return the orgs. Needs a transaction that sees all orgs."""
    invites: list[OrgInvite] = await every(ctx.db, queries.pending_invites(email))
    for each in invites:
        await accounts.grant(ctx, account_id, org_id=each.org_id, role_type=each.role_type)
        each.status = "accepted"
        await audit.record(ctx, "update", each, status="accepted", account_id=account_id)
    return [each.org_id for each in invites]


async def add_account(ctx: Ctx, account_id: str) -> None:
    """Make an account an admin of the org; of one that is there already nothing changes."""
    account = await accounts.get(ctx, account_id)
    if account.account_type == "service":  # a runner that is in two orgs is let in nowhere
        raise errors.Invalid("a service account cannot be added to an org: it belongs to what it was made for")
    org = await current(ctx)
    await accounts.grant(ctx, account_id, org_id=org.id, role_type=rules.ADMIN)
    await audit.record(ctx, "update", org, added_account_id=account_id)


async def remove_account(ctx: Ctx, account_id: str) -> None:
    """Take an account out of the org, with its invites. An org keeps at least one admin."""
    # One after the other: two who take each other out at once would leave nobody.
    await ctx.db.execute(queries.by_id(ctx.org_id).with_for_update(key_share=True))
    members = await every(ctx.db, queries.members(ctx.org_id))
    if all(member.id != account_id for member in members):
        raise errors.NotFound(f"the account {account_id!r} is not in this org")
    if len(members) == 1:
        raise errors.Invalid("an org keeps at least one member: delete the org instead")
    email = next(member.email for member in members if member.id == account_id)
    org = await current(ctx)
    await ctx.db.execute(sql_delete(AccountRole).where(AccountRole.org_id == ctx.org_id, AccountRole.account_id == account_id))
    await ctx.db.execute(sql_delete(OrgInvite).where(OrgInvite.org_id == ctx.org_id, OrgInvite.email == email))
    await audit.record(ctx, "update", org, removed_account_id=account_id)
