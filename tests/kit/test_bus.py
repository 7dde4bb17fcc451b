"""Hints reach who waits in another process, and cost nothing where there is none."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from exclave.kit import bus as bus_module
from exclave.kit.bus import Bus
from tests.cluster import Cluster


@contextlib.asynccontextmanager
async def listening(database: Cluster) -> AsyncIterator[Bus]:
    """A bus as a process has it."""
    bus = Bus(database.engine_url.replace("+asyncpg", ""))
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


@pytest.fixture
async def others(database: Cluster) -> AsyncIterator[asyncpg.Connection]:
    """A connection that looks at what the others do."""
    connection = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
    yield connection
    await connection.close()


async def last_said(others: asyncpg.Connection) -> list[str]:
    """The last statement of each bus."""
    rows = await others.fetch("select query from pg_stat_activity where application_name = 'exclave bus' order by backend_start")
    return [row[0] for row in rows]


async def test_a_hint_reaches_another_process(database: Cluster) -> None:
    async with listening(database) as one, listening(database) as two, two.subscribe("runner:a") as waiter, two.subscribe("b") as other:
        await waiter.wait(0)  # the start wakes everybody
        one.poke("runner:a")
        assert await waiter.wait(5)
        assert not await other.wait(0.05)


async def test_whoever_comes_later_is_told_too_and_whoever_is_alone_again_says_nothing(
    database: Cluster, others: asyncpg.Connection
) -> None:
    async with listening(database) as one:
        one.poke("to nobody")
        await asyncio.sleep(0.05)
        assert not any("pg_notify" in said for said in await last_said(others))
        async with listening(database) as two, two.subscribe("engine") as waiter:
            await waiter.wait(0)
            heard = False
            for _ in range(100):  # until the first has heard of the second, it says nothing
                one.poke("engine")
                if heard := await waiter.wait(0.05):
                    break
            assert heard
        await one._look_around(one._connection)  # as it does every 20 seconds
        one.poke("to nobody")
        await asyncio.sleep(0.05)
        assert not any("pg_notify" in said for said in await last_said(others))


async def test_a_check_of_the_connection_and_a_hint_do_not_meet(database: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    async with listening(database) as one, listening(database) as two, two.subscribe("t") as waiter:
        await waiter.wait(0)
        for _ in range(50):
            one.poke("t")
            await asyncio.gather(*(one._look_around(one._connection) for _ in range(3)))
            assert await waiter.wait(5)
        assert one._connection is not None
    assert "lost" not in caplog.text


async def test_hints_go_on_after_the_connection_was_cut(database: Cluster, others: asyncpg.Connection) -> None:
    async with listening(database) as one, listening(database) as two, two.subscribe("again") as waiter:
        await waiter.wait(0)
        await others.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'exclave bus'")
        async with asyncio.timeout(10):
            assert await waiter.wait(5), "whoever waits looks again: hints may be gone"
            while True:  # both are back
                one.poke("again")
                if await waiter.wait(0.2):
                    break


async def test_a_connection_that_leads_nowhere_any_more_is_replaced(
    database: Cluster, others: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody says that it is gone: what was sent is never answered, as when the machine of the database is lost."""
    monkeypatch.setattr(bus_module, "_PATIENCE", 0.3)
    async with listening(database) as one, listening(database) as two, two.subscribe("t") as waiter:
        await waiter.wait(0)
        connection = one._connection
        assert connection is not None
        backend = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)
        try:
            one.poke("t")
            heard = False
            for _ in range(50):
                await asyncio.sleep(0.1)
                if one._connection not in (None, connection):
                    one.poke("t")
                    if heard := await waiter.wait(1):
                        break
            assert heard
        finally:
            os.kill(backend, signal.SIGCONT)
        assert connection.is_closed()
