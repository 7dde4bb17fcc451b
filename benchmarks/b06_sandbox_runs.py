"""B06: the seed's page, 10 runs of 8 steps, among 10,000 installs and 100,000 runs, beside one hand-written statement."""

import json
import sys
import urllib.request
from datetime import datetime
from typing import Any

from benchmarks import Asked, Figure
from benchmarks.load import ask
from benchmarks.places import child, database, free_port
from benchmarks.sandbox_run_rows import TOKEN, fill

_ORGS = 100
_AUTHORIZATION = f"Authorization: Bearer {TOKEN}"
_BOUND_IS = "the same bytes by one hand-written statement, served raw"


async def run(asked: Asked) -> list[Figure]:
    """Fill a database, serve it by `exclave server` and by the bound, check that both say the same, then load one after the other."""
    installs, runs, seconds = (500, 5_000, 0.7) if asked.short else (10_000, 100_000, 6.0)
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
            child("-m", "exclave.server", "server", port=ours, **settings),
            child("-m", "benchmarks.sandbox_run_bound", str(theirs), dsn, port=theirs),
        ):
            for name, query in (("default", ""), ("all", "?expand=all")):
                our_paths = [f"/v1/installs/{install}/sandbox-runs{query}" for install in chosen]
                their_paths = [f"/{name}/{install}" for install in chosen]
                _must_agree(_get(ours, our_paths[0]), _get(theirs, their_paths[0]), name)
                figures += await _measure(name, (ours, our_paths), (theirs, their_paths), seconds)
    return figures


async def _measure(name: str, ours: tuple[int, list[str]], theirs: tuple[int, list[str]], seconds: float) -> list[Figure]:
    for port, paths in (ours, theirs):  # every connection has its plans before anything is counted
        await ask(port, 16, max(1.0, seconds / 3), _AUTHORIZATION, paths)
    one, one_bound = [await ask(port, 1, seconds, _AUTHORIZATION, paths) for port, paths in (ours, theirs)]
    # Twice, alternating: what others do on this machine meets both.
    many, many_bound, again, again_bound = [await ask(port, 16, seconds, _AUTHORIZATION, paths) for port, paths in (ours, theirs) * 2]
    rps, bound_rps = (many.rps + again.rps) / 2, (many_bound.rps + again_bound.rps) / 2
    return [
        Figure(f"{name}: p50, one client", one.p50, "ms", one_bound.p50, _BOUND_IS, first=15, goal=6),
        Figure(f"{name}: rps, 16 clients", rps, "/s", bound_rps, _BOUND_IS, first=0.5, goal=0.8, of_bound=True, less=False),
        Figure(f"{name}: p99, 16 clients", max(many.p99, again.p99), "ms", max(many_bound.p99, again_bound.p99), _BOUND_IS),
        Figure(f"{name}: bytes of an answer", one.bytes, "B", one_bound.bytes, _BOUND_IS),
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
