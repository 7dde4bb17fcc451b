"""A runner that is started by hand, as in a customer's account."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner as RunnerRow
from exclave.kit.context import Actor
from exclave.server.runtime import Process
from tests.processes import clean_environment

if TYPE_CHECKING:
    from tests.e2e.served import Served


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

    def __init__(
        self, system: "Served", runner_id: str, token: str, *, url: str = "", mode: str = "install", uid: int | None = None
    ) -> None:
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
