"""Hints between waiters: in this process at once, in others by a coalesced NOTIFY on a connection of its own.

A topic such as `runner:run…` or `engine` says "look again"; the rows say what is there.
A lost hint costs a re-poll, never a result. NOTIFY never runs inside a business transaction:
it would serialise the commits of everybody.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from exclave.kit import errors

log = logging.getLogger(__name__)

CHANNEL = "exclave"
_PAYLOAD_LIMIT = 7000
_COALESCE_SECONDS = 0.002
_PATIENCE = 5.0  # seconds for an answer on the LISTEN connection: one that leads nowhere any more does not say so
_HELLO = "hello"  # a topic of nobody: who hears it is not alone
# A NOTIFY writes a commit record. Nobody waits for this one to be on the disk, and other commits do not wait behind it.
_SETTINGS = {"application_name": "exclave bus", "synchronous_commit": "off"}
_OTHERS = """select count(*) from pg_stat_activity
    where application_name = 'exclave bus' and datname = current_database() and pid <> pg_backend_pid()"""


class Subscription:
    """What one waiter listens to. Subscribe first, then read, then wait: nothing falls between."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._closing = False

    def poke(self) -> None:
        self._event.set()

    def close(self) -> None:
        self._closing = True
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Return True as soon as a hint came since the last wait, False after so many seconds.

        Raises `Unavailable` once the process is stopping, so that a long poll ends and its client asks elsewhere or again.
        """
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        if self._closing:
            raise errors.Unavailable("the server is stopping, try again")
        self._event.clear()
        return True


class Bus:
    """Topics of this process, joined with those of other processes on the same database."""

    def __init__(self, dsn: str | None = None) -> None:
        self._dsn = dsn
        self._local: dict[str, set[Subscription]] = defaultdict(set)
        self._outbox: set[str] = set()
        self._flush: asyncio.Task[None] | None = None
        self._link: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()  # of the connection: it does one thing at a time
        self._others: bool | None = None  # does another process listen? None: it may, since it was heard a moment ago
        self._closing = False

    @contextlib.asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[Subscription]:
        subscription = Subscription()
        if self._closing:
            subscription.close()
        for topic in topics:
            self._local[topic].add(subscription)
        try:
            yield subscription
        finally:
            for topic in topics:
                self._local[topic].discard(subscription)
                if not self._local[topic]:
                    del self._local[topic]

    def poke(self, topic: str) -> None:
        """Wake who waits for the topic here, and soon in every other process if there is one."""
        self._wake(topic)
        if self._connection is not None and self._others is not False:
            self._outbox.add(topic)
            if self._flush is None or self._flush.done():
                self._flush = asyncio.get_running_loop().create_task(self._send())

    def _wake(self, topic: str) -> None:
        for subscription in self._local.get(topic, ()):
            subscription.poke()

    async def start(self) -> None:
        """Open the LISTEN connection and keep it open."""
        if self._dsn is None:
            return
        ready = asyncio.Event()
        self._link = asyncio.create_task(self._keep(ready))
        await ready.wait()

    def close(self) -> None:
        """End every wait: the process is stopping."""
        self._closing = True
        for subscriptions in self._local.values():
            for subscription in subscriptions:
                subscription.close()

    async def stop(self) -> None:
        for task in (self._flush, self._link):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self._connection is not None:
            with contextlib.suppress(Exception):
                await self._connection.close(timeout=1)
            self._connection = None

    async def _send(self) -> None:
        await asyncio.sleep(_COALESCE_SECONDS)  # gathers what one burst of commits says
        while self._outbox and (connection := self._connection) is not None:
            batch: list[str] = []
            size = 0
            while self._outbox and size < _PAYLOAD_LIMIT:
                topic = self._outbox.pop()
                batch.append(topic)
                size += len(topic) + 1
            try:
                async with self._turn:
                    await connection.execute("select pg_notify($1, $2)", CHANNEL, " ".join(batch), timeout=_PATIENCE)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()
                return  # the link task reconnects; a lost hint is healed by the re-poll

    def _heard(self, connection: Any, pid: int, _channel: str, payload: object) -> None:
        if pid == connection.get_server_pid():
            return  # what this process said itself: everybody here was woken at once
        self._others = None
        for topic in str(payload).split():
            self._wake(topic)

    def _wake_all(self) -> None:
        for topic in list(self._local):
            self._wake(topic)

    async def _keep(self, ready: asyncio.Event) -> None:
        """Hold one LISTEN connection; after a loss reconnect and wake everybody once, since hints may be gone."""
        while True:
            lost = asyncio.Event()
            connection: asyncpg.Connection | None = None
            try:
                connection = await asyncpg.connect(self._dsn, timeout=10, server_settings=_SETTINGS)
                connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                async with asyncio.timeout(_PATIENCE):
                    await connection.add_listener(CHANNEL, self._heard)
                    await connection.execute("select pg_notify($1, $2)", CHANNEL, _HELLO)
                self._connection = connection
                await self._look_around(connection)
                ready.set()
                self._wake_all()
                while not lost.is_set():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(lost.wait(), 20)
                    if not lost.is_set():
                        await self._look_around(connection)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("the LISTEN connection was lost, reconnecting: %s", type(error).__name__)
                if connection is not None:
                    connection.terminate()
            self._connection = None
            await asyncio.sleep(0.3)  # back-off of a reconnect, not a wait for work

    async def _look_around(self, connection: asyncpg.Connection) -> None:
        """See that the connection works, and whether anybody else listens: a hint to nobody costs a transaction."""
        self._others = True
        async with self._turn:
            others = await connection.fetchval(_OTHERS, timeout=_PATIENCE)
        if self._others is not None:  # nobody was heard meanwhile
            self._others = others > 0
