"""`exclave up` as its users have it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import psycopg
from sqlalchemy.engine import make_url

from exclave.kit import postgres
from exclave.server import runtime
from exclave.server.runtime import Process
from exclave.server.settings import Settings
from tests.e2e.served import Served
from tests.processes import processes_with


class System(Served):
    """`exclave up` on a directory of its own."""

    server: subprocess.Popen[bytes]

    def start(self) -> Self:
        """Start it and return when everything answers."""
        self.announce_and_wait("exclave.server")
        return self

    def announce_and_wait(self, module: str) -> None:
        reader, writer = os.pipe()
        self.server = self.spawn(module, "up", str(writer), pass_fds=(writer,))
        os.close(writer)
        with open(reader, "rb") as pipe:
            announced = pipe.read()
        assert announced, f"it did not start: {self.said()[-3000:]}"
        self.use(json.loads(announced))

    def kill(self) -> None:
        """kill -9 of the server process alone."""
        self.server.kill()
        self.server.wait()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to end as an operator does, and return how many seconds it took."""
        began = time.monotonic()
        if how is signal.SIGINT:
            os.killpg(self.server.pid, how)  # as a terminal does
        else:
            self.server.send_signal(how)
        assert self.server.wait(60) == 0, self.said()[-2000:]
        return time.monotonic() - began

    def close(self) -> None:
        try:
            for file in self.runner_files():
                with contextlib.suppress(OSError, ValueError):
                    os.kill(int(file.read_text()), signal.SIGCONT)
            if self.server.poll() is None:
                self.stop()
        finally:
            for command in ("stop", "remove"):
                subprocess.run([sys.executable, "-P", "-m", "exclave.server", command], env=self.environ, check=False)
            for pid in self.runner_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            super().close()

    # What runs.

    def runner_files(self) -> list[Path]:
        return sorted((self.data / "server" / "runners").glob("*.pid"))

    def runner_pids(self) -> list[int]:
        """The runner processes of this data directory, whoever started them. They hide where they work from all but root."""
        runners = self.data / "server" / "runners"
        mine = {int(path.name.split("-")[1]) for path in runners.glob("*/*/process-*")}
        for file in self.runner_files():
            with contextlib.suppress(OSError, ValueError, IndexError):
                mine.add(int(file.read_text().split()[0]))
        return [pid for pid in processes_with("exclave.runner") if pid in mine]

    @staticmethod
    def working_below(directory: Path) -> list[int]:
        """The processes that work in a directory."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and os.readlink(entry / "cwd").startswith(str(directory)):
                    found.append(int(entry.name))
        return sorted(found)

    def runner_pid(self, runner_id: str) -> int:
        return int((self.data / "server" / "runners" / f"{runner_id}.pid").read_text().split()[0])

    def runner_said(self, runner_id: str) -> str:
        return (self.data / "server" / "runners" / f"{runner_id}.log").read_text(errors="replace")

    def postgres_pid(self) -> int:
        return int((self.data / "postgres" / "data" / "postmaster.pid").read_text().split()[0])

    # The database, as somebody who sees everything.

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        cluster = postgres.find(self.data)
        assert cluster is not None
        url = make_url(cluster.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[Process]:
        cluster = postgres.find(self.data)
        assert cluster is not None
        urls = runtime.Urls(app=cluster.app_url, engine=cluster.engine_url, owner=cluster.owner_url)
        process = runtime.make(Settings(data_dir=self.data / "server"), urls)
        try:
            yield process
        finally:
            await process.close()
