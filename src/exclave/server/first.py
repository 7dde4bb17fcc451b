"""The first start: an account with its journey, an org, a token. Later starts find them again."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from exclave.domain.accounts import service as accounts
from exclave.domain.accounts import tokens
from exclave.domain.orgs import service as orgs
from exclave.kit.context import Runtime

TOKEN_LIFE = timedelta(days=365)


@dataclass(frozen=True)
class FirstAccess:
    account_id: str
    org_id: str
    org_name: str
    token: str


async def first_access(runtime: Runtime, home: Path) -> FirstAccess:
    """Make or find the account, org and token of this machine. The token is kept in a file of mode 0600, the database has its hash."""
    file = home / "access.json"
    if file.exists():
        return FirstAccess(**json.loads(file.read_text()))
    async with runtime.sweep() as ctx:
        account = await accounts.create(ctx, "admin@exclave.local")
        org = await orgs.create(ctx, "main", account_id=account.id)
        _, secret = await tokens.mint(ctx, account.id, token_type="static", ttl=TOKEN_LIFE)
    access = FirstAccess(account_id=account.id, org_id=org.id, org_name=org.name, token=secret)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        json.dump(asdict(access), handle)
    return access
