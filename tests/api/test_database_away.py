"""While the database goes and comes back, an answer says so with 503, and the next attempt works."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from exclave.api import public
from exclave.api.app import listener
from exclave.kit import postgres
from exclave.kit.postgres.running import pid_file
from exclave.migrations.upgrade import upgrade
from tests import factories
from tests.conftest import make_runtime


@pytest.fixture
def base():
    made = Path(tempfile.mkdtemp(prefix="exclave-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_a_database_that_lets_nobody_in_is_503_until_it_is_back(base, tmp_path):
    cluster = postgres.start(base, progress=lambda line: None)
    try:
        await upgrade(cluster.owner_url)
        runtime = make_runtime(cluster, tmp_path)
        org = await factories.org(runtime)
        transport = httpx.ASGITransport(app=listener("public", public.ROUTES, runtime), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {org.token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://exclave.test", headers=headers) as client:
            async with runtime.sweep() as ctx:
                await ctx.db.execute(text("select 1"))
                # It waits for the connection that is open, and lets no other in.
                os.kill(pid_file(cluster.data).pid, signal.SIGTERM)
                for path in ("/readyz", "/v1/apps", "/readyz"):
                    answer = await client.get(path)
                    assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), (path, answer.text)
                    assert "database" in answer.json()["description"]
            cluster.stop()
            cluster = postgres.start(base, progress=lambda line: None)
            for path in ("/readyz", "/v1/apps"):
                assert (await client.get(path)).status_code == 200, path
    finally:
        cluster.stop()
