"""Start: `exclave up` on an empty data directory, then again on the same.

Measured from the start of the command to the answer of the first authenticated call, after `/readyz` answered 200: by then every
route is served. The bound is what cannot be left out, one after the other: `initdb` with the logins, the start of PostgreSQL, the
imports of the command and of the server. As both happen at once where they can, a figure may be below it.
"""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks import Asked, Figure, world
from benchmarks.places import free_port
from exclave.kit import postgres

_POLL = 0.005


async def run(asked: Asked) -> list[Figure]:
    rounds = 1 if asked.short else 5
    first: list[float] = []
    again: list[float] = []
    made: list[float] = []
    started: list[float] = []
    imported: list[float] = []
    for _ in range(rounds):
        imported.append(await _imports())
        one, two = await asyncio.to_thread(_database)
        made.append(one)
        started.append(two)
        with world.directory() as place:
            first.append(await _up(place))
            again.append(await _up(place))
            if not asked.short:
                again.append(await _up(place))
    median = statistics.median
    imports = median(imported)
    return [
        Figure(
            "first start", median(first), "s",
            bound=median(made) + imports, bound_is="initdb + start + imports, in turn", first=4.0, goal=2.5,
        ),
        Figure("restart", median(again), "s", bound=median(started) + imports, bound_is="start + imports, in turn", first=2.0, goal=1.0),
        Figure("first start, slowest of the run", max(first), "s"),
        Figure("restart, slowest of the run", max(again), "s"),
    ]  # fmt: skip


async def _up(place: world.World) -> float:
    """Seconds from the command to the first authenticated answer."""
    port = free_port()
    place.environ["EXCLAVE_PUBLIC_PORT"] = str(port)
    url = f"http://127.0.0.1:{port}"
    access = place.base / "data" / "server" / "access.json"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=5) as http:
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "exclave.cli", "up", env=place.environ,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            while not await _ready(http):
                if process.returncode is not None:
                    raise RuntimeError(f"`exclave up` ended with {process.returncode}")
                await asyncio.sleep(_POLL)
            token = json.loads(access.read_text())["token"]
            (await http.get("/v1/apps", headers={"Authorization": f"Bearer {token}"})).raise_for_status()
            took = time.perf_counter() - began
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    return took


async def _ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def _imports() -> float:
    """Seconds that two bare processes need to import what the command and the server are made of."""
    began = time.perf_counter()
    environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    for modules in ("exclave.cli.main, exclave.cli.programs", "exclave.server.__main__, exclave.server.up"):
        await world.run(sys.executable, "-P", "-c", f"import {modules}", environ=environ)
    return time.perf_counter() - began


def _database() -> tuple[float, float]:
    """Seconds to make and start a cluster, and to start it again."""
    base = Path(tempfile.mkdtemp(prefix="exclave-bench-"))
    base.chmod(0o711)
    took: list[float] = []
    try:
        for _ in range(2):
            began = time.perf_counter()
            cluster = postgres.start(base, progress=lambda line: None)
            took.append(time.perf_counter() - began)
            cluster.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return took[0], took[1]
