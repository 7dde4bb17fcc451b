"""Who asks: the token of a request becomes an actor, the org header picks one org (spec domain.md 5.2-5.4).

Token, account, orgs and permissions are one statement, `exclave_enter`, which also tells row-level security who asks. What you may
not see is 404; only a missing, unknown or foreign org header is 403.
"""

import base64
import binascii
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal

from litestar import Request
from sqlalchemy import text

from exclave.kit import crypto, errors
from exclave.kit.context import Actor, Ctx, Runtime
from exclave.kit.prepared import Prepared
from exclave.kit.transaction import Opening

Audience = Literal["public", "runner", "admin"]

PERMISSION = {"GET": "read", "HEAD": "read", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}

_ENTER: Prepared[Any] = Prepared(
    text("select found, md5(cast(found as text)) as digest from (select exclave_enter(:hash, :org) as found offset 0) asked")
)

# The same for a caller whom this process knows, to go over with another statement: so it returns no row. Where the token gives anything
# else than it gave before, nobody is let in: the statement after it sees no row and writes none.
_AGAIN = """select from (select exclave_enter($1, $2) as found offset 0) asked where case when md5(cast(found as text)) is distinct from $3
    then set_config('exclave.org_id', '', true) || set_config('exclave.org_ids', '', true) = 'never' else false end"""


@dataclass(frozen=True)
class _Known:
    """What a token gave when the database was asked, and the digest of it."""

    found: dict[str, Any]
    digest: str


# By token and wanted org. A kilobyte each; emptied before it is large.
_known: dict[tuple[bytes, str], _Known] = {}
_MOST_KNOWN = 10_000


def token_of(request: Request[Any, Any, Any]) -> str:
    """Read the token: `Authorization: Bearer <token>`, the bare token, the password of basic auth; `?token=` where the header has none."""
    return _in_header(request.headers.get("authorization", "").strip()) or str(request.query_params.get("token", ""))


def _in_header(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "basic" and rest:
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return rest.strip() if scheme.lower() == "bearer" else header


def wanted_org(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("x-nuon-org-id", "") or str(request.query_params.get("org_id", ""))


def _asked(request: Request[Any, Any, Any]) -> tuple[bytes, str]:
    token = token_of(request)
    if not token:
        raise errors.Unauthenticated("no token: send `Authorization: Bearer <token>`")
    return crypto.token_hash(token), wanted_org(request)


@contextlib.asynccontextmanager
async def entered(runtime: Runtime, request: Request[Any, Any, Any], audience: Audience, *, needs_org: bool) -> AsyncIterator[Ctx]:
    """Open the transaction of a request and let its caller in, or refuse."""
    asked = _asked(request)
    async with runtime.unknown() as ctx:
        ((found, digest),) = await _ENTER.records(ctx.db, hash=asked[0], org=asked[1])
        _known.pop(asked, None)
        ctx.actor = actor_of(found, audience, needs_org=needs_org, method=request.method)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[asked] = _Known(found, digest)
        yield ctx


def known(
    runtime: Runtime, request: Request[Any, Any, Any], audience: Audience, *, needs_org: bool, once: bool = False
) -> AbstractAsyncContextManager[Ctx] | None:
    """Open the transaction of a request whose caller this process knows, a trip shorter; None for everybody else.

    The database asks for the token once more, in the trip of the first statement. To whom it gives anything else by now row-level
    security shows nothing, so this is for what then ends as a problem: answer that by `entered`. `once`: a transaction of one statement.
    """
    asked = _asked(request)
    before = _known.get(asked)
    if before is None:
        return None
    try:
        actor = actor_of(before.found, audience, needs_org=needs_org, method=request.method)
    except errors.Problem:  # of what may have changed: to refuse somebody is for `entered`
        return None
    return runtime.request(actor, Opening(_AGAIN, (*asked, before.digest)), once=once)


def forget(request: Request[Any, Any, Any]) -> None:
    """Have the caller of a request let in by `entered` the next time."""
    _known.pop(_asked(request), None)


def actor_of(found: dict[str, Any] | None, audience: Audience, *, needs_org: bool, method: str) -> Actor:
    """Decide from what the token gave who acts, or raise 401 or 403."""
    if found is None:
        raise errors.Unauthenticated("the token is not valid")
    if found.get("expired"):
        raise errors.Unauthenticated("token is expired")
    org_ids = tuple(found["org_ids"])
    runner_id = found["subject"] if found["account_type"] == "service" and found["subject"].startswith("run") else ""
    if audience == "runner" and len(org_ids) != 1:
        raise errors.Forbidden("the runner API is for accounts of exactly one org")
    if audience == "public" and runner_id:
        raise errors.Forbidden("a runner's token works on the runner API only")
    if audience == "public" and found["scope"]:
        raise errors.Forbidden("this token serves one purpose only and does not open the public API")
    actor = Actor(
        account_id=found["account_id"],
        org_id=found["org_id"],
        org_ids=org_ids,
        permissions=found["permissions"],
        kind=found["account_type"],
        email=found["email"],
        runner_id=runner_id,
        scope=found["scope"],
        token_id=found["token_id"],
    )
    if not needs_org:
        return actor
    if not actor.org_id:
        if found.get("foreign_org"):
            raise errors.Forbidden("the org does not exist, or this token has no access to it")
        raise errors.Forbidden("org ID was empty: send the header X-Nuon-Org-ID, this token can see several orgs or none")
    allowed = actor.permissions.get(actor.org_id, actor.permissions.get("*", ""))
    if allowed not in ("all", PERMISSION.get(method, "all")):
        raise errors.Forbidden(f"this token may not {PERMISSION.get(method, method)} in this org")
    return actor
