"""Callers whom the process knows enter a trip sooner, and are refused as soon as their token is nothing any more."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from exclave.api import access
from exclave.domain.accounts.models import Token
from exclave.domain.jobs.models import RunnerJobExecution
from exclave.domain.orgs.models import AccountRole, Policy
from exclave.domain.runners.models import RunnerHeartBeat
from exclave.kit import time
from exclave.kit.context import Runtime
from exclave.kit.crypto import token_hash
from tests import statements
from tests.domain.runners.fleet import Fleet, fleet


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


@pytest.fixture
async def api(home, runner_client_of):
    async with runner_client_of(home.token) as client:
        yield client


async def _expire(home: Fleet) -> None:
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(
            update(Token).where(Token.token_hash == token_hash(home.token)).values(expires_at=time.now() - timedelta(seconds=1))
        )


async def _delete(home: Fleet) -> None:
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(update(Token).where(Token.token_hash == token_hash(home.token)).values(deleted_at=1))


async def _expel(home: Fleet) -> None:
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(update(AccountRole).where(AccountRole.account_id == home.runner.account_id).values(deleted_at=1))


ENDS = {"expired": (_expire, 401), "deleted": (_delete, 401), "out of the org": (_expel, 403)}


async def _calls(home: Fleet, api) -> dict[str, tuple[str, str, dict[str, object]]]:
    """What a runner asks most often: method, path and body, of an execution that it has."""
    await home.job()
    claim = (await api.post(f"/v1/runners/{home.runner.id}/claims", json={"groups": ["deploy"], "wait_seconds": 0})).json()
    path = f"/v1/runner-jobs/{claim['job']['id']}/executions/{claim['execution']['id']}"
    return {
        "beat": ("POST", f"/v1/runners/{home.runner.id}/heart-beats", {"alive_time": 1, "version": "v", "process": "install"}),
        "status": ("PATCH", path, {"status": "in-progress"}),
        "renew": ("POST", f"{path}/renew", {}),
        "claim": ("POST", f"/v1/runners/{home.runner.id}/claims", {"groups": ["deploy"], "wait_seconds": 0}),
        "report": ("POST", f"{path}/report", {"status": "finished", "result": {"success": True}}),
    }


@pytest.mark.parametrize("end", ENDS)
async def test_who_has_lost_the_token_is_refused_at_once(home, api, end):
    calls = await _calls(home, api)
    for method, path, body in list(calls.values())[:4]:
        assert (await api.request(method, path, json=body)).is_success  # known by now
    await home.job()
    ended, status = ENDS[end]
    await ended(home)
    for name, (method, path, body) in calls.items():
        answer = await api.request(method, path, json=body)
        assert answer.status_code == status, (name, answer.text)
    async with home.runtime.sweep() as ctx:
        execution = await ctx.db.get(RunnerJobExecution, calls["report"][1].split("/")[-2])
        beats = (await ctx.db.execute(RunnerHeartBeat.__table__.select().where(RunnerHeartBeat.runner_id == home.runner.id))).all()
    assert execution.status == "in-progress"
    assert len(beats) == 1


@pytest.mark.parametrize("end", ENDS)
async def test_who_loses_the_token_while_it_waits_claims_nothing(home, api, end):
    claiming = {"groups": ["deploy"], "wait_seconds": 1.5}
    await api.post(f"/v1/runners/{home.runner.id}/claims", json={**claiming, "wait_seconds": 0})
    waiting = asyncio.create_task(api.post(f"/v1/runners/{home.runner.id}/claims", json=claiming))
    await asyncio.sleep(0.3)
    await ENDS[end][0](home)
    job = await home.job()
    assert (await waiting).status_code in (204, *(status for _, status in ENDS.values()))
    assert (await home.reload(job.id)).status == "available"
    assert (await api.post(f"/v1/runners/{home.runner.id}/claims", json=claiming)).status_code == ENDS[end][1]


async def test_a_caller_whose_facts_have_changed_enters_with_what_they_are_now(home, api):
    calls = await _calls(home, api)
    method, path, body = calls["beat"]
    assert (await api.request(method, path, json=body)).is_success
    async with home.runtime.sweep() as ctx:
        other = await fleet(home.runtime, home.org)
        await ctx.db.execute(update(Token).where(Token.token_hash == token_hash(home.token)).values(account_id=other.runner.account_id))
    assert (await api.request(method, path, json=body)).status_code == 404  # it is another runner's
    assert (await api.request(method, path.replace(home.runner.id, other.runner.id), json=body)).is_success


async def test_a_wrong_call_of_a_known_caller_is_answered_as_ever(home, api):
    calls = await _calls(home, api)
    method, path, _ = calls["status"]
    assert (await api.patch(path, json={"status": "in-progress"})).is_success
    for wrong, status in (({"status": "pending"}, 409), ({"status": "no such"}, 400), ({"status": 5}, 400)):
        assert (await api.request(method, path, json=wrong)).status_code == status
    assert (await api.patch(path, content=b"{")).status_code == 400
    assert (await api.patch(path, json={"status": "in-progress"})).is_success


async def test_what_a_runner_asks_most_often_costs_so_many_trips(home, api):
    """The commit of all but a claim and a look is another one."""
    calls = await _calls(home, api)
    await api.request(*calls["beat"][:2], json=calls["beat"][2])
    trips = {}
    for name, (method, path, body) in calls.items():
        with statements.sent() as sent:
            assert (await api.request(method, path, json=body)).is_success
        trips[name] = len(sent)
    assert trips == {"beat": 1, "status": 1, "renew": 1, "claim": 1, "report": 1}


async def test_a_known_caller_that_was_refused_may_what_it_is_allowed_later(home, api):
    beat = ("POST", f"/v1/runners/{home.runner.id}/heart-beats", {"alive_time": 1, "version": "v", "process": "install"})

    async def allow(permission: str) -> None:
        async with home.runtime.sweep() as ctx:
            roles = select(AccountRole.role_id).where(AccountRole.account_id == home.runner.account_id)
            await ctx.db.execute(update(Policy).where(Policy.role_id.in_(roles)).values(permissions={home.org.id: permission}))

    await allow("read")
    assert (await api.get(f"/v1/runners/{home.runner.id}/settings")).status_code == 200  # known by now
    assert (await api.request(*beat[:2], json=beat[2])).status_code == 403
    await allow("all")
    assert (await api.request(*beat[:2], json=beat[2])).status_code == 201


async def test_few_are_remembered(runtime, runner_client_of, monkeypatch):
    monkeypatch.setattr(access, "_MOST_KNOWN", 2)
    for _ in range(3):
        side = await fleet(runtime)
        async with runner_client_of(side.token) as client:
            assert (await client.get(f"/v1/runners/{side.runner.id}/settings")).status_code == 200
        assert any(known.found["org_id"] == side.org.id for known in access._known.values())
    assert len(access._known) <= 2
