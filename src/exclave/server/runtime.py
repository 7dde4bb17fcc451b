"""Make the tools of a process from its settings."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from exclave.kit import db
from exclave.kit.blobs import Blobs
from exclave.kit.bus import Bus
from exclave.kit.context import Runtime
from exclave.kit.crypto import Master
from exclave.kit.events import Events
from exclave.kit.rls import APP, ENGINE
from exclave.server import wiring
from exclave.server.database import as_async, plain
from exclave.server.settings import Settings, SettingsInvalid

# A process that is frozen inside a transaction must not hold its locks: the engine's row lock is a lease (design: engine), and the rows of
# requests are those that workflows and sweeps wait for. No request waits for its client in a transaction. A state of 64 MB, whose
# statement counts from its first byte, has its time, too. Whoever waits for a row holds a connection that a runner's renewal may need.
APP_SETTINGS = {
    "role": APP,
    "statement_timeout": "30000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "30000",
}
# Its statements are few and known: planning them anew each time takes twice as long as running them.
ENGINE_SETTINGS = {"role": ENGINE, "idle_in_transaction_session_timeout": "10000", "plan_cache_mode": "force_generic_plan"}


@dataclass(frozen=True)
class Urls:
    """How a process connects: as the role of requests, as the role of workflows, as the owner of the schema."""

    app: str
    engine: str
    owner: str


def external(settings: Settings) -> Urls:
    """The URLs for a database that somebody else runs. The login may be any member of the two roles."""
    url = as_async(settings.database_url, "EXCLAVE_DATABASE_URL")
    return Urls(app=url, engine=url, owner=as_async(settings.owner_url, "EXCLAVE_OWNER_URL") if settings.owner_url else url)


@dataclass
class Process:
    """A runtime and what must be closed with it."""

    runtime: Runtime
    engines: list[AsyncEngine]

    async def close(self) -> None:
        await self.runtime.bus.stop()
        for engine in self.engines:
            await engine.dispose()


def make(settings: Settings, urls: Urls) -> Process:
    """Make the runtime of a process: pools as the two roles, bus, keys, blobs, subscribers."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        master = _master(settings)
    except OSError as error:
        raise SettingsInvalid(f"EXCLAVE_DATA_DIR cannot be used: {error.filename}: {error.strerror}") from error
    app = db.connect(urls.app, pool=settings.api_connections, settings=APP_SETTINGS)
    engine = db.connect(urls.engine, pool=settings.engine_connections, settings=ENGINE_SETTINGS)
    events = Events()
    wiring.subscribe(events)
    runtime = Runtime(
        app=db.sessions(app),
        engine=db.sessions(engine),
        bus=Bus(plain(urls.engine)),
        events=events,
        master=master,
        blobs=Blobs(settings.data_dir / "blobs"),
        settings=settings.facts(),
    )
    return Process(runtime, [app, engine])


def _master(settings: Settings) -> Master:
    file = settings.data_dir / "master.key"
    try:
        return Master.from_text(settings.master_key) if settings.master_key else Master.from_file(file)
    except ValueError as error:
        place = "EXCLAVE_MASTER_KEY" if settings.master_key else f"the key in {file}, which opens what this database has sealed,"
        raise SettingsInvalid(f"{place} must be 32 bytes in base64") from error
