"""The first account of a machine, and its token."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from exclave.domain.accounts import tokens
from exclave.kit.context import Runtime
from exclave.server.first import first_access


@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        lambda file: file.write_text(""),
        lambda file: file.write_text('{"account_id": "acc'),
        lambda file: file.write_text('{"token": "of another shape"}'),
    ],
    ids=["gone", "never written", "half written", "something else"],
)
async def test_a_start_without_its_access_file_gives_the_same_account_a_new_token(
    runtime: Runtime, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    first = await first_access(runtime, tmp_path)
    assert await first_access(runtime, tmp_path) == first
    harm(tmp_path / "access.json")
    newer = await first_access(runtime, tmp_path)
    assert (newer.account_id, newer.org_id, newer.org_name) == (first.account_id, first.org_id, first.org_name)
    assert newer.token != first.token
    assert await first_access(runtime, tmp_path) == newer
    assert stat.S_IMODE((tmp_path / "access.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "harm",
    [
        "update tokens set expires_at = now() where account_id = :account",
        "delete from tokens where account_id = :account",
        "update account_roles set deleted_at = 1 where account_id = :account",
    ],
    ids=["past its time", "of another database", "of an org that was deleted"],
)
async def test_a_start_gives_no_token_that_opens_nothing(runtime: Runtime, tmp_path: Path, harm: str) -> None:
    first = await first_access(runtime, tmp_path)
    async with runtime.sweep() as ctx:
        await ctx.db.execute(text("update orgs set name = id where id = :org"), {"org": first.org_id})  # nobody else's "main"
        await ctx.db.execute(text(harm), {"account": first.account_id})
    newer = await first_access(runtime, tmp_path)
    async with runtime.sweep() as ctx:
        actor = await tokens.authenticate(ctx.db, newer.token)
    assert actor is not None
    assert (actor.account_id, actor.org_ids) == (first.account_id, (newer.org_id,))
    assert await first_access(runtime, tmp_path) == newer
