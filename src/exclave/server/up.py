"""`exclave up`: everything on one machine, below one data directory. PostgreSQL first, the runners last; stopped the other way round."""

import asyncio
import contextlib
import json
import logging
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import msgspec

from exclave.kit import postgres
from exclave.kit.postgres import Cluster
from exclave.migrations import upgrade as upgrades
from exclave.server import runtime as runtimes
from exclave.server import serve
from exclave.server.ends import end_of
from exclave.server.first import FirstAccess, first_access
from exclave.server.local import LocalRunners
from exclave.server.runtime import Urls
from exclave.server.settings import Settings

log = logging.getLogger(__name__)

_RESTART_SECONDS = 5.0


async def up(
    settings: Settings,
    environ: Mapping[str, str],
    sockets: dict[str, socket.socket],
    database: "Future[Cluster]",
    announce: int | None,
) -> None:
    """Serve on a PostgreSQL that starts meanwhile, with the local runners, until a signal."""
    if not database.done():  # a first start, most likely: its schema is to be made
        await asyncio.to_thread(upgrades.prepare)
    cluster = await asyncio.wrap_future(database)
    urls = Urls(app=cluster.app_url, engine=cluster.engine_url, owner=cluster.owner_url)
    home = settings.data_dir / "server"
    process = runtimes.make(msgspec.structs.replace(settings, data_dir=home), urls)
    runners = LocalRunners(process.runtime, home / "runners", environ)
    try:
        runners.outlast_left_overs()
        apps, _ = await asyncio.gather(asyncio.to_thread(serve.applications, process.runtime), upgrades.upgrade(urls.owner))
        access = await first_access(process.runtime, home)
        (home / "runners").mkdir(exist_ok=True, mode=0o700)

        @contextlib.asynccontextmanager
        async def local_runners() -> AsyncIterator[None]:
            watch = asyncio.create_task(_keep_database(settings.data_dir, cluster))
            try:
                async with runners.running():
                    _announce(settings, access, announce)
                    yield
            finally:
                watch.cancel()

        await serve.serve(settings, process.runtime, sockets, apps=apps, beside=local_runners)
    finally:
        await process.close()


async def _keep_database(base: Path, cluster: Cluster) -> None:
    """Start PostgreSQL again when it ends by itself (killed for its memory, say): what was committed is there, and pools reconnect."""
    while True:
        if cluster.process is None:
            return
        code = await _end_of(cluster.process)
        log.warning("PostgreSQL ended by itself (%s), starting it again", code)
        while True:
            try:
                cluster = await asyncio.to_thread(postgres.start, base, progress=log.info)
                break
            except postgres.PostgresProblem as problem:
                log.warning("%s; trying again in %g s", problem, _RESTART_SECONDS)
                await asyncio.sleep(_RESTART_SECONDS)


async def _end_of(process: "subprocess.Popen[bytes]") -> int:
    if not await end_of(process.pid):
        while process.poll() is None:  # noqa: ASYNC110 - nothing tells it here
            await asyncio.sleep(1.0)
    return process.wait()


def _announce(settings: Settings, access: FirstAccess, announce: int | None) -> None:
    facts = {
        "api_url": settings.public_address,
        "runner_api_url": settings.runner_address,
        "org_id": access.org_id,
        "org_name": access.org_name,
        "token": access.token,
        "data_dir": str(settings.data_dir),
    }
    if announce is None:
        log.info("running: public API %s, runner API %s", settings.public_address, settings.runner_address)
        return
    with contextlib.suppress(BrokenPipeError), open(announce, "w") as pipe:
        json.dump(facts, pipe)
