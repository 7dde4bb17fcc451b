"""Orgs, their people and invites."""

import asyncio
import random
from datetime import timedelta

import httpx
from sqlalchemy import select, update

from exclave.domain.accounts import service as accounts
from exclave.domain.accounts import tokens
from exclave.domain.audit.models import AuditRow
from exclave.domain.orgs.models import AccountRole
from exclave.domain.runners import service as runners
from exclave.kit.context import Runtime
from exclave.kit.ids import new_id
from tests import factories
from tests.api.syncing import said, unique


async def test_a_new_org_has_its_creator_as_admin_and_the_known_features(client: httpx.AsyncClient, org: factories.OrgWithToken) -> None:
    name = unique("acme")
    made = await said(await client.post("/v1/orgs", json={"name": name}), 201)
    assert made["notifications_config"]["owner_id"] == made["id"]
    assert made["features"]["org-runner"] is True
    assert made["features"]["org-dashboard"] is False
    inside = {"X-Nuon-Org-ID": made["id"]}
    read = await said(await client.get("/v1/orgs/current", headers=inside), 200)
    assert (read["name"], read["status"]) == (name, "active")
    assert [each["id"] for each in await said(await client.get("/v1/orgs/current/accounts", headers=inside), 200)] == [org.actor.account_id]
    listed = await said(await client.get(f"/v1/orgs?q={name}"), 200)
    assert [each["id"] for each in listed] == [made["id"]]
    app = await said(await client.post("/v1/apps", json={"name": "hello"}, headers=inside), 201)
    await said(await client.get(f"/v1/apps/{app['id']}", headers={"X-Nuon-Org-ID": org.id}), 404)


async def test_an_org_that_the_caller_is_not_in_is_403(client: httpx.AsyncClient, runtime: Runtime) -> None:
    other = await factories.org(runtime)
    await said(await client.get("/v1/orgs/current", headers={"X-Nuon-Org-ID": other.id}), 403)


async def test_names_of_orgs_are_unique_and_not_empty(client: httpx.AsyncClient) -> None:
    name = unique("acme")
    await said(await client.post("/v1/orgs", json={"name": name}), 201)
    taken = await said(await client.post("/v1/orgs", json={"name": name}), 400)
    assert name in taken["description"]
    await said(await client.post("/v1/orgs", json={"name": " "}), 400)
    await said(await client.post("/v1/orgs", json={}), 400)


async def test_an_address_of_an_invite_has_an_end(client: httpx.AsyncClient) -> None:
    address = f"{random.Random(1).getrandbits(40_000):x}@example.com"
    refused = await said(await client.post("/v1/orgs/current/invites", json={"email": address}), 400)
    assert "at most 320 characters" in refused["description"]


async def test_people_come_and_go_and_it_is_written_down(client: httpx.AsyncClient, runtime: Runtime, org: factories.OrgWithToken) -> None:
    other = (await factories.org(runtime)).actor.account_id
    await said(await client.post("/v1/orgs/current/user", json={"user_id": other}), 201)
    assert {each["id"] for each in await said(await client.get("/v1/orgs/current/accounts"), 200)} == {other, org.actor.account_id}
    await said(await client.post("/v1/orgs/current/remove-user", json={"user_id": other}), 201)
    await said(await client.post("/v1/orgs/current/user", json={"user_id": "acc" + "0" * 23}), 404)
    async with runtime.sweep() as ctx:
        wanted = select(AuditRow).where(AuditRow.org_id == org.id, AuditRow.object_id == org.id).order_by(AuditRow.created_at)
        rows = (await ctx.db.execute(wanted)).scalars().all()
    assert [row.details for row in rows] == [{"added_account_id": other}, {"removed_account_id": other}]


async def test_the_account_of_a_runner_is_not_taken_into_an_org(client: httpx.AsyncClient, runtime: Runtime) -> None:
    elsewhere = await factories.org(runtime)
    async with runtime.sweep() as ctx:
        runner = await accounts.service_account(ctx, subject=new_id("run"), org_id=elsewhere.id, role_type="org_admin")
    refused = await said(await client.post("/v1/orgs/current/user", json={"user_id": runner.id}), 400)
    assert "service account" in refused["description"]


async def test_two_who_take_each_other_out_at_once_leave_one(
    client: httpx.AsyncClient, runtime: Runtime, org: factories.OrgWithToken
) -> None:
    other = await factories.org(runtime)
    for _ in range(5):
        await said(await client.post("/v1/orgs/current/user", json={"user_id": other.actor.account_id}), 201)
        answers = await asyncio.gather(
            *(
                client.post("/v1/orgs/current/remove-user", json={"user_id": account})
                for account in (org.actor.account_id, other.actor.account_id)
            )
        )
        assert sorted(answer.status_code for answer in answers)[0] == 201
        async with runtime.sweep() as ctx:
            left = (await ctx.db.execute(select(AccountRole.account_id).where(AccountRole.org_id == org.id))).scalars().all()
            assert len(left) == 1
            # Whoever is left: the next round begins as the first did.
            await ctx.db.execute(update(AccountRole).where(AccountRole.org_id == org.id).values(account_id=org.actor.account_id))


async def test_an_org_is_renamed_and_deleted_once_it_is_empty(client: httpx.AsyncClient, runtime: Runtime) -> None:
    made = await said(await client.post("/v1/orgs", json={"name": unique("acme")}), 201)
    inside = {"X-Nuon-Org-ID": made["id"]}
    name = unique("renamed")
    assert (await said(await client.patch("/v1/orgs/current", json={"name": name}, headers=inside), 200))["name"] == name
    app = await said(await client.post("/v1/apps", json={"name": "hello"}, headers=inside), 201)
    refused = await said(await client.delete("/v1/orgs/current", headers=inside), 400)
    assert "still has apps" in refused["description"]
    assert await said(await client.delete(f"/v1/apps/{app['id']}", headers=inside), 200) is True
    builder = (await said(await client.get("/v1/orgs/current/runner-group", headers=inside), 200))["runners"][0]["id"]
    assert builder in await runners.local_runners(runtime)
    assert await said(await client.delete("/v1/orgs/current", headers=inside), 200) is True
    assert builder not in await runners.local_runners(runtime)
    await said(await client.get("/v1/orgs/current", headers=inside), 403)


async def test_an_invite_is_accepted_by_the_account_of_its_address(
    client: httpx.AsyncClient, runtime: Runtime, org: factories.OrgWithToken
) -> None:
    email = f"{unique('bob')}@example.com"
    invited = await said(await client.post("/v1/orgs/current/invites", json={"email": email}), 201)
    assert (invited["status"], invited["role_type"]) == ("pending", "org_admin")
    await said(await client.post("/v1/orgs/current/invites", json={"email": email}), 400)
    await said(await client.post("/v1/orgs/current/invites", json={"email": "no address"}), 400)
    async with runtime.sweep() as ctx:
        bob = await accounts.create(ctx, email)
        _, token = await tokens.mint(ctx, bob.id, token_type="static", ttl=timedelta(hours=1))
    for _ in range(2):
        account = await said(await client.get("/v1/account", headers={"Authorization": f"Bearer {token}"}), 200)
        assert account["org_ids"] == [org.id]
    await said(await client.get("/v1/apps", headers={"Authorization": f"Bearer {token}"}), 200)
    listed = await said(await client.get("/v1/orgs/current/invites"), 200)
    assert [each["status"] for each in listed] == ["accepted"]
    members = await said(await client.get("/v1/orgs/current/accounts"), 200)
    assert {each["email"] for each in members} == {email, org.actor.email}
    answer = await client.post("/v1/orgs/current/remove-user", json={"user_id": bob.id})
    assert answer.status_code in (201, 202)
    assert answer.json()["id"] == org.actor.account_id
    members = await said(await client.get("/v1/orgs/current/accounts"), 200)
    assert {each["email"] for each in members} == {org.actor.email}
    last = await said(await client.post("/v1/orgs/current/remove-user", json={"user_id": org.actor.account_id}), 400)
    assert "at least one member" in last["description"]
