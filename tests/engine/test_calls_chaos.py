"""Workers are killed while calls run: every task runs at least once, every answer is written once, and all within seconds."""

import asyncio
import random

import pytest
from sqlalchemy import text

from exclave.engine import service
from exclave.engine.carrier import RESCUE_SECONDS, SILENCE_SECONDS
from exclave.kit.context import Runtime
from exclave.kit.ids import new_id
from tests import factories
from tests.engine.test_chaos import Workers, tables, wait_until, workers

__all__ = ["tables", "workers"]  # fixtures
WORKFLOWS = 10


async def _start(runtime: Runtime, org: factories.OrgWithToken, number: int) -> str:
    async with runtime.request(org.actor) as ctx:
        return (await service.start(ctx, "chaos.calls", owner_id=new_id("inl"), owner_type="installs", metadata={"tag": str(number)})).id


@pytest.mark.fault
async def test_side_work_of_a_killed_worker_is_started_again_by_another(
    runtime: Runtime, org: factories.OrgWithToken, workers: Workers, tables: None
) -> None:
    first, second = workers.start(), workers.start()
    await workers.ready()
    workers.pause(second)
    workflow_id = await _start(runtime, org, 1)
    started = "select count(*) from chaos_effects where what = 'call'"
    assert await wait_until(runtime, started, 1, 20) == 1
    workers.resume(second)
    workers.kill(first)
    assert await wait_until(runtime, started, 2, SILENCE_SECONDS + RESCUE_SECONDS + 4) == 2
    ended = "select count(*) from install_workflows where id = :id and status ->> 'status' = 'success'"
    assert await wait_until(runtime, ended, 1, 20, id=workflow_id) == 1
    async with runtime.sweep() as ctx:
        pids = (await ctx.db.execute(text("select pid from chaos_effects where what = 'call'"))).scalars().all()
    assert len(set(pids)) == 2


@pytest.mark.fault
async def test_no_call_is_lost_and_none_is_answered_twice_when_workers_are_killed(
    runtime: Runtime, org: factories.OrgWithToken, workers: Workers, tables: None
) -> None:
    chance = random.Random(11)
    for number in range(3):
        workers.start(deaf=number == 0)
    await workers.ready()
    for number in range(WORKFLOWS):
        await _start(runtime, org, number)
    for _ in range(3):
        await asyncio.sleep(1.5)
        workers.kill(chance.choice(workers.alive))
        workers.start()
    done = "select count(*) from install_workflows where type = 'chaos.calls' and status ->> 'status' = 'success' and org_id = :org"
    assert await wait_until(runtime, done, WORKFLOWS, 60, org=org.id) == WORKFLOWS
    async with runtime.sweep() as ctx:
        calls = (await ctx.db.execute(text("select step_id, state, value from engine_calls where org_id = :org"), {"org": org.id})).all()
        ran = (await ctx.db.execute(text("select step_id, pid from chaos_effects where what = 'call'"))).all()
        told = (await ctx.db.execute(text("select step_id, pid from chaos_effects where what = 'answered'"))).all()
        left = (
            await ctx.db.execute(text("select count(*) from procrastinate_jobs where args ->> 'name' = 'slow' and status = 'todo'"))
        ).scalar()
    assert [call.state for call in calls] == ["done"] * WORKFLOWS
    assert {row.step_id for row in ran} == {call.step_id for call in calls}  # at least once
    assert sorted(row.step_id for row in told) == sorted(call.step_id for call in calls)  # exactly once
    by_step = {(row.step_id, row.pid) for row in ran}
    assert all((call.step_id, int(call.value["pid"])) in by_step for call in calls)
    assert left == 0
