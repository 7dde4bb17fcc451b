"""`exclave up`: everything on one machine, below one data directory. PostgreSQL first, the runners last; stopped the other way round."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future

from exclave.kit.postgres import Cluster
from exclave.migrations import upgrade as upgrades
from exclave.server import runtime as runtimes
from exclave.server import serve
from exclave.server.first import FirstAccess, first_access
from exclave.server.launch import Announce, say
from exclave.server.local import LocalRunners
from exclave.server.runtime import Urls
from exclave.server.settings import Settings


async def up(
    settings: Settings,
    environ: Mapping[str, str],
    sockets: dict[str, socket.socket],
    database: "Future[Cluster]",
    announce: Announce | None,
) -> None:
    """Serve on a PostgreSQL that starts meanwhile, with the local runners, until a signal."""
    if not database.done():  # a first start, most likely: its schema is to be made
        await asyncio.to_thread(upgrades.prepare)
    cluster = await asyncio.wrap_future(database)
    urls = Urls(app=cluster.app_url, engine=cluster.engine_url, owner=cluster.owner_url)
    home = settings.data_dir / "server"
    process = runtimes.make(settings.model_copy(update={"data_dir": home}), urls)
    try:
        apps, _ = await asyncio.gather(asyncio.to_thread(serve.applications, process.runtime), upgrades.upgrade(urls.owner))
        access = await first_access(process.runtime, home)
        runners = LocalRunners(process.runtime, home / "runners", environ)
        (home / "runners").mkdir(exist_ok=True, mode=0o700)

        @contextlib.asynccontextmanager
        async def local_runners() -> AsyncIterator[None]:
            async with runners.running():
                _announce(settings, access, announce)
                yield

        await serve.serve(settings, process.runtime, sockets, apps=apps, beside=local_runners)
    finally:
        await process.close()


def _announce(settings: Settings, access: FirstAccess, announce: Announce | None) -> None:
    facts = {
        "api_url": settings.public_address,
        "runner_api_url": settings.runner_address,
        "org_id": access.org_id,
        "org_name": access.org_name,
        "token": access.token,
        "data_dir": str(settings.data_dir),
    }
    if announce is None:
        say(f"running: public API {settings.public_address}, runner API {settings.runner_address}")
        return
    temporary = announce.file.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(facts))
    temporary.rename(announce.file)
    os.close(announce.pipe)
