"""What is wrong with a database of somebody else is said before a process starts on it (most of it in tests/e2e/test_external.py)."""

import pytest

from exclave.server import database as external
from exclave.server.database import DatabaseUnfit
from tests.cluster import Cluster


@pytest.mark.parametrize("roles", [True, False])
async def test_a_postgresql_that_is_too_old_is_refused(database: Cluster, monkeypatch: pytest.MonkeyPatch, roles: bool) -> None:
    await external.check(database.owner_url, roles=roles)
    monkeypatch.setattr(external, "_OLDEST", 1_000)  # of which every real one is older
    with pytest.raises(DatabaseUnfit, match=r"PostgreSQL \d+ is too old: 1000 or newer is needed"):
        await external.check(database.owner_url, roles=roles)
