"""The caller's account, its roles and its journeys."""

import asyncio

import httpx
from sqlalchemy import select

from exclave.domain.audit.models import AuditRow
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


async def test_of_journeys_that_are_added_at_once_none_is_lost(client: httpx.AsyncClient) -> None:
    names = [f"tour-{number}" for number in range(6)]
    bodies = [{"name": name, "title": "Tour", "steps": [{"name": "one", "title": "One"}]} for name in (*names, *names)]
    answers = await asyncio.gather(*(client.post("/v1/account/user-journeys", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] * 6 + [400] * 6
    assert sorted(journey["name"] for journey in await said(await client.get("/v1/account/user-journeys"), 200)) == names


async def test_a_change_of_a_journey_is_written_down(client: httpx.AsyncClient, runtime: Runtime, org: factories.OrgWithToken) -> None:
    body = {"name": "tour", "title": "Tour", "steps": [{"name": "one", "title": "One"}]}
    await said(await client.post("/v1/account/user-journeys", json=body), 201)
    await said(await client.patch("/v1/account/user-journeys/tour/steps/one", json={"complete": True}), 200)
    await said(await client.post("/v1/account/user-journeys/tour/reset"), 200)
    async with runtime.sweep() as ctx:
        wanted = select(AuditRow).where(AuditRow.org_id == org.id, AuditRow.object_id == org.actor.account_id)
        rows = (await ctx.db.execute(wanted.order_by(AuditRow.created_at))).scalars().all()
    assert [row.details for row in rows] == [
        {"journey": "tour"},
        {"journey": "tour", "step": "one", "complete": True},
        {"journey": "tour", "complete": False},
    ]


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
