"""What a benchmark stands on: a PostgreSQL of its own with the schema, a free port, a child process that is stopped again."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from exclave.kit import postgres
from exclave.kit.postgres import Cluster
from exclave.migrations.upgrade import upgrade


@contextlib.asynccontextmanager
async def database() -> AsyncIterator[Cluster]:
    """A fresh embedded PostgreSQL, as `exclave up` starts it, with the schema."""
    base = Path(tempfile.mkdtemp(prefix="exclave-bench-"))
    os.chmod(base, 0o711)
    cluster = await asyncio.to_thread(postgres.start, base, progress=lambda line: None)
    try:
        await upgrade(cluster.owner_url)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(base, ignore_errors=True)


def cpu_seconds(*pids: int) -> float:
    """The processor time that processes have used so far. It says what work costs, however busy the machine is."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def backends(cluster: Cluster) -> list[int]:
    """The processes of a cluster."""
    postmaster = int((cluster.data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def child(*words: str, port: int, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process that listens on a port, ready to be asked; ended with the block."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(sys.executable, *words, env={**kept, **environ})
    try:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            if process.returncode is not None:
                raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
            await asyncio.sleep(0.02)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
