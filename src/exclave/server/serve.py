"""Run a server process: listeners, workflows, sweeps, until a signal says stop."""

import asyncio
import contextlib
import gc
import itertools
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import uvicorn
from litestar import Litestar

from exclave.api import public, runner
from exclave.api.app import listener
from exclave.config import template
from exclave.kit import prepared
from exclave.kit.context import Runtime
from exclave.server import wiring
from exclave.server.background import Background
from exclave.server.settings import Settings

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 5
_FIRST_ANSWERS_SECONDS = 1.0  # in which whoever waited for the start comes first
_SECONDS_OF_YOUTH = 30  # of an object: garbage that is older is looked for less often


def applications(runtime: Runtime) -> dict[str, Litestar]:
    """Make what the listeners serve: some hundred routes, so it takes a moment."""
    return {
        "public": listener("public", public.ROUTES, runtime),
        "runner": listener("runner", runner.ROUTES, runtime),
        "admin": listener("admin", (), runtime),
    }


async def serve(
    settings: Settings,
    runtime: Runtime,
    sockets: dict[str, socket.socket],
    *,
    apps: dict[str, Litestar] | None = None,
    beside: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
) -> None:
    """Serve until SIGINT or SIGTERM. `beside` is entered once every route answers, and left before the first stops answering."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup` outlives its terminal
            loop.add_signal_handler(number, stop.set)
    await runtime.bus.start()
    async with contextlib.AsyncExitStack() as stack:
        if settings.role in ("api", "all"):
            await stack.enter_async_context(_listeners(apps or applications(runtime), sockets))
            stack.callback(runtime.bus.close)  # ends long polls, so that the listeners need not wait for them
        await stack.enter_async_context(_garbage_collected())
        if settings.role in ("worker", "all"):
            await stack.enter_async_context(Background(runtime, wiring.registry()).running())
        async with beside():
            rest = asyncio.create_task(_make_the_rest())
            await stop.wait()
            rest.cancel()
            log.info("stopping")


async def _make_the_rest() -> None:
    """Make what no answer needed so far, and the first workflow would wait for: 0.3 s of statements, 0.1 s of imports."""
    await asyncio.sleep(_FIRST_ANSWERS_SECONDS)
    await asyncio.to_thread(prepared.compile_all)
    await asyncio.to_thread(template.prepare)


@contextlib.asynccontextmanager
async def _garbage_collected() -> AsyncIterator[None]:
    """Look for garbage in cycles where it costs least, and never among what lives as long as the process.

    A page of ten runs is some ten thousand objects, none of them in a cycle: to look at them again and again took half of its time. Yet a
    look at the 50,000 that are let come together holds everything up for 50 ms, so that the young are looked at each second besides.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()

    async def collect() -> None:
        for second in itertools.count(1):
            await asyncio.sleep(1)
            gc.collect(0 if second % _SECONDS_OF_YOUTH else 1)

    collecting = asyncio.create_task(collect())
    try:
        yield
    finally:
        collecting.cancel()


@contextlib.asynccontextmanager
async def _listeners(apps: dict[str, Litestar], sockets: dict[str, socket.socket]) -> AsyncIterator[None]:
    servers = [(_server(app), sockets[name]) for name, app in apps.items()]
    tasks = [asyncio.create_task(server.serve(sockets=[sock])) for server, sock in servers]
    try:
        while not all(server.started for server, _ in servers):
            await asyncio.sleep(0.005)  # uvicorn tells its start by a flag only
            for task in tasks:
                if task.done():
                    await task
                    raise RuntimeError("a listener ended before it started")
        yield
    finally:
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to `serve`."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def _server(app: Litestar) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # nobody asks from which address or by which scheme a request came
            date_header=True,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            timeout_keep_alive=75,
            limit_concurrency=None,
            h11_max_incomplete_event_size=64 * 1024,
        )
    )


def set_up_logs(level: str) -> None:
    """Log lines go to stderr: time, level, words, facts."""
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    for noisy in ("httpx", "httpcore", "alembic", "uvicorn.error", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def run(main: Awaitable[None]) -> None:
    """Run on uvloop where it is installed."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_as_coroutine(main))


async def _as_coroutine(main: Awaitable[None]) -> None:
    await main
