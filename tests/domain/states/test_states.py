"""Branches and versions on a real database."""

import asyncio

import pytest
from sqlalchemy import select, text

from exclave.domain.states import service as states
from exclave.domain.states.models import InstallState, InstallStateBranch
from exclave.kit import ids


@pytest.fixture
def install_id() -> str:
    return ids.new_id("inl")


async def test_what_is_written_is_read(ctx, install_id):
    await states.put(ctx, install_id, "sandbox", {"status": "active", "outputs": {"url": "http://x", "n": 3}})
    await states.put(ctx, install_id, "sandbox", {"status": "active", "outputs": {"url": "http://y", "n": None}})
    document = await states.document(ctx, install_id)
    assert document["sandbox"]["outputs"] == {"url": "http://y", "n": None}


async def test_a_dropped_branch_looks_as_never_written(ctx, install_id):
    await states.put(ctx, install_id, "components/web", {"status": "active", "outputs": {"a": 1}})
    await states.drop(ctx, install_id, "components/web")
    assert (await states.document(ctx, install_id))["components"] == {}
    await states.put(ctx, install_id, "components/web", {"status": "active", "outputs": {"a": 2}})
    assert (await states.document(ctx, install_id))["components"]["web"]["outputs"] == {"a": 2}


async def test_nothing_readable_is_stored(runtime, org, install_id):
    async with runtime.request(org.actor) as ctx:
        await states.put(ctx, install_id, "sandbox", {"outputs": {"token": "canary-stored"}}, sensitive=["token"])
        await states.generate(ctx, install_id, by_id=install_id, by_type="installs")
    async with runtime.request(org.actor) as ctx:
        for table in (InstallStateBranch, InstallState):
            found = (await ctx.db.execute(select(table.contents).where(table.install_id == install_id))).scalars().all()
            assert found
            assert all(b"canary" not in each for each in found)
        assert (await states.document(ctx, install_id))["sandbox"]["outputs"]["token"] == "canary-stored"
        assert (await states.shown_plain(ctx, install_id))["sandbox"]["outputs"]["token"] == "********"


async def test_slices_that_write_at_once_do_not_lose_one_another(runtime, org, install_id):
    async def write(number: int) -> None:
        async with runtime.request(org.actor) as ctx:
            await states.put(ctx, install_id, f"components/c{number % 4}", {"outputs": {"n": number}})
            await states.put(ctx, install_id, f"actions/a{number}", {"outputs": {"n": number}})
            await states.generate(ctx, install_id, by_id=install_id, by_type="installs")

    await asyncio.gather(*(write(number) for number in range(12)))
    async with runtime.request(org.actor) as ctx:
        document = await states.document(ctx, install_id)
        assert {name: value["outputs"]["n"] for name, value in document["actions"]["workflows"].items()} == {
            f"a{number}": number for number in range(12)
        }
        assert set(document["components"]) == {"c0", "c1", "c2", "c3"}
        versions = (await ctx.db.execute(select(InstallState.version).where(InstallState.install_id == install_id))).scalars().all()
        assert sorted(versions) == list(range(1, 13))


async def test_a_later_version_holds_everything_that_was_committed_before(runtime, org, install_id):
    async with runtime.request(org.actor) as ctx:
        await states.put(ctx, install_id, "actions/first", {"outputs": {"a": 1}})
        await states.generate(ctx, install_id, by_id="x", by_type="t")
    async with runtime.request(org.actor) as ctx:
        await states.put(ctx, install_id, "actions/second", {"outputs": {"b": 2}})
        state = await states.generate(ctx, install_id, by_id="x", by_type="t")
        document = await states.shown_version(ctx, state)
    assert state.version == 2
    assert set(document["actions"]["workflows"]) == {"first", "second"}


async def test_the_newest_fifty_versions_keep_their_contents(runtime, org, install_id):
    async with runtime.request(org.actor) as ctx:
        await states.put(ctx, install_id, "sandbox", {"outputs": {}})
        for _ in range(53):
            await states.generate(ctx, install_id, by_id="x", by_type="t")
    async with runtime.request(org.actor) as ctx:
        statement = select(InstallState.version, InstallState.archived, InstallState.contents.is_(None))
        rows = (await ctx.db.execute(statement.where(InstallState.install_id == install_id).order_by(InstallState.version))).all()
    assert [tuple(row) for row in rows[:4]] == [(1, True, True), (2, True, True), (3, True, True), (4, False, False)]
    assert len(rows) == 53


async def test_another_org_reads_and_writes_nothing(runtime, org, install_id):
    from tests import factories

    other = await factories.org(runtime)
    async with runtime.request(org.actor) as ctx:
        await states.put(ctx, install_id, "sandbox", {"outputs": {"a": 1}})
    async with runtime.request(other.actor) as ctx:
        assert (await states.document(ctx, install_id))["sandbox"]["populated"] is False
        await states.drop(ctx, install_id, "sandbox")
    async with runtime.request(org.actor) as ctx:
        assert (await states.document(ctx, install_id))["sandbox"]["populated"] is True


async def test_the_document_costs_at_most_two_statements(runtime, org, install_id):
    async with runtime.request(org.actor) as ctx:
        branches = {f"components/c{n}": ({"outputs": {"n": n}}, ()) for n in range(30)}
        await states.put_many(ctx, install_id, branches)
    async with runtime.request(org.actor) as ctx:
        before = await _statements(ctx)
        assert len((await states.document(ctx, install_id))["components"]) == 30
        assert await _statements(ctx) - before <= 2


async def _statements(ctx) -> int:
    """Count the statements of this connection from outside of the code under test."""
    counter = ctx.db.info.setdefault("count", [0])
    if "listening" not in ctx.db.info:
        from sqlalchemy import event

        connection = (await ctx.db.connection()).sync_connection
        event.listen(connection, "before_cursor_execute", lambda *_: counter.__setitem__(0, counter[0] + 1))
        ctx.db.info["listening"] = True
    return counter[0]


async def test_a_branch_that_nobody_knows_is_refused(ctx, install_id):
    with pytest.raises(ValueError, match="sandboxes"):
        await states.put(ctx, install_id, "sandboxes", {})
    assert (await ctx.db.execute(text("select 1"))).scalar_one() == 1
