"""Tokens: minted once, shown once, kept as a hash; and what a token lets its bearer be."""

import secrets
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CTE, ColumnElement, DateTime, LargeBinary, String, Table, bindparam, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from exclave.domain.accounts import queries
from exclave.domain.accounts.models import Account, Token
from exclave.kit import errors
from exclave.kit.context import Actor, Ctx
from exclave.kit.crypto import token_hash
from exclave.kit.ids import new_id
from exclave.kit.time import now

_HINT = 7  # characters that a person may see, so that tokens can be told apart


async def mint(ctx: Ctx, account_id: str, *, token_type: str, ttl: timedelta, scope: str = "", org_id: str = "") -> tuple[Token, str]:
    """Make a token and return its row and its text. The text is nowhere else: it cannot be read back."""
    text, moment = _new_text(), now()
    token = Token(
        account_id=account_id,
        created_by_id=ctx.actor.account_id or account_id,
        token_hash=token_hash(text),
        hint=text[:_HINT],
        token_type=token_type,
        issued_at=moment,
        expires_at=moment + ttl,
        scope=scope,
        org_id=org_id,
    )
    ctx.db.add(token)
    return token, text


def drawn() -> tuple[str, dict[str, Any]]:
    """Return the text of a new token, and what `minted_with` is asked with besides `:account` and `:moment`."""
    text = _new_text()
    return text, {"token": new_id(Token.prefix), "token_hash": token_hash(text), "token_hint": text[:_HINT]}


def minted_with(source: CTE, *, token_type: str, expires_at: ColumnElement[datetime], scope: ColumnElement[str]) -> CTE:
    """Make a token in a larger statement, for the row of `source` and in its org; none where that has no row."""
    account, moment = bindparam("account", type_=String), bindparam("moment", type_=DateTime(timezone=True))
    row: dict[str, ColumnElement[Any]] = {
        "id": bindparam("token", type_=String),
        "created_by_id": account,
        "created_at": moment,
        "updated_at": moment,
        "deleted_at": literal(0),
        "account_id": account,
        "token_hash": bindparam("token_hash", type_=LargeBinary),
        "hint": bindparam("token_hint", type_=String),
        "token_type": literal(token_type),
        "issued_at": moment,
        "expires_at": expires_at,
        "issuer": literal("exclave"),
        "scope": scope,
        "org_id": source.c.org_id,
    }
    values = select(*(value.label(name) for name, value in row.items())).select_from(source)
    table = cast(Table, Token.__table__)
    return insert(table).from_select(list(row), values, include_defaults=False).returning(table.c.id).cte("minted")


def _new_text() -> str:
    return "tok" + secrets.token_urlsafe(32)


async def revoke_all(ctx: Ctx, account_id: str) -> None:
    """End every token of an account."""
    await ctx.db.execute(
        update(Token).where(Token.account_id == account_id, Token.deleted_at == 0).values(deleted_at=int(now().timestamp()))
    )


async def authenticate(db: AsyncSession, token: str) -> Actor | None:
    """Return who bears the token, without an org chosen yet; None when no such token exists, 401 when it is past its time."""
    if not token:
        return None
    found = (await db.execute(queries.token_with_account(token_hash(token)))).first()
    if found is None:
        return None
    row: Token = found[0]
    account: Account = found[1]
    if row.expires_at <= now():
        raise errors.Unauthenticated("token is expired")
    org_ids: list[str] = []
    permissions: dict[str, str] = {}
    for org_id, granted in (await db.execute(queries.rights(account.id))).all():
        if org_id and org_id not in org_ids:
            org_ids.append(org_id)
        permissions.update({key: value for key, value in (granted or {}).items() if value})
    return Actor(
        account_id=account.id,
        org_ids=tuple(org_ids),
        permissions=permissions,
        kind=account.account_type,
        email=account.email,
        runner_id=account.subject if account.account_type == "service" and account.subject.startswith("run") else "",
        scope=row.scope,
        token_id=row.id,
    )
