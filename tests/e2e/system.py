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
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psycopg
from sqlalchemy.engine import make_url

from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner as RunnerRow
from exclave.kit import postgres
from exclave.kit.context import Actor
from exclave.server import runtime
from exclave.server.runtime import Process
from exclave.server.settings import Settings

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
        self.leavings = [self.base]
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
            for directory in self.leavings:
                shutil.rmtree(directory, ignore_errors=True)

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

    def exclave_with(self, settings: dict[str, str], *arguments: str, code: int = 0) -> str:
        """Run a command with other settings than usual."""
        before, self.settings = self.settings, {**self.settings, **settings}
        try:
            return self.exclave(*arguments, code=code)
        finally:
            self.settings = before

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

    # Runners that are started by hand.

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[Process]:
        """A runtime like that of the server, in this process: for what no API does."""
        raise NotImplementedError
        yield

    def runner_token(self, runner_id: str) -> str:
        async def make() -> str:
            async with self.process() as process:
                return await minted(process, runner_id)

        return asyncio.run(make())

    def another_runner(self, runner_id: str, *, url: str = "", mode: str = "install", uid: int | None = None) -> "Runner":
        """Start a process of a runner by hand."""
        return Runner(self, runner_id, self.runner_token(runner_id), url=url, mode=mode, uid=uid)

    def build_runner(self) -> str:
        """The id of the runner that builds for the org."""

        async def find() -> str:
            async with self.process() as process, process.runtime.sweep() as ctx:
                return (
                    await runners.of_org(
                        ctx.acting_as(Actor(account_id="", org_id=self.facts["org_id"], kind="system")), self.facts["org_id"]
                    )
                ).id

        return asyncio.run(find())

    def use(self, facts: dict[str, str]) -> None:
        """Speak with this token from now on."""
        self.facts = facts
        self.settings |= {"EXCLAVE_API_URL": facts["api_url"], "EXCLAVE_TOKEN": facts["token"], "EXCLAVE_ORG_ID": facts["org_id"]}

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


# Modules are imported before the change of user, who may not be able to read where they lie.
_AS_ANOTHER = """
import asyncio, encodings.cp437, encodings.idna, importlib, importlib.resources, os, pkgutil, sys
import exclave.runner.handlers as handlers
from exclave.client.http import Http
from exclave.runner.main import main
for module in pkgutil.iter_modules(handlers.__path__):
    importlib.import_module(f"{handlers.__name__}.{module.name}")
async def call_once():
    await asyncio.to_thread(os.getpid)
    async with Http("http://127.0.0.1:9", patience=0) as http:
        try:
            await http.request("GET", "/")
        except Exception:
            pass
asyncio.run(call_once())
uid, mode = int(sys.argv[1]), sys.argv[2]
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
os.chdir(os.environ["HOME"])
sys.exit(main([mode]))
"""


class Runner:
    """A runner process that is started by hand in an empty directory, with nothing but what it must know; as another user with `uid`."""

    def __init__(self, system: Served, runner_id: str, token: str, *, url: str = "", mode: str = "install", uid: int | None = None) -> None:
        self.log = system.base / f"{runner_id}-{mode}.log"
        # Below the temporary directory of the machine, which everybody may enter, and not below the server's.
        self.home = Path(tempfile.mkdtemp(prefix="exclave-runner-"))
        system.leavings.append(self.home)
        program = ["-m", "exclave.runner", mode]
        if uid is not None:
            os.chown(self.home, uid, uid)
            program = ["-c", _AS_ANOTHER, str(uid), mode]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", *program],
                env={
                    **clean_environment(),
                    "HOME": str(self.home),
                    "RUNNER_API_URL": url or f"http://127.0.0.1:{system.ports['runner']}",
                    "RUNNER_ID": runner_id,
                    "RUNNER_API_TOKEN_FD": "0",
                },
                cwd="/",
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
        self.use(json.loads(announcement.read_text()))

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
        return int((self.data / "server" / "runners" / f"{runner_id}.pid").read_text())

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


class Installation(Served):
    """`exclave server` processes on a PostgreSQL that somebody else runs. `login` is the URL that they get, `owner` that of the schema."""

    def __init__(self, login: str, owner: str, **settings: str) -> None:
        super().__init__(EXCLAVE_DATABASE_URL=login, **settings)
        self.owner = owner

    def migrate(self, code: int = 0) -> str:
        return self.exclave_with({"EXCLAVE_OWNER_URL": self.owner}, "migrate", code=code)

    def serve(self, *roles: str) -> Self:
        """Start a process for each role, and return when the API answers."""
        for role in roles:
            self.spawn("exclave.cli", "server", "--role", role)
        until(self._answers, wait=30, what=f"for the server: {self.said()[-2000:]}")
        return self

    def _answers(self) -> bool:
        assert all(process.poll() is None for process in self.started), self.said()[-3000:]
        with contextlib.suppress(httpx.TransportError):
            return self.is_served(self.url) and self.is_served(f"http://127.0.0.1:{self.ports['runner']}")
        return False

    @staticmethod
    def is_served(url: str) -> bool:
        return httpx.get(url + "/livez", trust_env=False).status_code < 500

    def let_in(self) -> None:
        """Make the first account, org and token, as an operator does: there is no `up` here that would."""
        made = json.loads(self.exclave("access"))
        self.use({"api_url": self.url, "token": made["token"], "org_id": made["org_id"]})

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[Process]:
        with in_environment(self.settings):
            settings = Settings()
        process = runtime.make(settings, runtime.external(settings))
        try:
            yield process
        finally:
            await process.close()


@contextlib.contextmanager
def in_environment(settings: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def minted(process: Process, runner_id: str) -> str:
    """A token for a process of a runner that is started by hand, once its workflow has provisioned it."""
    ends = time.monotonic() + 15
    while True:
        async with process.runtime.sweep() as ctx:
            row = await ctx.db.get(RunnerRow, runner_id)
            assert row is not None
            if row.account_id:
                actor = Actor(account_id=row.account_id, org_id=row.org_id, kind="system")
                return await runners.mint_token(ctx.acting_as(actor), row, timedelta(hours=1))
        assert time.monotonic() < ends, f"the runner {runner_id} is {row.status}"
        await asyncio.sleep(0.05)
