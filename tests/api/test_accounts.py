"""The caller's account, its roles and its journeys."""

import httpx

from exclave.kit.context import Runtime
from tests import factories
from tests.api import syncing
from tests.api.syncing import said


async def test_the_account_comes_with_roles_orgs_and_permissions_and_needs_no_org_header(
    client: httpx.AsyncClient, org: factories.OrgWithToken
) -> None:
    account = await said(await client.get("/v1/account"), 200)
    assert account["email"] == org.actor.email
    assert account["org_ids"] == [org.id]
    assert account["permissions"] == {org.id: "all"}
    assert [role["role_type"] for role in account["roles"]] == ["org_admin"]
    assert account["roles"][0]["policies"][0]["permissions"] == {org.id: "all"}
    assert await said(await client.get("/v1/general/current-user"), 200) == account


async def test_a_journey_is_added_followed_and_reset(client: httpx.AsyncClient) -> None:
    body = {"name": "tour", "title": "Tour", "steps": [{"name": "one", "title": "One"}, {"name": "two", "title": "Two"}]}
    await said(await client.post("/v1/account/user-journeys", json=body), 201)
    twice = await said(await client.post("/v1/account/user-journeys", json=body), 400)
    assert "tour" in twice["description"]
    await said(await client.patch("/v1/account/user-journeys/tour/steps/one", json={"complete": True}), 200)
    steps = (await said(await client.get("/v1/account/user-journeys"), 200))[0]["steps"]
    assert [(step["name"], step["complete"]) for step in steps] == [("one", True), ("two", False)]
    assert (steps[0]["completion_method"], steps[0]["completion_source"]) == ("manual", "api")
    whole = await said(await client.post("/v1/account/user-journeys/tour/complete"), 200)
    assert all(step["complete"] for step in whole["user_journeys"][0]["steps"])
    empty = await said(await client.post("/v1/account/user-journeys/tour/reset"), 200)
    assert not any(step["complete"] for step in empty["user_journeys"][0]["steps"])
    await said(await client.patch("/v1/account/user-journeys/tour/steps/three", json={"complete": True}), 404)
    await said(await client.post("/v1/account/user-journeys/nowhere/complete"), 404)


async def test_the_first_journey_follows_what_its_owner_does(client: httpx.AsyncClient, runtime: Runtime) -> None:
    syncing.listening(runtime)
    from exclave.domain.accounts import rules
    from exclave.domain.accounts.models import Account
    from exclave.kit.time import now

    account_id = (await said(await client.get("/v1/account"), 200))["id"]
    async with runtime.sweep() as ctx:
        account = await ctx.db.get(Account, account_id)
        assert account is not None
        account.user_journeys = rules.evaluation(now())

    async def done() -> set[str]:
        journeys = await said(await client.get("/v1/account/user-journeys"), 200)
        return {step["name"] for step in journeys[0]["steps"] if step["complete"]}

    assert await done() == {"account_created"}
    await client.get("/v1/account", headers={"User-Agent": "nuon/go"})
    assert await done() == {"account_created", "cli_installed"}
    await said(await client.post("/v1/orgs", json={"name": syncing.unique("acme")}), 201)
    assert "org_created" in await done()
