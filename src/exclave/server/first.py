"""The first start: an account with its journey, an org, a token. Later starts find them again."""

import contextlib
import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from exclave.domain.accounts import queries as account_queries
from exclave.domain.accounts import service as accounts
from exclave.domain.accounts import tokens
from exclave.domain.orgs import queries as org_queries
from exclave.domain.orgs import service as orgs
from exclave.kit import errors
from exclave.kit.context import Ctx, Runtime
from exclave.kit.db import first
from exclave.kit.postgres.place import write_file

EMAIL = "admin@exclave.local"
TOKEN_LIFE = timedelta(days=365)


@dataclass(frozen=True)
class FirstAccess:
    account_id: str
    org_id: str
    org_name: str
    token: str


async def first_access(runtime: Runtime, home: Path) -> FirstAccess:
    """Make or find the account, org and token of this machine. The token is kept in a file of mode 0600, the database has its hash.

    Where the file is gone, was never written or opens nothing any more, there is a new token of the same account.
    """
    file = home / "access.json"
    kept = _kept(file)
    async with runtime.sweep() as ctx:
        if kept is not None and await _opens(ctx, kept):
            return kept
        account = await first(ctx.db, account_queries.by_subject(EMAIL)) or await accounts.create(ctx, EMAIL)
        role = await first(ctx.db, org_queries.roles_of(account.id))
        org = await (orgs.create(ctx, "main", account_id=account.id) if role is None else orgs.get(ctx, role.org_id))
        _, secret = await tokens.mint(ctx, account.id, token_type="static", ttl=TOKEN_LIFE)
    access = FirstAccess(account_id=account.id, org_id=org.id, org_name=org.name, token=secret)
    write_file(file, json.dumps(asdict(access)), 0o600)
    return access


def _kept(file: Path) -> FirstAccess | None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=FirstAccess)
    return None


async def _opens(ctx: Ctx, access: FirstAccess) -> bool:
    """Does the token let its account into its org? Not past its time, in another database, or when the org was deleted."""
    try:
        actor = await tokens.authenticate(ctx.db, access.token)
    except errors.Unauthenticated:
        return False
    return actor is not None and access.org_id in actor.org_ids
