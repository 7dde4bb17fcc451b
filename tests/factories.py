"""Parents of what a test is about, made by the shortest honest way."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from exclave.domain.accounts.models import Account, Token
from exclave.domain.orgs import keys
from exclave.domain.orgs.models import AccountRole, Org, Policy, Role
from exclave.kit import crypto
from exclave.kit.context import Actor, Runtime
from exclave.kit.time import now


@dataclass(frozen=True)
class OrgWithToken:
    id: str
    token: str
    actor: Actor


async def org(runtime: Runtime, *, name: str = "") -> OrgWithToken:
    """An org with one admin account and its token."""
    token = "tok" + secrets.token_hex(16)
    async with runtime.sweep() as ctx:
        account = Account(email=f"{secrets.token_hex(4)}@example.com", subject=secrets.token_hex(8), account_type="auth0")
        made = Org(name=name or f"org-{secrets.token_hex(4)}")
        role = Role(org_id=made.id, role_type="org_admin")
        ctx.db.add_all([account, made])
        await ctx.db.flush()
        ctx.db.add(role)
        await ctx.db.flush()
        ctx.db.add_all(
            [
                Policy(org_id=made.id, role_id=role.id, name="org_admin", permissions={made.id: "all"}),
                AccountRole(org_id=made.id, account_id=account.id, role_id=role.id),
                Token(
                    account_id=account.id,
                    token_hash=crypto.token_hash(token),
                    hint=token[:6],
                    expires_at=now() + timedelta(hours=1),
                    issued_at=now(),
                ),
            ]
        )
        await keys.make(ctx, made.id)
    actor = Actor(account_id=account.id, org_id=made.id, org_ids=(made.id,), permissions={made.id: "all"}, email=account.email)
    return OrgWithToken(made.id, token, actor)
