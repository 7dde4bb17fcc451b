"""What this machine can do at all: the floor below every figure (fsync, durable transactions, Python requests), in two seconds."""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.load import ask
from benchmarks.places import child, free_port
from exclave.kit import postgres
from exclave.kit.postgres import programs

_SECONDS = 2


async def probe(seconds: float = _SECONDS) -> dict[str, Any]:
    """Probe the machine: fsyncs/s of the temporary directory, pgbench transactions/s (8 clients, one row each), requests/s of the
    smallest Python server, cores, and the load that others make."""
    load = os.getloadavg()[0]
    return {
        "cores": os.cpu_count(),
        "load": round(load, 2),
        "fsync_per_second": round(fsyncs(seconds / 4)),
        "tps": round(await asyncio.to_thread(transactions, seconds)),
        "python_rps": round(await python_requests(seconds / 2)),
    }


def fsyncs(seconds: float) -> float:
    """fsyncs per second of 4 kB appended to one file."""
    with tempfile.TemporaryDirectory() as directory, Path(directory, "probe").open("wb", buffering=0) as file:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            file.write(b"\0" * 4096)
            os.fsync(file.fileno())
            count += 1
        return count / (time.perf_counter() - began)


def transactions(seconds: float) -> float:
    """Durable transactions per second: one INSERT and COMMIT each, 8 clients of the wheel's own pgbench."""
    base = Path(tempfile.mkdtemp(prefix="exclave-probe-"))
    os.chmod(base, 0o711)
    cluster = postgres.start(base, progress=lambda line: None)
    try:
        return pgbench(cluster, "insert into probe values (1);", seconds, before="create table if not exists probe (n int)")
    finally:
        cluster.stop()
        shutil.rmtree(base, ignore_errors=True)


def pgbench(cluster: postgres.Cluster, script: str, seconds: float, *, clients: int = 8, before: str = "") -> float:
    """Transactions per second of a script on a cluster, as its owner."""
    bin_ = programs.wheel_directory() / f"pginstall{programs.MAJOR}" / "bin"
    user, password = re.match(r"[^:]+://([^:]+):([^@]+)@", cluster.owner_url).groups()  # type: ignore[union-attr]
    database = cluster.owner_url.partition("@/")[2].partition("?")[0]
    environ = {
        "PGPASSWORD": password, "PGUSER": user, "PGHOST": str(cluster.socket_dir), "PGPORT": str(cluster.port), "PGDATABASE": database,
        "LD_LIBRARY_PATH": str(bin_.parent / "lib"), "PATH": os.environ.get("PATH", ""),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        for name, text in (("before.sql", before), ("script.sql", script)):
            Path(directory, name).write_text(text + "\n")
        run = [str(bin_ / "pgbench"), "-n", "-f"]
        if before:
            subprocess.run([*run, f"{directory}/before.sql", "-t", "1"], env=environ, check=True, capture_output=True)
        timed = [*run, f"{directory}/script.sql", "-c", str(clients), "-j", "2", "-T", str(max(1, round(seconds))), "-M", "prepared"]
        said = subprocess.run(timed, env=environ, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"tps = ([\d.]+)", said).group(1))  # type: ignore[union-attr]


async def python_requests(seconds: float) -> float:
    """Requests per second of the smallest ASGI application on the server that we use, 16 clients."""
    port = free_port()
    async with child("-m", "benchmarks.hello", str(port), port=port):
        return (await ask(port, 16, seconds, "Accept: */*", ["/"])).rps
