"""The command line and the API of a whole Exclave, as its users have them: real processes below a directory of their own.

It listens on free ports that stay the same from one start to the next. Each process group is ended with the test, whatever happened.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from exclave.domain.runners import service as runners
from exclave.kit.context import Actor
from exclave.server.runtime import Process
from tests.e2e.runner import Runner, minted
from tests.processes import clean_environment, free_port

LISTENERS = ("public", "admin", "runner")


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
