"""The first account of a machine, and its token."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

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
