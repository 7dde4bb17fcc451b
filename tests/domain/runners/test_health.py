"""Runners: their groups, their beats, and what becomes of one that falls silent."""

import pytest
from sqlalchemy import text
from tests.domain.runners.fleet import Fleet, fleet

from exclave.domain.runners import service as runners
from exclave.domain.runners import sweep
from exclave.domain.runners.events import RunnerHealthy
from exclave.kit import errors
from exclave.kit.context import Runtime


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


async def beat(home: Fleet, process: str = "install", runner_id: str = "") -> None:
    async with home.runtime.request(home.actor) as ctx:
        await runners.beat(ctx, runner_id or home.runner.id, process, "1.0.0", 5_000_000_000)


async def status(home: Fleet) -> str:
    async with home.runtime.request(home.org.actor) as ctx:
        return (await runners.get(ctx, home.runner.id)).status


async def let_pass(home: Fleet, seconds: int, process: str = "%") -> None:
    """Move what happened to a runner into the past."""
    async with home.runtime.sweep() as ctx:
        values = {"id": home.runner.id, "s": seconds, "process": process}
        await ctx.db.execute(
            text(
                "update runner_heart_beats set beat_at = beat_at - make_interval(secs => :s) "
                "where runner_id = :id and process like :process"
            ),
            values,
        )
        await ctx.db.execute(text("update runners set updated_at = updated_at - make_interval(secs => :s) where id = :id"), values)


async def test_the_first_beat_makes_a_runner_active_and_says_so_once(home):
    heard = []

    async def keep(_ctx, event):
        heard.append(event)

    home.runtime.events.subscribe(RunnerHealthy, keep)
    assert await status(home) == "provisioning"
    await beat(home)
    await beat(home)
    assert await status(home) == "active"
    assert [event.runner_id for event in heard if event.org_id == home.org.id] == [home.runner.id]
    home.runtime.events._handlers[RunnerHealthy].remove(keep)


async def test_a_silent_runner_is_marked_and_comes_back_with_a_beat(home):
    await beat(home)
    await sweep.check(home.runtime)
    assert await status(home) == "active"
    await let_pass(home, 16)
    await sweep.check(home.runtime)
    assert await status(home) == "error"
    await beat(home)
    assert await status(home) == "active"


async def test_the_managing_process_does_not_hide_a_dead_runner(home):
    await beat(home)
    await beat(home, "mng")
    await let_pass(home, 16, process="install")
    await sweep.check(home.runtime)
    assert await status(home) == "error"
    await beat(home, "mng")
    assert await status(home) == "error"


async def test_a_runner_that_waits_for_its_stack_is_not_marked(home):
    async with home.runtime.sweep(home.org.actor) as ctx:
        await runners.create_group(
            ctx, org_id=home.org.id, owner_id="inl" + "0" * 23, owner_type="installs", type="install", platform="aws"
        )
        runner = await runners.of_install(ctx, "inl" + "0" * 23)
        await runners.provision(ctx, runner)
    await sweep.check(home.runtime)
    async with home.runtime.request(home.org.actor) as ctx:
        assert (await runners.get(ctx, runner.id)).status == "awaiting-install-stack-run"


async def test_a_runner_out_of_service_stays_so(home):
    async with home.runtime.request(home.org.actor) as ctx:
        await runners.deprovision(ctx, await runners.get(ctx, home.runner.id))
    await beat(home)
    assert await status(home) == "deprovisioned"


async def test_a_runner_beats_for_itself_only(home):
    other, stranger = await fleet(home.runtime, home.org), await fleet(home.runtime)
    for side in (other, stranger):
        with pytest.raises(errors.NotFound):
            await beat(side, runner_id=home.runner.id)
    with pytest.raises(errors.NotFound):  # nor does a person of another org
        async with home.runtime.request(stranger.org.actor) as ctx:
            await runners.beat(ctx, home.runner.id, "install", "", 0)


async def test_an_org_has_one_build_group(home):
    async with home.runtime.request(home.org.actor) as ctx:
        assert (await runners.group_for_org(ctx, home.org.id)).id == (await runners.group_for_org(ctx, home.org.id)).id
        assert (await runners.of_org(ctx, home.org.id)).name == "default"
