"""Side work: deferred with its step, carried by Procrastinate's worker, never lost, never late, answered once."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from exclave.engine import carrier, tasks
from exclave.engine.calls import TOPIC, answer_of, enqueue
from exclave.engine.carrier import AutoReset, Carrier, PromptWorker
from exclave.engine.definition import Call, Done, Fail, Group
from exclave.engine.loop import Loop
from exclave.engine.models import EngineCall
from exclave.engine.tasks import Called, Calls
from exclave.kit import postgres
from exclave.kit.context import Runtime
from exclave.migrations.upgrade import upgrade
from tests import conftest, factories
from tests.engine.world import QUICK, Stage, do


class Side:
    """A step that made its call: the workflow waits for it, the job waits for a worker."""

    def __init__(self, stage: Stage, *, poll: float = 60.0) -> None:
        self.stage, self.runtime = stage, stage.runtime
        self.calls = Calls(stage.runtime, poll=poll)  # what the poll would find is found too late for these tests
        self.runs: list[Called] = []
        self.advance = Loop(stage.runtime, stage.registry, patience=QUICK)
        self.workflow_id = ""

        async def work(runtime: Runtime, called: Called) -> dict[str, Any]:
            self.runs.append(called)
            return {"run": len(self.runs)}

        async def handler(ctx, step):  # type: ignore[no-untyped-def]
            answer = await answer_of(ctx, step, "work")
            if answer is None:
                return Call("work", {"repo": "r"})
            return Fail(answer.error) if answer.error else Done(str(answer.value["run"]))

        stage.world.script["call"] = handler
        self.calls.register("work", work)

    async def start(self) -> str:
        self.workflow_id = await self.stage.start([Group((do("call"),))])
        assert await self.advance.drain()
        return (await self.row()).id

    async def row(self) -> EngineCall:
        async with self.runtime.sweep() as ctx:
            found = await ctx.db.execute(text("select id from engine_calls where workflow_id = :w"), {"w": self.workflow_id})
            return await ctx.db.get_one(EngineCall, found.scalar_one())

    async def jobs(self) -> list[Any]:
        return await self.sql("select * from procrastinate_jobs where args ->> 'call' = :id order by id", id=(await self.row()).id)

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.runtime.sweep() as ctx:
            found = await ctx.db.execute(text(statement), values)
            return list(found.all()) if found.returns_rows else []

    async def ends(self, seconds: float = 10.0) -> float:
        """Wait for the answer and return how long that took."""
        began = time.monotonic()
        await until(self.answered, seconds)
        return time.monotonic() - began

    async def answered(self) -> bool:
        return (await self.row()).state != "queued"


async def until(true: Callable[[], Awaitable[object]], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
async def nothing_left_of_other_tests(runtime: Runtime) -> None:
    async with runtime.sweep() as ctx:
        await ctx.db.execute(text("delete from procrastinate_jobs"))
        await ctx.db.execute(text("delete from engine_calls where state = 'queued'"))


@pytest.fixture
def side(stage: Stage) -> Side:
    return Side(stage)


@pytest.fixture
async def working(side: Side) -> AsyncIterator[Side]:
    """Its worker runs and rests."""
    async with running(side.calls):
        yield side


class running:
    """The calls of a process, up to the moment at which its worker rests."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def __aenter__(self) -> None:
        before = await self._workers()
        # A hint in the first moment has the worker made at once.
        self._task = asyncio.create_task(self._calls.run())

        async def there() -> bool:
            self._calls.runtime.bus.poke(TOPIC)
            return await self._workers() > before

        await until(there)
        await asyncio.sleep(0.2)

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _workers(self) -> int:
        async with self._calls.runtime.sweep() as ctx:
            return int((await ctx.db.execute(text("select coalesce(max(id), 0) from procrastinate_workers"))).scalar_one())


async def test_a_call_is_deferred_with_its_step_and_its_job_names_nothing_but_the_row(side: Side) -> None:
    call_id = await side.start()
    (job,) = await side.jobs()
    assert (job.status, job.queue_name, job.args) == ("todo", "side", {"call": call_id, "name": "work"})
    assert (await side.row()).args == {"repo": "r"}


async def test_what_is_rolled_back_was_never_deferred(side: Side) -> None:
    await side.start()
    step = await side.stage.step(side.workflow_id, "call")
    async with side.runtime.sweep() as ctx:
        await enqueue(ctx, step, Call("other"))
        await ctx.db.rollback()
    assert await side.sql("select 1 from engine_calls where name = 'other' and step_id = :s", s=step.id) == []
    assert len(await side.jobs()) == 1


async def test_asking_twice_in_one_transaction_or_in_two_makes_one_job(side: Side) -> None:
    await side.start()
    step = await side.stage.step(side.workflow_id, "call")
    async with side.runtime.sweep() as ctx:
        await enqueue(ctx, step, Call("work"))
        await enqueue(ctx, step, Call("work"))
        assert (await ctx.db.execute(text("select 1"))).scalar() == 1  # the transaction lives
    assert len(await side.jobs()) == 1


async def test_a_request_may_defer_and_do_nothing_else_with_jobs(side: Side) -> None:
    await side.start()
    step = await side.stage.step(side.workflow_id, "call")
    async with side.runtime.request(side.stage.actor) as ctx:
        await enqueue(ctx, step, Call("from a request"))
    made = await side.sql("select args from procrastinate_jobs where args ->> 'name' = 'from a request'")
    assert len(made) == 1
    forbidden = (
        "select args from procrastinate_jobs",
        "update procrastinate_jobs set status = 'succeeded'",
        "delete from procrastinate_jobs",
        "insert into procrastinate_jobs (queue_name, task_name, status) values ('side', 'call', 'doing')",
        "select * from procrastinate_fetch_job_v2(array['side'], null)",
        "select procrastinate_register_worker_v1()",
        "delete from procrastinate_workers",
        "delete from procrastinate_events",
        "select 1 from procrastinate_periodic_defers",
    )
    for statement in forbidden:
        session = side.runtime.app()
        with pytest.raises(DBAPIError, match="permission denied"):
            await session.execute(text(statement))
        await session.close()


async def test_the_answer_and_the_wake_up_come_once_however_often_the_task_runs(side: Side) -> None:
    call_id = await side.start()
    both = asyncio.Barrier(2)

    async def slow(runtime: Runtime, called: Called) -> dict[str, Any]:
        await both.wait()
        side.runs.append(called)
        return {"run": len(side.runs)}

    side.calls.register("work", slow)
    await asyncio.gather(side.calls.perform(call_id, 0), side.calls.perform(call_id, 1))
    assert len(side.runs) == 2
    wakeups = await side.sql("select 1 from wakeup where workflow_id = :w and due <= clock_timestamp()", w=side.workflow_id)
    assert len(wakeups) == 1
    first = (await side.row()).value
    await side.calls.perform(call_id, 2)
    assert (await side.row()).value == first
    assert len(side.runs) == 2


@pytest.mark.parametrize(("event", "late"), [(asyncio.Event, True), (AutoReset, False)], ids=["as it comes", "mended"])
async def test_a_hint_that_comes_while_a_fetch_is_under_way_is_not_lost(
    side: Side, monkeypatch: pytest.MonkeyPatch, event: type[asyncio.Event], late: bool
) -> None:
    """With the event that Procrastinate brings, the job waits for the poll. Once that changes, the mend can go."""
    monkeypatch.setattr(carrier, "AutoReset", event)
    looked, committed = asyncio.Event(), asyncio.Event()
    plain = Carrier._worker

    def with_a_slow_look(self: Carrier, *args: Any, **options: Any) -> Any:
        @contextlib.asynccontextmanager
        async def made() -> AsyncIterator[PromptWorker]:
            async with plain(self, *args, **options) as worker:
                manager = worker.app.job_manager
                fetch = manager.fetch_job

                async def slowly(**wanted: Any) -> Any:
                    found = await fetch(**wanted)
                    if found is None and not looked.is_set():
                        looked.set()  # its snapshot is older than the call
                        await committed.wait()
                        await asyncio.sleep(0.05)  # the relay hands the hint over
                    return found

                manager.fetch_job = slowly  # type: ignore[method-assign]
                yield worker

        return made()

    monkeypatch.setattr(Carrier, "_worker", with_a_slow_look)
    async with running(side.calls):
        await asyncio.wait_for(looked.wait(), 5)
        await side.start()
        committed.set()
        if late:
            await asyncio.sleep(1.0)
            assert not await side.answered()
        else:
            assert await side.ends() < 1.0


async def test_a_call_is_taken_at_once(working: Side) -> None:
    for _ in range(20):
        await working.start()
        assert await working.ends() < 1.0  # the poll is a minute away


async def test_a_task_that_raises_is_tried_again_and_its_last_error_is_the_answer(stage: Stage) -> None:
    side = Side(stage, poll=0.1)

    async def broken(runtime: Runtime, called: Called) -> None:
        side.runs.append(called)
        raise OSError(f"try {called.tries}")

    side.calls.register("work", broken, tries=2)
    async with running(side.calls):
        await side.start()
        await side.ends()
    assert [called.tries for called in side.runs] == [1, 2]
    assert len({called.key for called in side.runs}) == 1
    assert await side.advance.drain()
    assert (await stage.step(side.workflow_id, "call")).error == "OSError: try 2"
    assert await side.jobs() == []


async def test_a_task_that_nobody_knows_ends_its_call(stage: Stage) -> None:
    side = Side(stage)
    side.calls = Calls(stage.runtime)
    call_id = await side.start()
    for tries in range(5):
        if tries < 4:
            with pytest.raises(tasks.Again):
                await side.calls.perform(call_id, tries)
        else:
            await side.calls.perform(call_id, tries)
    assert (await side.row()).error == "LookupError: no task 'work' is registered here"


async def test_a_task_that_takes_its_process_with_it_is_given_up(side: Side) -> None:
    call_id = await side.start()
    await side.calls.perform(call_id, 10)
    assert side.runs == []
    assert "started 10 times" in (await side.row()).error


async def test_jobs_of_a_silent_worker_are_given_away_and_those_of_a_living_one_are_not(side: Side) -> None:
    call_id = await side.start()
    (worker,) = await side.sql("insert into procrastinate_workers default values returning id")
    take = "update procrastinate_jobs set status = 'doing', worker_id = :w where args ->> 'call' = :c"
    await side.sql(take, w=worker.id, c=call_id)
    await side.calls.rescue(silence=6)
    assert [job.status for job in await side.jobs()] == ["doing"]
    await side.sql("update procrastinate_workers set last_heartbeat = now() - interval '7 seconds' where id = :w", w=worker.id)
    await asyncio.gather(*(side.calls.rescue(silence=6) for _ in range(3)))
    (job,) = await side.jobs()
    assert (job.status, job.attempts) == ("todo", 1)
    await side.sql(take, w=worker.id, c=call_id)
    await side.sql("delete from procrastinate_workers where id = :w", w=worker.id)  # it said goodbye
    await side.calls.rescue(silence=6)
    assert [job.status for job in await side.jobs()] == ["todo"]


async def test_a_call_whose_job_is_gone_gets_another_one(side: Side) -> None:
    call_id = await side.start()
    await side.sql("delete from procrastinate_jobs where args ->> 'call' = :c", c=call_id)
    await side.calls.rescue(silence=6)
    assert await side.jobs() == []  # not yet: its job may be on its way
    await side.sql("update engine_calls set updated_at = now() - interval '1 minute' where id = :c", c=call_id)
    await asyncio.gather(*(side.calls.rescue(silence=6) for _ in range(3)))
    assert [job.status for job in await side.jobs()] == ["todo"]


async def test_a_job_whose_end_could_not_be_written_is_not_left_behind(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "RESCUE_SECONDS", 0.2)
    refusals = ["once"]
    plain = carrier.Worker._persist_job_status

    async def refused(self: Any, *args: Any, **kwargs: Any) -> None:
        if refusals:
            refusals.pop()
            raise OSError("the connection is gone")
        await plain(self, *args, **kwargs)

    monkeypatch.setattr(carrier.Worker, "_persist_job_status", refused)
    async with running(side.calls):
        await side.start()
        await side.ends()

        async def gone() -> bool:
            return await side.jobs() == []

        await until(gone)
    assert len(side.runs) == 1  # the row had its answer


async def test_what_a_stopping_worker_leaves_is_taken_by_the_next(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "GRACE_SECONDS", 0.1)
    side = Side(stage)
    started = asyncio.Event()

    async def endless(runtime: Runtime, called: Called) -> None:
        started.set()
        await asyncio.sleep(3600)

    quick = side.calls._tasks["work"]
    side.calls.register("work", endless)
    async with running(side.calls):
        await side.start()
        await asyncio.wait_for(started.wait(), 5)
    side.calls._tasks["work"] = quick
    async with running(side.calls):
        await side.ends()
    assert (await side.row()).state == "done"


async def test_a_chore_is_done_by_one_of_all_processes(runtime: Runtime) -> None:
    done: list[str] = []

    async def chore(runtime: Runtime) -> None:
        done.append("once")

    both = [Calls(runtime, poll=0.1) for _ in range(2)]
    for calls in both:
        calls.schedule("test.chore", chore, cron="* * * * * */2")
    began = time.time()
    async with running(both[0]), running(both[1]):
        await asyncio.sleep(5)
    turns = int(time.time()) // 2 - int(began) // 2 + 1  # with the one before, which is made up for; how late each comes is no matter
    async with runtime.sweep() as ctx:
        deferred = (await ctx.db.execute(text("select count(*) from procrastinate_jobs where task_name = 'test.chore'"))).scalar()
    assert deferred == 0  # those that went well are gone
    assert 2 <= len(done) <= turns  # done by both, it would be twice as many


async def test_a_chore_that_raises_comes_again(runtime: Runtime) -> None:
    turns: list[int] = []

    async def broken(runtime: Runtime) -> None:
        turns.append(1)
        raise OSError("not today")

    calls = Calls(runtime, poll=0.1)
    calls.schedule("test.broken", broken, cron="* * * * * *")
    async with running(calls):

        async def twice() -> bool:
            return len(turns) >= 2

        await until(twice)


@pytest.mark.fault
async def test_a_worker_is_not_deaf_after_a_restart_of_postgresql(tmp_path: Path) -> None:
    base = tmp_path
    os.chmod(base, 0o711)
    cluster = postgres.start(base, progress=lambda line: None)
    try:
        await upgrade(cluster.owner_url)
        runtime = conftest.make_runtime(cluster, tmp_path / "blobs")
        side = Side(Stage(runtime, (await factories.org(runtime)).actor))
        async with running(side.calls):
            await side.start()
            assert await side.ends() < 1
            await asyncio.to_thread(cluster.stop)
            await asyncio.sleep(1)
            cluster = await asyncio.to_thread(lambda: postgres.start(base, progress=lambda line: None))
            await asyncio.sleep(4)  # a beat, and a new worker
            for _ in range(5):
                await retried(side.start)
                assert await side.ends() < 1  # the poll is a minute away
    finally:
        await asyncio.to_thread(cluster.stop)


async def retried(verb: Callable[[], Awaitable[object]]) -> None:
    """Connections that the restart cut are found one by one."""
    for _ in range(10):
        try:
            await verb()
            return
        except Exception:
            await asyncio.sleep(0.05)
    await verb()


def test_a_process_imports_the_carrier_only_when_it_works() -> None:
    check = (
        "import sys, exclave.server.up, exclave.server.background, exclave.migrations.upgrade; "
        "print([name for name in ('procrastinate', 'psycopg', 'psycopg_pool') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
