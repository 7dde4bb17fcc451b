"""Make accounts, give them a role in an org, and follow their journeys."""

from typing import Any

from sqlalchemy import insert

from exclave.domain.accounts import queries, rules
from exclave.domain.accounts.models import Account
from exclave.domain.audit import service as audit
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import first, one
from exclave.kit.ids import new_id
from exclave.kit.time import now

SERVICE_DOMAIN = "serviceaccount.exclave.local"


async def create(ctx: Ctx, email: str, *, subject: str = "", account_type: str = "auth0") -> Account:
    """Create an account with its journey. Service accounts have none."""
    journeys = rules.evaluation(now()) if account_type == "auth0" else []
    account = Account(email=email, subject=subject or email, account_type=account_type, user_journeys=journeys)
    account.created_by_id = ctx.actor.account_id or account.id
    ctx.db.add(account)
    await ctx.db.flush()
    return account


async def service_account(ctx: Ctx, *, subject: str, org_id: str, role_type: str) -> Account:
    """Return the service account of a thing (a runner, an installer), made at the first call, with its role in the org."""
    account: Account | None = await first(ctx.db, queries.by_subject(subject))
    if account is None:
        account = await create(ctx, f"{subject}@{SERVICE_DOMAIN}", subject=subject, account_type="service")
    await grant(ctx, account.id, org_id=org_id, role_type=role_type)
    return account


async def grant(ctx: Ctx, account_id: str, *, org_id: str, role_type: str) -> None:
    """Give an account a role of an org; a role that it has already stays."""
    role_id = (await ctx.db.execute(queries.role_of_type(org_id, role_type))).scalar()
    if role_id is None:
        raise errors.NotFound(f"the org {org_id} has no role of type {role_type!r}")
    if (await ctx.db.execute(queries.membership(account_id, role_id))).scalar() is not None:
        return
    moment = now()
    await ctx.db.execute(
        insert(queries.account_roles).values(
            id=new_id("acc"),
            created_by_id=ctx.actor.account_id,
            created_at=moment,
            updated_at=moment,
            deleted_at=0,
            org_id=org_id,
            account_id=account_id,
            role_id=role_id,
        )
    )


async def get(ctx: Ctx, account_id: str) -> Account:
    """Return an account by id."""
    account: Account = await one(ctx.db, queries.by_id(account_id), or_raise=errors.NotFound("account not found"))
    return account


async def by_email(ctx: Ctx, email: str) -> Account | None:
    """Return the oldest account with this e-mail, if there is one."""
    account: Account | None = await first(ctx.db, queries.by_email(email))
    return account


async def complete_step(ctx: Ctx, account_id: str, step: str, *, source: str = "system") -> None:
    """Mark a step of the account's journeys as done by what just happened. A step that is done, or unknown, stays."""
    account: Account | None = await first(ctx.db, queries.by_id(account_id)) if account_id else None
    if account is None or rules.marked(account.user_journeys, step, now(), method="auto", source=source) == account.user_journeys:
        return
    account = await _in_turn(ctx, account_id)
    account.user_journeys = rules.marked(account.user_journeys, step, now(), method="auto", source=source)


async def add_journey(ctx: Ctx, name: str, title: str, steps: list[tuple[str, str]]) -> Account:
    """Add a journey to the caller's account. Its name must be new there."""
    account = await _in_turn(ctx, ctx.actor.account_id)
    if any(each["name"] == name for each in account.user_journeys):
        raise errors.Invalid(f"the account has a journey {name!r} already")
    account.user_journeys = [*account.user_journeys, rules.journey(name, title, steps)]
    await _audited(ctx, account, name)
    return account


async def set_step(ctx: Ctx, name: str, step: str, *, complete: bool) -> Account:
    """Set or clear one step of one of the caller's journeys."""
    account = await _in_turn(ctx, ctx.actor.account_id)
    account.user_journeys = rules.with_step(account.user_journeys, name, step, complete=complete, moment=now())
    await _audited(ctx, account, name, step=step, complete=complete)
    return account


async def set_journey(ctx: Ctx, name: str, *, complete: bool) -> Account:
    """Complete or reset one of the caller's journeys as a whole."""
    account = await _in_turn(ctx, ctx.actor.account_id)
    account.user_journeys = rules.with_all_steps(account.user_journeys, name, complete=complete, moment=now())
    await _audited(ctx, account, name, complete=complete)
    return account


async def _in_turn(ctx: Ctx, account_id: str) -> Account:
    """Return an account to change its journeys: they are one value, and of two changes at once the later would undo the earlier."""
    statement = queries.by_id(account_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    account: Account = await one(ctx.db, statement, or_raise=errors.NotFound("account not found"))
    return account


async def _audited(ctx: Ctx, account: Account, journey: str, **details: Any) -> None:
    """Leave the audit row of a change. An account stands above orgs, but audit rows in one: of a caller without an org there is none."""
    if ctx.org_id:
        await audit.record(ctx, "update", account, journey=journey, **details)
