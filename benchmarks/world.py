"""A whole Exclave for a benchmark: `exclave up` on a directory of its own, an app to install, and the commands that a user would type."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from exclave.kit import postgres
from exclave.kit.postgres import Cluster

_PATIENCE = 120.0  # seconds after which a benchmark gives up


class Database:
    """One connection, shared by whoever asks, and one look at a time for all whose workflows are to end.

    A look of its own for each of a hundred workflows would keep one of two cores from the server that is measured.
    """

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection, self._turn = connection, asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def value(self, statement: str, *arguments: object) -> Any:
        async with self._turn:
            return await self._connection.fetchval(statement, *arguments)

    async def end_of(self, workflow_id: str) -> str:
        """Wait until a workflow has ended; return its last status."""
        self._waiting[workflow_id] = ended = asyncio.get_running_loop().create_future()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.wait_for(ended, _PATIENCE)

    async def _look(self) -> None:
        statement = """select id, status ->> 'status' from install_workflows
            where id = any($1) and state = 'finished' and status ->> 'status' in ('success', 'error', 'cancelled')"""
        try:
            while self._waiting:
                async with self._turn:
                    rows = await self._connection.fetch(statement, list(self._waiting))
                for workflow_id, status in rows:
                    self._waiting.pop(workflow_id).set_result(status)
                self._waiting = {each: ended for each, ended in self._waiting.items() if not ended.done()}  # who gave up
                await asyncio.sleep(max(0.01, len(self._waiting) / 500))  # five hundred rows a second at most
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            for ended in self._waiting.values():
                ended.set_exception(error)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await self._connection.close()


@dataclass
class World:
    """A directory, the environment of every program in it, and how to talk to the server that runs there."""

    base: Path
    environ: dict[str, str]
    url: str = ""
    runner_url: str = ""
    server: int = 0  # the process that was started
    token: str = ""
    org_id: str = ""
    http: httpx.AsyncClient = field(init=False)
    database: Database = field(init=False)

    async def exclave(self, *words: str) -> str:
        """Run a command of the CLI; return what it prints."""
        return (await run(sys.executable, "-P", "-m", "exclave.cli", *words, environ=self.environ)).decode()

    async def get(self, path: str, **params: str) -> Any:
        return _checked(await self.http.get(self.url + path, params=params, headers=self._headers))

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        answer = await self.http.post(self.url + path, json=body or {}, headers=self._headers)
        _checked(answer)
        return answer

    async def patch(self, path: str, body: Any) -> Any:
        return _checked(await self.http.patch(self.url + path, json=body, headers=self._headers))

    async def finished(self, workflow_id: str) -> None:
        """Wait for the end of a workflow; raise unless it went well. Looks at the row itself: asking the server would cost it time."""
        status = await self.database.end_of(workflow_id)
        if status != "success":
            workflow = await self.get(f"/v1/workflows/{workflow_id}")
            raise RuntimeError(f"the workflow {workflow_id} ended with {status}: {json.dumps(workflow)[:2000]}")

    async def sync(self, app: str, directory: Path) -> str:
        """Create an app, sync and build it; return its id."""
        await self.exclave("apps", "create", app)
        await self.exclave("apps", "sync", str(directory), "--app", app)
        return str((await self.get(f"/v1/apps/{app}"))["id"])

    async def install(self, app_id: str, name: str) -> tuple[str, str]:
        """Create an install; return its id and the id of the workflow that provisions it. Every plan is approved by itself."""
        made = await self.post(f"/v1/apps/{app_id}/installs", {"name": name, "install_config": {"approval_option": "approve-all"}})
        return str(made.json()["id"]), made.headers["X-Nuon-Install-Workflow-ID"]

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "X-Nuon-Org-ID": self.org_id}


def _checked(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text[:500]}")
    return answer.json() if answer.content else None


@contextlib.contextmanager
def directory(**environ: str) -> Iterator[World]:
    """A data directory for one run, removed afterwards with the database in it. Only what is listed here reaches the programs."""
    base = Path(tempfile.mkdtemp(prefix="exclave-bench-"))
    base.chmod(0o711)  # so that a server user's PostgreSQL may live inside when we are root
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "EXCLAVE_TERRAFORM") if name in os.environ}
    made = {
        **kept,
        "HOME": str(base),
        "EXCLAVE_DATA_DIR": str(base / "data"),
        "EXCLAVE_CONFIG": str(base / "cli.toml"),
        "EXCLAVE_LOG_LEVEL": "warning",
        **{f"EXCLAVE_{name}_PORT": "0" for name in ("PUBLIC", "ADMIN", "RUNNER")},
        **environ,
    }
    try:
        yield World(base, made)
    finally:
        # The database may have its files elsewhere: only the server knows.
        subprocess.run([sys.executable, "-P", "-m", "exclave.server", "remove"], env=made, check=False)
        shutil.rmtree(base, ignore_errors=True)


@contextlib.asynccontextmanager
async def up(world: World) -> AsyncIterator[asyncio.subprocess.Process]:
    """`exclave up` until the end of the block."""
    with (world.base / "up.log").open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "exclave.cli", "up",
            env=world.environ, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=said, start_new_session=True,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        lines = []
        while not (line := await process.stdout.readline()).startswith(b"running"):
            if not line:
                raise RuntimeError(f"`exclave up` ended with {await process.wait()}: {(world.base / 'up.log').read_text()[-2000:]}")
            lines.append(line.decode().split())
        facts = {words[0]: words[2] for words in lines if len(words) > 2}
        access = json.loads((world.base / "data" / "server" / "access.json").read_text())
        world.url, world.runner_url = facts["public"], facts["runner"]
        world.token, world.org_id = access["token"], access["org_id"]
        world.server = process.pid
        world.database = await connected(postgres.find(world.base / "data"))
        async with httpx.AsyncClient(timeout=60, trust_env=False) as world.http:
            yield process
        await world.database.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 60)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def connected(cluster: Cluster | None) -> Database:
    """A connection as the role that sees all orgs."""
    assert cluster is not None
    connection = await asyncpg.connect(cluster.owner_url.replace("+asyncpg", ""))
    await connection.execute("set role exclave_engine")
    return Database(connection)


def cpu(root: int) -> float:
    """Seconds of processor that a process and its living descendants, and those that they have waited for, used until now.

    Unlike a wall it hardly depends on what else the machine does. 0.0 where there is no /proc.
    """
    children: dict[int, list[int]] = {}
    used: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
            used[int(stat.parent.name)] = sum(int(field) for field in fields[11:15])
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return sum(used.get(pid, 0) for pid in found) / os.sysconf("SC_CLK_TCK")


async def run(*argv: str, environ: Mapping[str, str], cwd: Path | None = None) -> bytes:
    """Run a program to its end; raise with its last lines when it fails."""
    process = await asyncio.create_subprocess_exec(
        *argv, env=dict(environ), cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {process.returncode}:\n{errors.decode()[-2000:]}{out.decode()[-500:]}")
    return out


def write_app(directory: Path, *, sandbox: str, components: Mapping[str, Sequence[str]] = {}, module: str = "") -> Path:
    """Write an app of the platform `local`: a sandbox module, and components of one module with what each depends on."""
    files = {
        "metadata.toml": 'version = "v2"\ndisplay_name = "bench"\n',
        "runner.toml": 'runner_type = "local"\n',
        "sandbox.toml": 'terraform_version = "1.8.0"\n[local]\ndirectory = "./sandbox"\n',
        "sandbox/main.tf": sandbox,
    }
    if components:
        files["module/main.tf"] = module
    for name, needs in components.items():
        lines = [f'name = "{name}"', 'type = "terraform_module"', 'terraform_version = "1.8.0"']
        lines += [f"dependencies = {json.dumps(list(needs))}"] if needs else []
        files[f"components/{name}.toml"] = "\n".join([*lines, "[local]", 'directory = "./module"', ""])
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory
