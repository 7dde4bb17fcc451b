"""What an org stores sealed: `seal` and `unseal` columns of type `Encrypted`, under the org's own data key.

A sealed value is bound to org, table, column and row: moved elsewhere, it does not open.
"""

from sqlalchemy import select

from exclave.domain.orgs.models import OrgKey
from exclave.kit import crypto
from exclave.kit.context import Ctx
from exclave.kit.db import Tenant

# (master key, org) -> data key: an org keeps its key for life. A few dozen bytes each; emptied before it is large.
_opened: dict[tuple[bytes, str], bytes] = {}
_MOST_OPENED = 10_000


async def make(ctx: Ctx, org_id: str) -> None:
    """Give a new org its data key."""
    wrapped = ctx.runtime.master.wrap(crypto.new_key(), _key_place(org_id))
    ctx.db.add(OrgKey(org_id=org_id, wrapped=wrapped))


async def seal(ctx: Ctx, row: Tenant, column: str, data: bytes) -> bytes:
    """Return the sealed form of data for one column of one row; assign it to that column."""
    return crypto.seal(await _data_key(ctx, row.org_id), data, _place(row.org_id, row.__tablename__, column, row.id))


async def unseal(ctx: Ctx, row: Tenant, column: str) -> bytes:
    """Open the sealed column of a row. Raises `crypto.Tampered` when it was not sealed for this place."""
    return await unseal_value(ctx, row.org_id, row.__tablename__, column, row.id, getattr(row, column))


async def unseal_value(ctx: Ctx, org_id: str, table: str, column: str, row_id: str, sealed: bytes) -> bytes:
    """Open a sealed value that was read without its row object."""
    return crypto.unseal(await _data_key(ctx, org_id), sealed, _place(org_id, table, column, row_id))


def is_open(ctx: Ctx, org_id: str) -> bool:
    """Does this process know the key of an org: is nothing read to unseal?"""
    return (ctx.runtime.master.key, org_id) in _opened


async def _data_key(ctx: Ctx, org_id: str) -> bytes:
    known = (ctx.runtime.master.key, org_id)
    if known not in _opened:
        wrapped = (await ctx.db.execute(select(OrgKey.wrapped).where(OrgKey.org_id == org_id))).scalar_one()
        key = ctx.runtime.master.unwrap(wrapped, _key_place(org_id))
        if len(_opened) >= _MOST_OPENED:
            _opened.clear()
        _opened[known] = key
    return _opened[known]


def _place(org_id: str, table: str, column: str, row_id: str) -> str:
    return f"{org_id}/{table}/{column}/{row_id}"


def _key_place(org_id: str) -> str:
    return f"{org_id}/org_keys/wrapped"
