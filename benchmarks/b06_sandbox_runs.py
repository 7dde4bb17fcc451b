"""B06: the seed's page, 10 runs of 8 steps, among 10,000 installs and 100,000 runs, beside one hand-written statement."""

import json
import sys
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

from benchmarks import Asked, Figure
from benchmarks.load import Load, ask
from benchmarks.places import backends, child, cpu_seconds, database, free_port
from benchmarks.sandbox_run_rows import TOKEN, fill
from exclave.kit.postgres import Cluster

_ORGS = 100
_AUTHORIZATION = f"Authorization: Bearer {TOKEN}"
_BOUND_IS = "the same bytes by one hand-written statement, served raw"


async def run(asked: Asked) -> list[Figure]:
    """Fill a database, serve it by `exclave server` and by the bound, check that both say the same, then load one after the other."""
    installs, runs, seconds = (300, 3_000, 0.5) if asked.short else (10_000, 100_000, 6.0)
    figures: list[Figure] = []
    async with database() as cluster:
        await fill(cluster, installs=installs, runs=runs, orgs=_ORGS)
        ours, theirs, others = free_port(), free_port(), (free_port(), free_port())
        settings = {
            "EXCLAVE_DATABASE_URL": cluster.owner_url.replace("+asyncpg", ""), "EXCLAVE_ROLE": "api", "EXCLAVE_LOG_LEVEL": "warning",
            "EXCLAVE_DATA_DIR": str(cluster.data.parent / "server"), "EXCLAVE_PUBLIC_PORT": str(ours),
            "EXCLAVE_PUBLIC_URL": "http://127.0.0.1:8081", "EXCLAVE_ADMIN_PORT": str(others[0]), "EXCLAVE_RUNNER_PORT": str(others[1]),
        }  # fmt: skip
        dsn = cluster.engine_url.replace("+asyncpg", "")
        chosen = [f"inl{number:023}" for number in asked.random.sample(range(_ORGS, installs + 1, _ORGS), min(100, installs // _ORGS))]
        async with (
            child("-m", "exclave.server", "server", port=ours, **settings) as server,
            child("-m", "benchmarks.sandbox_run_bound", str(theirs), dsn, port=theirs) as bound,
        ):
            for name, query in (("default", ""), ("all", "?expand=all")):
                page = Side(ours, [f"/v1/installs/{install}/sandbox-runs{query}" for install in chosen], server.pid, cluster)
                floor = Side(theirs, [f"/{name}/{install}" for install in chosen], bound.pid, cluster)
                _must_agree(_get(ours, page.paths[0]), _get(theirs, floor.paths[0]), name)
                figures += await _measure(name, page, floor, seconds)
    return figures


@dataclass(frozen=True)
class Side:
    """One of the two servers: its port, its pages, its process and its database."""

    port: int
    paths: list[str]
    pid: int
    cluster: Cluster

    async def load(self, clients: int, seconds: float) -> tuple[Load, float]:
        """Load it, and say also what a request cost: milliseconds of processor time in the server and its database."""
        watched = [self.pid, *backends(self.cluster)]
        before = cpu_seconds(*watched)
        found = await ask(self.port, clients, seconds, _AUTHORIZATION, self.paths)
        return found, (cpu_seconds(*watched) - before) * 1000 / found.requests


async def _measure(name: str, page: Side, floor: Side, seconds: float) -> list[Figure]:
    for side in (page, floor):  # every connection has its plans before anything is counted
        await side.load(16, max(1.0, seconds / 3))
    (one, _), (one_floor, _) = [await side.load(1, seconds) for side in (page, floor)]
    # Alternating: what others do on this machine meets both.
    rounds = [(await page.load(16, seconds / 2), await floor.load(16, seconds / 2)) for _ in range(2)]
    many, many_floor = [rounds[number][0][0] for number in (0, 1)], [rounds[number][1][0] for number in (0, 1)]
    cost, cost_floor = (fmean(each[side][1] for each in rounds) for side in (0, 1))
    rps, rps_floor = (fmean(load.rps for load in loads) for loads in (many, many_floor))
    p99, p99_floor = (max(load.p99 for load in loads) for loads in (many, many_floor))
    return [
        Figure(f"{name}: p50, one client", one.p50, "ms", one_floor.p50, _BOUND_IS, first=15, goal=6),
        Figure(f"{name}: rps, 16 clients", rps, "/s", rps_floor, _BOUND_IS, first=0.5, goal=0.8, of_bound=True, less=False),
        Figure(f"{name}: p99, 16 clients", p99, "ms", p99_floor, _BOUND_IS),
        Figure(f"{name}: processor time of a request", cost, "ms", cost_floor, _BOUND_IS),
        Figure(f"{name}: bytes of an answer", one.bytes, "B", one_floor.bytes, _BOUND_IS),
    ]


def _get(port: int, path: str) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=dict([_AUTHORIZATION.split(": ")]))
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def _must_agree(ours: Any, theirs: Any, place: str) -> None:
    """Refuse to compare two pages that say different things; times may be written differently."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if ours.keys() != theirs.keys():
            raise SystemExit(f"{place}: {sorted(ours.keys() ^ theirs.keys())} only on one side")
        for key, value in ours.items():
            _must_agree(value, theirs[key], f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (left, right) in enumerate(zip(ours, theirs, strict=True)):
            _must_agree(left, right, f"{place}[{number}]")
    elif ours != theirs and not _same_time(ours, theirs):
        raise SystemExit(f"{place}: {ours!r} here, {theirs!r} in the bound")


def _same_time(ours: Any, theirs: Any) -> bool:
    try:
        return datetime.fromisoformat(ours) == datetime.fromisoformat(theirs)
    except (TypeError, ValueError):
        return False


if __name__ == "__main__":
    from benchmarks.__main__ import main

    sys.exit(main(["B06", *sys.argv[1:]]))
