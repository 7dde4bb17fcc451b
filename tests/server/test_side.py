"""Chores clear away what nobody needs, and nothing else."""

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from croniter import croniter
from sqlalchemy import text

from exclave.domain.artifacts import service as artifacts
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner, RunnerHealthCheck, RunnerHeartBeat
from exclave.engine import service as engine
from exclave.engine.definition import Registry
from exclave.kit.blobs import Blobs
from exclave.kit.context import Ctx, Runtime
from exclave.kit.time import now
from exclave.server import side
from exclave.server.background import Background
from tests import conftest, factories
from tests.cluster import Cluster

DAY = 86_400.0


@pytest.fixture
def store(runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """A blob store of its own."""
    made = Blobs(tmp_path / "blobs")
    monkeypatch.setattr(runtime, "blobs", made)
    return made


def path_of(store: Blobs, digest: str) -> Path:
    name = digest.removeprefix("sha256:")
    return store.directory / name[:2] / name


def age(path: Path, seconds: float = 2 * DAY) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


async def test_bytes_that_no_row_names_leave_after_a_day(runtime: Runtime, org: factories.OrgWithToken, store: Blobs) -> None:
    refused, kept, young = store.put(b"refused"), store.put(b"kept"), store.put(b"young")
    async with runtime.request(org.actor) as ctx:
        await artifacts.record_blob(ctx, kept, 4, "layer")
    broken_off = store.directory / ".incoming-abc"
    broken_off.write_bytes(b"half")
    foreign = store.directory / "README"
    foreign.write_bytes(b"not ours")
    for path in (path_of(store, refused), path_of(store, kept), broken_off, foreign):
        age(path)
    age(path_of(store, young), 0.5 * DAY)
    assert await side.remove_unnamed_blobs(runtime) == 2
    assert not store.has(refused)
    assert not broken_off.exists()
    assert (store.get(kept), store.get(young), foreign.exists()) == (b"kept", b"young", True)
    assert await side.remove_unnamed_blobs(runtime) == 0


async def test_a_refused_upload_is_such_a_thing(runtime: Runtime, store: Blobs) -> None:
    async def stream():  # type: ignore[no-untyped-def]
        yield b"other bytes"

    with pytest.raises(Exception, match="have the digest"):
        await artifacts.receive_blob(store, stream(), "sha256:" + "0" * 64)
    digest = "sha256:" + hashlib.sha256(b"other bytes").hexdigest()
    assert store.has(digest)
    age(path_of(store, digest))
    assert await side.remove_unnamed_blobs(runtime) == 1
    assert not store.has(digest)


async def test_old_bytes_that_come_again_stay(runtime: Runtime, store: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are stored again after the chore looked at the rows and before it removes the file."""
    digest = store.put(b"again")
    age(path_of(store, digest))
    plain = side._named

    async def and_meanwhile(runtime, digests):  # type: ignore[no-untyped-def]
        found = await plain(runtime, digests)
        store.put(b"again")
        return found

    monkeypatch.setattr(side, "_named", and_meanwhile)
    assert await side.remove_unnamed_blobs(runtime) == 0
    assert store.get(digest) == b"again"


async def test_a_file_that_was_set_aside_comes_back_when_a_row_names_it(
    runtime: Runtime, org: factories.OrgWithToken, store: Blobs
) -> None:
    digest = store.put(b"aside")
    async with runtime.request(org.actor) as ctx:
        await artifacts.record_blob(ctx, digest, 5, "layer")
    path = path_of(store, digest)
    age(path)
    path.rename(path.with_name(".leaving-" + path.name))
    assert await side.remove_unnamed_blobs(runtime) == 0
    assert store.get(digest) == b"aside"


async def test_a_store_that_has_nothing_yet_is_clean(runtime: Runtime, store: Blobs) -> None:
    assert await side.remove_unnamed_blobs(runtime) == 0


async def install_runner(ctx: Ctx, letter: str) -> Runner:
    owner = "inl" + letter * 23
    await runners.create_group(ctx, org_id=ctx.org_id, owner_id=owner, owner_type="installs", type="install", platform="local", metadata={})
    return await runners.of_install(ctx, owner)


async def test_beats_and_checks_that_nobody_reads_are_pruned(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        alive, gone = await install_runner(ctx, "a"), await install_runner(ctx, "b")
        gone.deleted_at = 1
        ages = {(alive, "new"): 0, (alive, "old"): 31, (alive, "recent"): 29, (gone, "only"): 2}
        for (runner, process), days in ages.items():
            ctx.db.add(RunnerHeartBeat(org_id=org.id, runner_id=runner.id, process=process, beat_at=now() - timedelta(days=days)))
        for hours in (1, 23, 25):
            minute = now().replace(second=0, microsecond=0) - timedelta(hours=hours)
            ctx.db.add(RunnerHealthCheck(org_id=org.id, runner_id=alive.id, process="new", status="active", minute=minute))
    runner_ids = {"a": alive.id, "b": gone.id}

    async def left() -> tuple[list[str], int]:
        beats = text("select process from runner_heart_beats where runner_id in (:a, :b) order by process")
        checks = text("select count(*) from runner_health_checks where runner_id in (:a, :b)")
        async with runtime.sweep() as ctx:
            return list((await ctx.db.execute(beats, runner_ids)).scalars()), (await ctx.db.execute(checks, runner_ids)).scalar_one()

    await side.prune_health(runtime)
    assert await left() == (["new", "recent"], 2)
    await side.prune_health(runtime)
    assert await left() == (["new", "recent"], 2)


async def test_the_last_beat_of_a_runner_that_fell_silent_long_ago_is_kept(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        runner = await install_runner(ctx, "c")
        ctx.db.add(RunnerHeartBeat(org_id=org.id, runner_id=runner.id, process="only", beat_at=now() - timedelta(days=400)))
    await side.prune_health(runtime)
    async with runtime.sweep() as ctx:
        kept = await ctx.db.execute(text("select count(*) from runner_heart_beats where runner_id = :r"), {"r": runner.id})
        assert kept.scalar() == 1


async def test_wake_ups_of_workflows_that_do_not_exist_are_removed(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        workflow = await engine.start(ctx, "never", owner_id="inl" + "8" * 23, owner_type="installs")
    nobody, young = "inw" + "0" * 23, "inw" + "1" * 23
    async with runtime.sweep() as ctx:
        await ctx.db.execute(text("delete from wakeup"))
        hours = {nobody: 2, young: 0, workflow.id: 2}
        for workflow_id, old in hours.items():
            await engine.wake(ctx, workflow_id, due=now() - timedelta(hours=old))
    assert await side.remove_orphan_wakeups(runtime) == 1
    assert await side.remove_orphan_wakeups(runtime) == 0
    async with runtime.sweep() as ctx:
        left = set((await ctx.db.execute(text("select workflow_id from wakeup"))).scalars())
        await ctx.db.execute(text("delete from wakeup"))
    assert left == {young, workflow.id}


async def test_jobs_that_ended_leave_after_a_day(runtime: Runtime) -> None:
    async with runtime.sweep() as ctx:
        await ctx.db.execute(text("delete from procrastinate_jobs"))
        for status, hours in (("failed", 25), ("cancelled", 25), ("failed", 23), ("todo", 48), ("doing", 48)):
            made = text(
                "with j as (insert into procrastinate_jobs (queue_name, task_name, status) "
                "values ('other', :name, cast(:status as procrastinate_job_status)) returning id) "
                "insert into procrastinate_events (job_id, type, at) select id, 'failed', now() - make_interval(hours => :hours) from j"
            )
            await ctx.db.execute(made, {"name": f"{status} {hours}", "status": status, "hours": hours})
        await ctx.db.execute(text("update procrastinate_events set at = now() - interval '3 days' where type = 'deferred'"))
        await ctx.db.execute(text("insert into procrastinate_workers (last_heartbeat) values (now() - interval '2 days')"))
    await side.remove_ended_jobs(runtime)
    assert await side.remove_ended_jobs(runtime) == 0
    async with runtime.sweep() as ctx:
        left = set((await ctx.db.execute(text("select task_name from procrastinate_jobs"))).scalars())
        silent = (await ctx.db.execute(text("select 1 from procrastinate_workers where last_heartbeat < now() - interval '1 day'"))).all()
        await ctx.db.execute(text("delete from procrastinate_jobs"))
    assert left == {"failed 23", "todo 48", "doing 48"}
    assert silent == []


def test_every_chore_has_a_turn_within_an_hour(runtime: Runtime) -> None:
    chores = side.calls(runtime).chores
    assert len({chore.name for chore in chores}) == len(chores) == 5
    for chore in chores:
        turns = croniter(chore.cron)
        assert turns.get_next(float) - turns.get_prev(float) <= 3600


async def test_a_process_that_works_does_the_chores(database: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real loops of a worker: the job of a chore is deferred by the clock, taken and done."""
    runtime = conftest.make_runtime(database, tmp_path / "blobs")
    digest = runtime.blobs.put(b"unnamed")
    age(path_of(runtime.blobs, digest))
    plain = side.calls

    def often(runtime: Runtime):  # type: ignore[no-untyped-def]
        made = plain(runtime)
        every_second: list[tuple[str, Callable[[Runtime], Awaitable[object]]]] = [(chore.name, chore.work) for chore in made.chores]
        made.chores.clear()
        for name, work in every_second:
            made.schedule(name, work, cron="* * * * * *")
        return made

    monkeypatch.setattr(side, "calls", often)
    async with Background(runtime, Registry()).running():
        for _ in range(300):
            if not runtime.blobs.has(digest):
                break
            runtime.bus.poke("engine.calls")
            await asyncio.sleep(0.05)
    assert not runtime.blobs.has(digest)
