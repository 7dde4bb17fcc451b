"""A load of GET requests from a process of its own, so that the client does not slow the server's loop.

`python -m benchmarks.load PORT CLIENTS SECONDS HEADER PATH…` asks the paths in turn on one connection per client and prints JSON:
requests per second, latencies in milliseconds, bytes of the bodies. Every answer must be a 200 with a content length.
"""

import asyncio
import itertools
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Load:
    rps: float
    p50: float
    p99: float
    requests: int
    bytes: float


async def ask(port: int, clients: int, seconds: float, header: str, paths: list[str]) -> Load:
    """Run the load in a child process and return what it measured."""
    words = (str(port), str(clients), str(seconds), header, *paths)
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.load", *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError("the load failed")
    return Load(**json.loads(out))


async def _client(port: int, until: float, header: str, paths: "itertools.cycle[str]", took: list[float], sizes: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(f"GET {next(paths)} HTTP/1.1\r\nHost: bench\r\n{header}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise SystemExit(f"no 200: {head[:300]!r}")
        size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(size)
        took.append(time.perf_counter() - began)
        sizes.append(size)
    writer.close()


async def _main(port: int, clients: int, seconds: float, header: str, paths: list[str]) -> Load:
    took: list[float] = []
    sizes: list[int] = []
    cycle = itertools.cycle(paths)
    began = time.perf_counter()
    await asyncio.gather(*(_client(port, began + seconds, header, cycle, took, sizes) for _ in range(clients)))
    gone = time.perf_counter() - began
    cuts = statistics.quantiles(took, n=100)
    return Load(len(took) / gone, cuts[49] * 1000, cuts[98] * 1000, len(took), statistics.fmean(sizes))


if __name__ == "__main__":
    numbers = sys.argv[1:4]
    result = asyncio.run(_main(int(numbers[0]), int(numbers[1]), float(numbers[2]), sys.argv[4], sys.argv[5:]))
    print(json.dumps(asdict(result)))
