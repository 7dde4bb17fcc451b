"""An account with its roles and policies (spec nesting.md 2, accounts)."""

from exclave.api.pages.columns import fill
from exclave.domain.accounts.models import Account
from exclave.domain.orgs import queries
from exclave.domain.orgs.models import Policy, Role
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import accounts as wire


async def account(ctx: Ctx, row: Account) -> wire.Account:
    """The account as its owner sees it: roles, policies, orgs and permissions."""
    roles: list[Role] = await every(ctx.db, queries.roles_of(row.id))
    policies: list[Policy] = await every(ctx.db, queries.policies_of([role.id for role in roles])) if roles else []
    permissions = {key: str(value) for policy in policies for key, value in policy.permissions.items()}
    return fill(
        wire.Account,
        row,
        org_ids=list(dict.fromkeys(role.org_id for role in roles)),
        permissions=permissions,
        roles=[
            fill(wire.Role, role, policies=[fill(wire.Policy, policy) for policy in policies if policy.role_id == role.id])
            for role in roles
        ],
        user_journeys=journeys(row),
    )


def brief(row: Account) -> wire.Account:
    """The account as it is nested elsewhere: no roles, no orgs."""
    return fill(wire.Account, row, org_ids=[], permissions={}, user_journeys=journeys(row))


def journeys(row: Account) -> list[wire.UserJourney] | None:
    """The journeys of an account as stored; None when it has none."""
    if not row.user_journeys:
        return None
    return [
        wire.UserJourney(
            name=each["name"],
            title=each.get("title", ""),
            steps=[wire.UserJourneyStep(**step) for step in each.get("steps", [])],
        )
        for each in row.user_journeys
    ]
