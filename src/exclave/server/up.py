"""`exclave up`: everything on one machine, below one data directory. PostgreSQL first, the runners last; stopped the other way round."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from exclave.kit import postgres, terraform
from exclave.migrations.upgrade import upgrade
from exclave.server import pidfile, serve
from exclave.server import runtime as runtimes
from exclave.server.first import FirstAccess, first_access
from exclave.server.local import LocalRunners
from exclave.server.runtime import Urls
from exclave.server.settings import Settings

log = logging.getLogger(__name__)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Announce:
    """How a parent hears that everything answers: a file with the facts, then the end of a pipe."""

    file: Path
    pipe: int


async def up(settings: Settings, environ: Mapping[str, str], *, announce: Announce | None = None) -> None:
    """Start everything and keep it until a signal. A second `up` on the same data says so."""
    terraform.find(environ)  # before the disk is touched
    postgres.create_base(settings.data_dir)
    with pidfile.held(settings.data_dir / "up.pid"):
        await _up(settings, environ, announce)


async def _up(settings: Settings, environ: Mapping[str, str], announce: Announce | None) -> None:
    sockets = serve.listen(settings)
    settings = settings.model_copy(
        update={f"{name}_port": sock.getsockname()[1] for name, sock in sockets.items()} | {"allow_local_platform": True}
    )
    base = settings.data_dir
    postgres.stop_left_over(base)
    cluster = postgres.start(base, progress=say)
    try:
        urls = Urls(app=cluster.app_url, engine=cluster.engine_url, owner=cluster.owner_url)
        await upgrade(urls.owner)
        home = base / "server"
        process = runtimes.make(settings.model_copy(update={"data_dir": home}), urls)
        try:
            access = await first_access(process.runtime, home)
            runners = LocalRunners(process.runtime, home / "runners", environ)
            (home / "runners").mkdir(exist_ok=True, mode=0o700)

            @contextlib.asynccontextmanager
            async def local_runners() -> AsyncIterator[None]:
                async with runners.running():
                    _announce(settings, access, announce)
                    yield

            await serve.serve(settings, process.runtime, sockets, beside=local_runners)
        finally:
            await process.close()
    finally:
        say("stopping PostgreSQL")
        await asyncio.to_thread(cluster.stop)


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
