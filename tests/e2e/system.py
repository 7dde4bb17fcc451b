"""A whole Exclave as its users have it: real processes below a directory of their own, and the command line as subprocesses.

`System` is `exclave up`; `Served` is `exclave server` on a PostgreSQL of somebody else. Both listen on free ports that stay the same
from one start to the next. Each process group is ended with the test, whatever happened.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psycopg
from sqlalchemy.engine import make_url

from exclave.kit import postgres

T = TypeVar("T")

LISTENERS = ("public", "admin", "runner")


def until(holds: Callable[[], T], *, wait: float = 20.0, what: str = "") -> T:
    """Wait for what no process announces, and return it."""
    ends = time.monotonic() + wait
    while not (found := holds()):
        assert time.monotonic() < ends, f"waited {wait:g} s in vain {what}"
        time.sleep(0.02)
    return found


def is_alive(pid: int) -> bool:
    """A process that has ended and only waits to be noticed does not live."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return False


def processes_with(text: str) -> list[int]:
    """The processes that name this text among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text.encode() in (entry / "cmdline").read_bytes() and is_alive(int(entry.name)):
                    found.append(int(entry.name))
    return found


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """What a process of the tests starts from: nothing of the caller's settings."""
    kept = ("PATH", "LANG", "EXCLAVE_TERRAFORM", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


class CommandFailed(AssertionError):
    """A command ended otherwise than the test expects."""


class Served:
    """The command line and the API of a server, however it was started."""

    def __init__(self, **settings: str) -> None:
        # Everybody may enter it, since as root PostgreSQL runs as another user.
        self.base = Path(tempfile.mkdtemp(prefix="exclave-e2e-"))
        self.base.chmod(0o711)
        self.data = self.base / "data"
        self.apps = self.base / "apps"
        self.apps.mkdir()
        self.ports = {name: free_port() for name in LISTENERS}
        self.settings = {
            "EXCLAVE_DATA_DIR": str(self.data),
            "EXCLAVE_CONFIG": str(self.base / "cli.toml"),
            **{f"EXCLAVE_{name.upper()}_PORT": str(port) for name, port in self.ports.items()},
            **settings,
        }
        self.facts: dict[str, str] = {}
        self.started: list[subprocess.Popen[bytes]] = []
        self.log = self.base / "server.log"

    # Processes.

    @property
    def environ(self) -> dict[str, str]:
        return {**clean_environment(), "HOME": str(self.base), **self.settings}

    def spawn(self, *arguments: str, pass_fds: Sequence[int] = (), **environ: str) -> subprocess.Popen[bytes]:
        """Start a program of ours in a process group of its own; what it says goes to the log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", *arguments],
                env={**self.environ, **environ},
                cwd=self.base,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        self.started.append(process)
        return process

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def close(self) -> None:
        """End whatever still runs, and remove the directory."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.started:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if not os.environ.get("EXCLAVE_TEST_KEEP"):
            shutil.rmtree(self.base, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The command line.

    def exclave(self, *arguments: str, code: int = 0, timeout: float = 60.0) -> str:
        """Run a command as a user does, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "exclave.cli", *arguments],
            env=self.environ,
            cwd=self.base,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if done.returncode != code:
            said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            raise CommandFailed(f"`exclave {' '.join(arguments)}` ended with {done.returncode}, expected was {code}\n{said}")
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *arguments: str, timeout: float = 60.0) -> Any:
        return json.loads(self.exclave(*arguments, "--json", timeout=timeout))

    def vendor(self, app: Path) -> str:
        """Create the app and send its directory; return its name."""
        self.exclave("apps", "create", app.name)
        self.exclave("apps", "sync", str(app))
        return app.name

    def customer(self, name: str, app: str, *options: str) -> tuple[str, str, str]:
        """Create an install; return the ids of itself, of its workflow and of its runner."""
        made = self.json("installs", "create", name, "--app", app, *options)
        return made["install"]["id"], made["workflow_id"], made["install"]["runner_id"]

    def watch(self, workflow: str, *, code: int = 0, until: str = "finished", timeout: float = 60.0) -> str:
        return self.exclave("workflows", "watch", workflow, "--until", until, code=code, timeout=timeout)

    def workflow(self, workflow: str) -> Any:
        return self.get(f"/v1/workflows/{workflow}")

    def step(self, workflow: str, name: str) -> Any:
        """The newest step of this name."""
        return [step for step in self.workflow(workflow)["steps"] if step["name"] == name][-1]

    # The API.

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['public']}"

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(
            method, self.url + path, headers={"Authorization": f"Bearer {self.facts['token']}"}, timeout=20, trust_env=False, **options
        )

    def runner_api(self, method: str, path: str, authorization: str, body: Any) -> int:
        """Call the runner API and return the status of its answer."""
        url = f"http://127.0.0.1:{self.ports['runner']}{path}"
        return httpx.request(method, url, headers={"Authorization": authorization}, json=body, timeout=20, trust_env=False).status_code

    def get(self, path: str) -> Any:
        answer = self.api("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def workspace_of(self, owner_id: str) -> str:
        """The Terraform workspace of a sandbox or of an install's component."""
        return next(str(found["id"]) for found in self.get("/v1/terraform-workspaces") if found["owner_id"] == owner_id)

    def state_of(self, workspace_id: str) -> Any:
        answer = self.api("GET", "/v1/terraform-backend", params={"workspace_id": workspace_id})
        return answer.json() if answer.status_code == 200 else None

    def lock_of(self, workspace_id: str) -> Any:
        return self.api("GET", f"/v1/terraform-workspaces/{workspace_id}/lock").json()


class Runner:
    """A runner process that is started by hand, with nothing but what it must know."""

    def __init__(self, system: Served, runner_id: str, token: str, *, url: str = "", mode: str = "install") -> None:
        self.work = Path(tempfile.mkdtemp(prefix="runner-", dir=system.base))
        self.log = self.work / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "exclave.runner", mode],
                env={
                    **clean_environment(),
                    "HOME": str(self.work),
                    "EXCLAVE_RUNNER_WORK": str(self.work),
                    "RUNNER_API_URL": url or f"http://127.0.0.1:{system.ports['runner']}",
                    "RUNNER_ID": runner_id,
                    "RUNNER_API_TOKEN_FD": "0",
                },
                cwd=self.work,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(token.encode())
        self.process.stdin.close()
        system.started.append(self.process)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class System(Served):
    """`exclave up` on a directory of its own."""

    server: subprocess.Popen[bytes]

    def start(self) -> Self:
        """Start it and return when everything answers."""
        self.announce_and_wait("exclave.server")
        return self

    def announce_and_wait(self, module: str) -> None:
        announcement = self.base / "ready.json"
        announcement.unlink(missing_ok=True)
        reader, writer = os.pipe()
        self.server = self.spawn(module, "up", str(announcement), str(writer), pass_fds=(writer,))
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        assert announcement.exists(), f"it did not start: {self.said()[-3000:]}"
        self.facts = json.loads(announcement.read_text())
        # What `exclave up` writes for its user.
        self.settings |= {
            "EXCLAVE_API_URL": self.facts["api_url"],
            "EXCLAVE_TOKEN": self.facts["token"],
            "EXCLAVE_ORG_ID": self.facts["org_id"],
        }

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
        """The runner processes of this data directory, whoever started them."""
        return [pid for pid in processes_with("exclave.runner") if self._is_mine(pid)]

    def _is_mine(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            return os.readlink(f"/proc/{pid}/cwd").startswith(str(self.base))
        return False

    def runner_pid(self, runner_id: str) -> int:
        return int((self.data / "server" / "runners" / f"{runner_id}.pid").read_text())

    def runner_said(self, runner_id: str) -> str:
        return (self.data / "server" / "runners" / f"{runner_id}.log").read_text(errors="replace")

    def postgres_pid(self) -> int:
        return int((self.data / "postgres" / "data" / "postmaster.pid").read_text().split()[0])

    def another_runner(self, runner_id: str, *, url: str = "", mode: str = "install") -> "Runner":
        """Start one more process of a runner by hand."""
        return Runner(self, runner_id, self.runner_token(runner_id), url=url, mode=mode)

    # The database, as somebody who sees everything.

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        cluster = postgres.find(self.data)
        assert cluster is not None
        url = make_url(cluster.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection

    def runner_token(self, runner_id: str) -> str:
        """Make a token for one more process of a runner."""
        return asyncio.run(_minted(self.data, self.settings, runner_id))


async def _minted(data: Path, environ: dict[str, str], runner_id: str) -> str:
    from datetime import timedelta

    from exclave.domain.runners import service as runners
    from exclave.domain.runners.models import Runner as Row
    from exclave.kit.context import Actor
    from exclave.server import runtime
    from exclave.server.settings import Settings

    cluster = postgres.find(data)
    assert cluster is not None
    settings = Settings(data_dir=data / "server")
    process = runtime.make(settings, runtime.Urls(app=cluster.app_url, engine=cluster.engine_url, owner=cluster.owner_url))
    try:
        async with process.runtime.sweep() as ctx:
            row = await ctx.db.get(Row, runner_id)
            assert row is not None
            actor = Actor(account_id=row.account_id, org_id=row.org_id, kind="system")
            return await runners.mint_token(ctx.acting_as(actor), row, timedelta(hours=1))
    finally:
        await process.close()
