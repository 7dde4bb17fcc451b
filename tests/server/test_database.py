"""A database of somebody else: its URL, and what is wrong with it, said before a process starts (more in tests/e2e/test_external.py)."""

import pytest

from exclave.server import database as external
from exclave.server.database import DatabaseUnfit, as_async, plain
from tests.cluster import Cluster


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p%40ss%2Fw%3F@db.example:5432/name?sslmode=verify-full",
        "postgresql://user@[::1]:5432/name",
        "postgresql:///name?host=%2Frun%2Fpostgresql",
    ],
)
def test_a_url_keeps_its_meaning_for_every_driver(url: str) -> None:
    assert plain(as_async(url, "EXCLAVE_DATABASE_URL")).replace("%3F", "?") == url.replace("%3F", "?")


def test_of_a_password_that_is_not_escaped_nothing_is_said() -> None:
    with pytest.raises(DatabaseUnfit, match="EXCLAVE_DATABASE_URL has more than one @") as caught:
        as_async("postgresql://user:p@ssw0rd@db.example/name", "EXCLAVE_DATABASE_URL")
    assert "ssw0rd" not in str(caught.value)


@pytest.mark.parametrize("roles", [True, False])
async def test_a_postgresql_that_is_too_old_is_refused(database: Cluster, monkeypatch: pytest.MonkeyPatch, roles: bool) -> None:
    await external.check(database.owner_url, roles=roles)
    monkeypatch.setattr(external, "_OLDEST", 1_000)  # of which every real one is older
    with pytest.raises(DatabaseUnfit, match=r"PostgreSQL \d+ is too old: 1000 or newer is needed"):
        await external.check(database.owner_url, roles=roles)
