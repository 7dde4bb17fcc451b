"""Runners that do nothing but talk: over real HTTP, as our own runner does, with a job's work replaced by a wait.

Each has one connection that waits for jobs and one that reports, so that what it measures is the server's time: a small client of its
own costs a tenth of what a full one does.
"""

import asyncio
import base64
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks import stub_terraform

GROUPS = ["operations", "sync", "sandbox", "deploy", "actions"]
_BEAT_SECONDS = 5.0


class Line:
    """One connection to a server; one call at a time."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        """Return status and body; raise on an error."""
        if self._streams is not None:
            try:
                return await self._call(self._streams, method, path, body)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the server closes what was idle for long
        self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        return await self._call(self._streams, method, path, body)

    async def _call(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], method: str, path: str, body: Any
    ) -> tuple[int, bytes]:
        reader, writer = streams
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]) if b"content-length:" in head else 0
        answer = await reader.readexactly(size)
        if status >= 400:
            raise RuntimeError(f"{method} {path} answered {status}: {answer[:500]!r}")
        return status, answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


_PLANNED = json.dumps(
    {
        "status": "finished",
        "result": {
            "success": True,
            "contents_compressed": base64.urlsafe_b64encode(stub_terraform.plan_file()).decode(),
            "contents_display_compressed": base64.urlsafe_b64encode(gzip.compress(json.dumps(stub_terraform.PLAN).encode())).decode(),
        },
    }
).encode()
_APPLIED = b'{"status": "finished", "result": {"success": true}, "outputs": {"outputs": {"answer": 42}}}'


@dataclass
class SimulatedRunner:
    """One runner. `heard` collects the seconds from the delivery of a result until the workflow's next job is here."""

    runner_id: str
    port: int
    token: str
    seconds: Callable[[], float]  # how long the next job works
    heard: list[float] = field(default_factory=list)
    _delivered: float | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        waiting, reports = Line(self.port, self.token), Line(self.port, self.token)
        beats = asyncio.create_task(self._beat())
        jobs: set[asyncio.Task[None]] = set()
        claim = {"groups": GROUPS, "process": "install", "wait_seconds": 25}
        try:
            while True:
                status, answer = await waiting.call("POST", f"/v1/runners/{self.runner_id}/claims", claim)
                if status == 204:
                    continue
                if self._delivered is not None:
                    self.heard.append(time.perf_counter() - self._delivered)
                    self._delivered = None
                jobs.add(task := asyncio.create_task(self._work(json.loads(answer), reports)))
                task.add_done_callback(lambda done: (jobs.discard(done), done.result()))
        finally:
            beats.cancel()
            for line in (waiting, reports):
                line.close()

    def forget(self) -> None:
        """A workflow ended: its last result has no next job."""
        self._delivered = None

    async def _work(self, claim: dict[str, Any], line: Line) -> None:
        job, execution = claim["job"], claim["execution"]["id"]
        path = f"/v1/runner-jobs/{job['id']}/executions/{execution}"
        await line.call("PATCH", path, {"status": "in-progress"})
        await asyncio.sleep(self.seconds())
        self._delivered = time.perf_counter()
        await line.call("POST", f"{path}/report", _APPLIED if job["operation"] == "apply-plan" else _PLANNED)

    async def _beat(self) -> None:
        line = Line(self.port, self.token)
        began = time.monotonic()
        while True:
            body = {"alive_time": int((time.monotonic() - began) * 1e9), "version": "bench", "process": "install"}
            await line.call("POST", f"/v1/runners/{self.runner_id}/heart-beats", body)
            await asyncio.sleep(_BEAT_SECONDS)
