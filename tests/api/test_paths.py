"""What a path names is there only in the caller's org, and only below what the path names before it: every operation, every place."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from exclave.kit.context import Runtime
from exclave.server import wiring
from tests import factories
from tests.api import garbage
from tests.api.test_garbage import TABLES, sealed
from tests.factories import OrgWithToken
from tests.factories_full_run import everything_around_a_run

DOCUMENT = wiring.document("public")
Ids = dict[str, str]


async def ids_of(runtime: Runtime, org: OrgWithToken, *, beside: Ids) -> Ids:
    """An id of each kind that the org has, another one than `beside` has."""
    await everything_around_a_run(runtime, org)
    found = {}
    async with runtime.sweep() as ctx:
        await sealed(ctx, org.id)
        for parameter, table in TABLES.items():
            newest = f"select id from {table} where org_id = :org and id <> :beside order by created_at desc, id limit 1"
            row = (await ctx.db.execute(text(newest), {"org": org.id, "beside": beside.get(parameter, "")})).first()
            if row is not None:
                found[parameter] = row[0]
    return found


async def state_of(runtime: Runtime, org: OrgWithToken) -> dict[str, str]:
    """A digest of all that the org has in the tables that paths name."""
    digest = "select coalesce(md5(string_agg(md5(cast(t as text)), '' order by id)), '') from {} t where org_id = :org"
    async with runtime.sweep() as ctx:
        tables = sorted(set(TABLES.values()))
        return {table: (await ctx.db.execute(text(digest.format(table)), {"org": org.id})).scalar_one() for table in tables}


def misplaced(own: Ids, other: Ids, *, parents: bool) -> Iterator[tuple[str, str, bytes | None]]:
    """Every operation with one id of `other` in a path of `own`: at each place, or at each but the last."""
    for method, path, operation in (each.values for each in garbage.operations(DOCUMENT)):
        assert isinstance(path, str)
        names = re.findall(r"\{(\w+)\}", path)
        for name in names[:-1] if parents else names:
            if name in other and all(each in own for each in names):
                url = path.format(**(own | {name: other[name]}))
                yield from ((str(method), url, body) for body in _bodies(operation))


def _bodies(operation: Any) -> list[bytes | None]:
    if "requestBody" not in operation:
        return [None]
    (content,) = operation["requestBody"]["content"].values()
    return [b"{}", json.dumps(garbage.filled(DOCUMENT, content["schema"], "a", 1, depth=0)).encode()]


async def assert_not_there(client: httpx.AsyncClient, method: str, url: str, body: bytes | None) -> None:
    answer = await client.request(method, url, content=body, headers={"Content-Type": "application/json"})
    # A body that says nothing is refused before anybody looks; a list of what is not there is empty where the original's is.
    refused = answer.status_code == 404 or (body is not None and answer.status_code == 400) or (method == "GET" and answer.text == "[]")
    assert refused, f"{method} {url} {body!r}: {answer.status_code} {answer.text[:200]}"


@pytest.fixture
def client_of(public_app: Litestar):  # type: ignore[no-untyped-def]
    transport = httpx.ASGITransport(app=public_app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return lambda token: httpx.AsyncClient(
        transport=transport, base_url="http://exclave.test", headers={"Authorization": f"Bearer {token}"}
    )


async def test_nothing_of_another_org_is_there_and_nothing_of_it_changes(runtime, org, client_of):
    other = await factories.org(runtime)
    own, theirs = await ids_of(runtime, org, beside={}), await ids_of(runtime, other, beside={})
    before = await state_of(runtime, other)
    requests = list(misplaced(own, theirs, parents=False))
    assert len(requests) > 200
    async with client_of(org.token) as client:
        for method, url, body in requests:
            await assert_not_there(client, method, url, body)
    assert await state_of(runtime, other) == before


async def test_nothing_is_there_below_another_parent(runtime, org, client_of):
    own = await ids_of(runtime, org, beside={})
    beside = await ids_of(runtime, org, beside=own)
    requests = list(misplaced(own, beside, parents=True))
    assert len(requests) > 50
    async with client_of(org.token) as client:
        for method, url, body in requests:
            await assert_not_there(client, method, url, body)
