"""`exclave server` on a PostgreSQL of somebody else."""

import contextlib
import json
import os
from collections.abc import AsyncIterator
from typing import Self

import httpx

from exclave.server import runtime
from exclave.server.runtime import Process
from exclave.server.settings import read as read_settings
from tests.e2e.served import Served
from tests.processes import until


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
        settings = read_settings({**os.environ, **self.settings})
        process = runtime.make(settings, runtime.external(settings))
        try:
            yield process
        finally:
            await process.close()
