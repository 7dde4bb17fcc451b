"""Who asks, and with what: the `Ctx` that every verb takes. One request is one transaction, committed at the edge."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from exclave.kit import errors
from exclave.kit.blobs import Blobs
from exclave.kit.bus import Bus
from exclave.kit.crypto import Master
from exclave.kit.events import Events
from exclave.kit.session import on_driver
from exclave.kit.transaction import Opening, transaction


@dataclass(frozen=True)
class Actor:
    """Who acts: an account, in at most one org at a time."""

    account_id: str
    org_id: str = ""  # the org of this request; empty on the few routes without one
    org_ids: tuple[str, ...] = ()  # all orgs that the account may see
    permissions: Mapping[str, str] = field(default_factory=dict)  # org id -> all | create | read | update | delete
    kind: str = "auth0"  # account_type: auth0 | service | integration …
    email: str = ""
    runner_id: str = ""  # set for the service account of a runner
    scope: str = ""  # set for a token of one purpose, such as `job:<id>:<execution id>`; empty for full tokens
    token_id: str = ""


SYSTEM = Actor(account_id="", kind="system")


@dataclass
class Ctx:
    """What a verb needs: the session of the running transaction, the actor, and the tools of the process."""

    db: AsyncSession
    actor: Actor
    runtime: "Runtime"
    trace_id: str = ""
    hops: int = 0
    _pokes: set[str] = field(default_factory=set)

    @property
    def org_id(self) -> str:
        return self.actor.org_id

    def poke(self, topic: str) -> None:
        """Hint at a topic once this transaction is committed; nothing is hinted when it rolls back."""
        self._pokes.add(topic)

    async def tell(self, event: object) -> None:
        """Raise an event to the slices above, within this transaction."""
        await self.runtime.events.tell(self, event)

    def acting_as(self, actor: Actor) -> "Ctx":
        """Return the same transaction seen by another actor; hints are shared."""
        return Ctx(db=self.db, actor=actor, runtime=self.runtime, trace_id=self.trace_id, hops=self.hops, _pokes=self._pokes)


@dataclass
class Runtime:
    """The tools of one process, made once in `server/` and passed down."""

    app: Callable[[], AsyncSession]  # sessions as the role that row-level security binds
    engine: Callable[[], AsyncSession]  # sessions as the named role of sweeps and workflows
    bus: Bus
    events: Events
    master: Master
    blobs: Blobs
    settings: "Facts"

    def request(self, actor: Actor, opening: Opening | None = None, *, once: bool = False) -> AbstractAsyncContextManager[Ctx]:
        """Open the one transaction of a request: org in the session, so that row-level security knows who asks. `opening`: what tells it,
        where the actor alone shall not; `once`: see `kit.transaction.transaction`."""
        return self._transaction(self.app(), actor, opening or _entering(actor), once=once)

    def unknown(self) -> AbstractAsyncContextManager[Ctx]:
        """Open the transaction of a request whose caller is not known yet: row-level security shows nothing until it is."""
        return self._transaction(self.app(), SYSTEM)

    def sweep(self, actor: Actor = SYSTEM, *, durable: bool = True) -> AbstractAsyncContextManager[Ctx]:
        """Open a transaction across orgs, for workflows and sweeps. `durable`: see `kit.transaction.transaction`."""
        return self._transaction(self.engine(), actor, durable=durable)

    @contextlib.asynccontextmanager
    async def _transaction(
        self, session: AsyncSession, actor: Actor, opening: Opening | None = None, *, durable: bool = True, once: bool = False
    ) -> AsyncIterator[Ctx]:
        ctx = Ctx(db=session, actor=actor, runtime=self)
        try:
            async with transaction(session, opening, durable=durable, once=once):
                yield ctx
        except DBAPIError as error:
            raise _translated(error) from error
        for topic in ctx._pokes:
            self.bus.poke(topic)


@dataclass(frozen=True)
class Facts:
    """Settings that verbs need, read once by `server/settings.py`."""

    public_url: str = "http://127.0.0.1:8081"
    runner_url: str = "http://127.0.0.1:8083"
    ui_url: str = "http://127.0.0.1:8081"
    lease_seconds: float = 30.0
    local_platform: bool = False  # may tenant code run on this host?
    local_sources: tuple[str, ...] = ()
    heartbeat_seconds: float = 5.0
    unhealthy_after_seconds: float = 15.0
    terraform_default_version: str = "1.11.4"


async def enter(db: AsyncSession, actor: Actor) -> None:
    """Tell row-level security who asks from here on, for the rest of the transaction."""
    opening = _entering(actor)
    await on_driver(db, opening.statement, opening.values)


def _entering(actor: Actor) -> Opening:
    return Opening(_ENTER, (actor.org_id, ",".join(actor.org_ids)))


_ENTER = """select from (
    select set_config('exclave.org_id', $1, true) as org, set_config('exclave.org_ids', $2, true) as orgs offset 0
) told where org is null or orgs is null"""


def _translated(error: DBAPIError) -> Exception:
    """Give the database's own refusals the reader's words; anything else stays what it is."""
    state = getattr(error.orig, "sqlstate", "") or ""
    if state == "23505":
        return errors.Invalid("duplicate key: a thing with this name or number exists already")
    if state == "23503":
        return errors.Invalid("invalid foreign key: something that the request names does not exist")
    if state in ("22001", "22P02", "22003", "22P05", "22021", "54000"):
        return errors.Invalid("a value has a form that cannot be stored")
    if state in ("42501",):
        return errors.NotFound("not found")
    # 25006: read-only, a standby since a moment; 57014 and 55P03: too long, as where another transaction holds the row; 40: a deadlock
    if state.startswith(("08", "53", "57", "40", "25006", "55P03")) or _is_lost(error.orig):
        return errors.Unavailable("the database cannot answer now, try again")
    return error


def _is_lost(cause: BaseException | None) -> bool:
    """Is it the connection? SQLAlchemy wraps what the driver raised once more than `kit.session` does."""
    return any(isinstance(one, (OSError, asyncpg.InterfaceError)) for one in (cause, getattr(cause, "__cause__", None)))
