"""Fixtures: a real PostgreSQL with the real schema, a runtime on it, an org of its own for each test, a client on the real application."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from exclave.api import public, runner
from exclave.api.app import listener
from exclave.kit import db
from exclave.kit.blobs import Blobs
from exclave.kit.bus import Bus
from exclave.kit.context import Ctx, Facts, Runtime
from exclave.kit.crypto import Master
from exclave.kit.events import Events
from exclave.migrations.upgrade import upgrade
from exclave.server import wiring
from exclave.server.runtime import APP_SETTINGS, ENGINE_SETTINGS
from tests import factories
from tests.cluster import Cluster, start_cluster


def pytest_configure() -> None:
    """A script's `make test &` runs with SIGINT ignored, and children inherit that: the tests are about the Ctrl-C of a terminal."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One embedded PostgreSQL for the whole run; `EXCLAVE_TEST_OWNER_URL` names another one instead."""
    with start_cluster() as started:
        yield started


@pytest.fixture(scope="session")
def database(cluster: Cluster) -> Cluster:
    asyncio.run(upgrade(cluster.owner_url))
    return cluster


def make_runtime(cluster: Cluster, blobs: Path, **facts: object) -> Runtime:
    """A runtime as `server/` makes it, without its loops."""
    app = db.connect(cluster.app_url, pool=5, overflow=10, settings=APP_SETTINGS)
    engine = db.connect(cluster.engine_url, pool=5, overflow=5, settings=ENGINE_SETTINGS)
    runtime = Runtime(
        app=db.sessions(app),
        engine=db.sessions(engine),
        bus=Bus(),
        events=Events(),
        master=Master(bytes(range(32))),
        blobs=Blobs(blobs),
        settings=Facts(**{"local_platform": True, "lease_seconds": 2.0, **facts}),  # type: ignore[arg-type]
    )
    wiring.subscribe(runtime.events)
    return runtime


@pytest.fixture(scope="session")
def runtime(database: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return make_runtime(database, tmp_path_factory.mktemp("blobs"))


@pytest.fixture
async def org(runtime: Runtime) -> factories.OrgWithToken:
    """A fresh org with an admin account and its token."""
    return await factories.org(runtime)


@pytest.fixture
async def ctx(runtime: Runtime, org: factories.OrgWithToken) -> AsyncIterator[Ctx]:
    """A transaction as that account, committed at the end like a request's."""
    async with runtime.request(org.actor) as ctx:
        yield ctx


@pytest.fixture(scope="session")
def public_app(runtime: Runtime) -> Litestar:
    return listener("public", public.ROUTES, runtime)


@pytest.fixture(scope="session")
def runner_app(runtime: Runtime) -> Litestar:
    return listener("runner", runner.ROUTES, runtime)


def _client(app: Litestar, token: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://exclave.test", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
async def client(public_app: Litestar, org: factories.OrgWithToken) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the public API with the token of `org`."""
    async with _client(public_app, org.token) as made:
        yield made


@pytest.fixture
async def stranger(public_app: Litestar, runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the public API from another org."""
    other = await factories.org(runtime)
    async with _client(public_app, other.token) as made:
        yield made


@pytest.fixture
def runner_client_of(runner_app: Litestar):  # type: ignore[no-untyped-def]
    """Make a client of the runner API for a token."""
    return lambda token: _client(runner_app, token)


@pytest.fixture(autouse=True, scope="session")
def _quiet_environment() -> None:
    for name in list(os.environ):
        if name.startswith(("EXCLAVE_", "NUON_", "TF_")) and not name.startswith("EXCLAVE_TEST_"):
            del os.environ[name]


def unique(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(4)}"
