"""Branches and versions on a real database."""

import asyncio
import json

import pytest
from sqlalchemy import select, text

from exclave.domain.states import service as states
from exclave.domain.states.models import InstallState, InstallStateBranch
from exclave.kit import ids
from tests import factories, statements


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


@pytest.fixture
async def in_turns(runtime, org, install_id):
    """Return what comes of a second writer that begins while a first one, that has the turn, is not committed yet."""

    async def run(first, second):
        begun = asyncio.Event()

        async def behind():
            async with runtime.request(org.actor) as ctx:
                await ctx.db.execute(text("select 1"))
                begun.set()
                return await second(ctx)

        async with runtime.request(org.actor) as ctx:
            await first(ctx)
            other = asyncio.create_task(behind())
            await begun.wait()
            done, _ = await asyncio.wait([other], timeout=0.3)
            assert not done, "two write the document of one install at once"
        return await asyncio.wait_for(other, 5)

    return run


@pytest.mark.parametrize("known", [True, False], ids=["branches that are there", "new branches"])
async def test_a_version_waits_for_whoever_writes_and_holds_what_was_written(runtime, org, install_id, in_turns, known):
    if known:
        async with runtime.request(org.actor) as ctx:
            await states.put_many(ctx, install_id, {name: ({"outputs": {}}, ()) for name in ("actions/one", "actions/two")})

    async def one(ctx):
        await states.generate(ctx, install_id, {"actions/one": ({"outputs": {"n": 1}}, ())}, by_id="x", by_type="t")

    async def two(ctx):
        state = await states.generate(ctx, install_id, {"actions/two": ({"outputs": {"n": 2}}, ())}, by_id="x", by_type="t")
        return state.version, (await states.shown_version(ctx, state))["actions"]["workflows"]

    version, actions = await in_turns(one, two)
    assert version == 2
    assert {name: bytes(action["outputs"]["n"]) for name, action in actions.items()} == {"one": b"1", "two": b"2"}


@pytest.mark.parametrize("written", ["put", "dropped"])
async def test_a_version_without_branches_of_its_own_waits_too(runtime, org, install_id, in_turns, written):
    async with runtime.request(org.actor) as ctx:
        await states.put(ctx, install_id, "components/web", {"outputs": {"n": 1}})

    async def write(ctx):
        if written == "put":
            await states.put(ctx, install_id, "components/web", {"outputs": {"n": 2}})
        else:
            await states.drop(ctx, install_id, "components/web")

    async def keep(ctx):
        return await states.shown_version(ctx, await states.generate(ctx, install_id, by_id="x", by_type="t"))

    components = (await in_turns(write, keep))["components"]
    assert {name: bytes(one["outputs"]["n"]) for name, one in components.items()} == ({"web": b"2"} if written == "put" else {})


async def test_writers_in_any_order_of_branches_never_wait_for_each_other_in_a_circle(runtime, org, install_id):
    names = [f"components/c{number}" for number in range(6)]

    async def write(number: int) -> None:
        order = names[number % 6 :] + names[: number % 6]
        async with runtime.request(org.actor) as ctx:
            for name in order if number % 2 else reversed(order):
                if number % 5 == 4:
                    await states.drop(ctx, install_id, name)
                elif number % 3:
                    await states.put(ctx, install_id, name, {"outputs": {"n": number}})
                else:
                    await states.generate(ctx, install_id, {name: ({"outputs": {"n": number}}, ())}, by_id="x", by_type="t")

    await asyncio.gather(*(write(number) for number in range(12)))
    async with runtime.request(org.actor) as ctx:
        versions = (await ctx.db.execute(select(InstallState.version).where(InstallState.install_id == install_id))).scalars().all()
        document = await states.document(ctx, install_id)
    assert sorted(versions) == list(range(1, 19))
    # Each writes all of them in its turn, so that all are of the last.
    assert len({json.dumps(document["components"].get(name, {}).get("outputs")) for name in names}) == 1


async def test_a_version_with_its_branch_costs_two_statements_and_a_flush(runtime, org, install_id):
    async with runtime.request(org.actor) as ctx:
        await states.put_many(ctx, install_id, {"sandbox": ({"outputs": {}}, ()), "actions/one": ({"outputs": {}}, ())})
    async with runtime.request(org.actor) as ctx:
        with statements.sent() as sent:
            await states.generate(ctx, install_id, {"sandbox": ({"outputs": {"a": 1}}, ())}, by_id="x", by_type="t")
            await ctx.db.flush()
    assert len(sent) == 3


async def test_what_one_writes_in_a_version_is_sealed_to_its_org_and_the_version_of_another_org_holds_none_of_it(runtime, org, install_id):
    other = await factories.org(runtime)
    async with runtime.request(org.actor) as ctx:
        await states.generate(ctx, install_id, {"sandbox": ({"outputs": {"a": 1}}, ())}, by_id="x", by_type="t")
    async with runtime.request(other.actor) as ctx:
        state = await states.generate(ctx, ids.new_id("inl"), by_id="x", by_type="t")
        assert (await states.shown_version(ctx, state))["sandbox"]["populated"] is False
        assert state.org_id == other.id
