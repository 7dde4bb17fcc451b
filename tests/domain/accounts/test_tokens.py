"""Tokens open what their account may do, for as long as they last, and are nowhere in the database."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from exclave.domain.accounts import service as accounts
from exclave.domain.accounts import tokens
from exclave.domain.orgs import service as orgs
from exclave.kit import errors
from exclave.kit.context import Runtime
from tests.conftest import unique


async def test_a_minted_token_makes_its_account_an_actor_in_its_orgs(runtime: Runtime) -> None:
    async with runtime.sweep() as ctx:
        account = await accounts.create(ctx, f"{unique('ada')}@example.com")
        one = await orgs.create(ctx, unique("one"), account_id=account.id)
        two = await orgs.create(ctx, unique("two"), account_id=account.id)
        _, secret = await tokens.mint(ctx, account.id, token_type="static", ttl=timedelta(hours=1))
    async with runtime.sweep() as ctx:
        actor = await tokens.authenticate(ctx.db, secret)
    assert actor is not None
    assert (actor.account_id, actor.email, actor.kind, actor.runner_id) == (account.id, account.email, "auth0", "")
    assert set(actor.org_ids) == {one.id, two.id}
    assert actor.permissions == {one.id: "all", two.id: "all"}


async def test_an_unknown_token_is_nobody_and_an_old_one_is_told_so(runtime: Runtime) -> None:
    async with runtime.sweep() as ctx:
        account = await accounts.create(ctx, f"{unique('ada')}@example.com")
        _, old = await tokens.mint(ctx, account.id, token_type="static", ttl=timedelta(seconds=-1))
        _, revoked = await tokens.mint(ctx, account.id, token_type="static", ttl=timedelta(hours=1))
        await tokens.revoke_all(ctx, account.id)
        assert await tokens.authenticate(ctx.db, "tok-unknown") is None
        assert await tokens.authenticate(ctx.db, "") is None
        assert await tokens.authenticate(ctx.db, revoked) is None
        _, old = await tokens.mint(ctx, account.id, token_type="static", ttl=timedelta(seconds=-1))
        with pytest.raises(errors.Unauthenticated, match="token is expired"):
            await tokens.authenticate(ctx.db, old)


async def test_the_text_of_a_token_is_not_in_the_database(runtime: Runtime) -> None:
    async with runtime.sweep() as ctx:
        account = await accounts.create(ctx, f"{unique('ada')}@example.com")
        row, secret = await tokens.mint(ctx, account.id, token_type="static", ttl=timedelta(hours=1))
    async with runtime.sweep() as ctx:
        stored = (await ctx.db.execute(text("select t::text from tokens t where id = :id"), {"id": row.id})).scalar_one()
    assert secret not in stored
    assert secret.encode().hex() not in stored


async def test_a_runners_service_account_is_made_once_and_knows_its_runner(runtime: Runtime) -> None:
    async with runtime.sweep() as ctx:
        owner = await accounts.create(ctx, f"{unique('ada')}@example.com")
        org = await orgs.create(ctx, unique("org"), account_id=owner.id)
        runner_id = "run" + "0" * 23
        account = await accounts.service_account(ctx, subject=runner_id, org_id=org.id, role_type="runner")
        again = await accounts.service_account(ctx, subject=runner_id, org_id=org.id, role_type="runner")
        _, secret = await tokens.mint(ctx, account.id, token_type="runner", ttl=timedelta(hours=1), scope="job:a:b")
        actor = await tokens.authenticate(ctx.db, secret)
        await ctx.db.rollback()
    assert account.id == again.id
    assert account.user_journeys == []
    assert actor is not None
    assert (actor.kind, actor.runner_id, actor.org_ids, actor.scope) == ("service", runner_id, (org.id,), "job:a:b")
