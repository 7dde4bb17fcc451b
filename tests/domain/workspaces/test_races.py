"""Many clients at one workspace, and deliveries that come twice and out of order (design: R08, R09, in small)."""

import asyncio
import json
import random

import pytest
from tests.domain.runners.fleet import Fleet, fleet

from exclave.domain.jobs import executions
from exclave.domain.workspaces import service as workspaces
from exclave.kit import errors
from exclave.kit.context import Runtime


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


async def test_no_state_is_lost_among_many_lockers(home):
    workspace = await home.workspace()
    await home.terraform_job(workspace)
    claim = await home.claim("sandbox")
    actor = home.actor
    holders: set[str] = set()
    written: list[int] = []

    async def client(number: int) -> int:
        """Lock, read, write the next serial, unlock; five times, with as many tries as it takes."""
        done = 0
        while done < 5:
            lock_id = f"{number}-{done}"
            body = json.dumps({"ID": lock_id}).encode()
            try:
                async with home.runtime.request(actor) as ctx:
                    await workspaces.lock(ctx, workspace.id, body, job_id=claim.job.id)
            except errors.Locked:
                await asyncio.sleep(random.uniform(0.001, 0.01))
                continue
            holders.add(lock_id)
            assert holders == {lock_id}, "two hold the lock"
            async with home.runtime.request(actor) as ctx:
                before = await workspaces.get(ctx, workspace.id)
            serial = json.loads(before)["serial"] + 1 if before else 1
            state = json.dumps({"version": 4, "serial": serial, "lineage": "x"}).encode()
            with pytest.raises(errors.Conflict):
                async with home.runtime.request(actor) as ctx:
                    await workspaces.put(ctx, workspace.id, state, lock_id="somebody-else", job_id=claim.job.id)
            async with home.runtime.request(actor) as ctx:
                await workspaces.put(ctx, workspace.id, state, lock_id=lock_id, job_id=claim.job.id)
            written.append(serial)
            holders.discard(lock_id)
            async with home.runtime.request(actor) as ctx:
                await workspaces.unlock(ctx, workspace.id, body, job_id=claim.job.id)
            async with home.runtime.request(actor) as ctx:
                await executions.move(ctx, claim.job.id, claim.execution.id, "in-progress")
            done += 1
        return done

    async def keep() -> None:
        from exclave.domain.jobs import claims

        while True:
            async with home.runtime.request(actor) as ctx:
                await claims.renew(ctx, claim.job.id, claim.execution.id)
            await asyncio.sleep(0.3)

    keeping = asyncio.create_task(keep())
    try:
        await asyncio.gather(*(client(number) for number in range(8)))
    finally:
        keeping.cancel()
    assert written == list(range(1, 41))


async def test_deliveries_that_come_often_and_out_of_order_have_one_effect(home):
    job = await home.job()
    claim = await home.claim()
    place = (job.id, claim.execution.id)

    async def deliver(what: str) -> str:
        try:
            async with home.runtime.request(home.actor) as ctx:
                match what:
                    case "result":
                        return (await executions.give_result(ctx, *place, b'{"success":true,"contents":"x"}')).id
                    case "outputs":
                        return (await executions.give_outputs(ctx, *place, b'{"outputs":{"a":1}}'))[0].id
                    case status:
                        return (await executions.move(ctx, *place, status)).status
        except errors.Conflict:
            return "refused"

    seed = random.Random(11)
    early = ["result", "outputs", "in-progress", "cleaning-up"] * 4
    seed.shuffle(early)
    answers = list(zip(early, await asyncio.gather(*map(deliver, early)), strict=True))
    late = ["finished", "result", "outputs"] * 4
    seed.shuffle(late)
    answers += zip(late, await asyncio.gather(*map(deliver, late)), strict=True)
    for what in ("result", "outputs"):
        assert len({answer for asked, answer in answers if asked == what}) == 1
    assert {answer for asked, answer in answers if asked == "finished"} == {"finished"}
    assert (await home.reload(job.id)).status == "finished"
