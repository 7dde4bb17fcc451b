"""A transaction that the driver begins and commits, and the ORM that joins it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from exclave.domain.accounts.models import Account
from exclave.kit import errors
from exclave.kit.context import SYSTEM, Actor, Ctx, Runtime
from exclave.kit.ids import new_id
from exclave.kit.session import on_driver, sent_on_driver
from exclave.kit.transaction import Opening
from tests.conftest import make_runtime


@pytest.fixture(autouse=True)
async def cleared(runtime: Runtime) -> AsyncIterator[None]:
    """Wake-ups of no workflow must not stay: other tests wait until none is left."""
    yield
    async with runtime.sweep() as ctx:
        await on_driver(ctx.db, "delete from wakeup where not exists (select 1 from install_workflows w where w.id = workflow_id)", ())


_MARK = "insert into wakeup (workflow_id, due) values ($1, now())"


async def _marks(runtime: Runtime, mark: str) -> int:
    async with runtime.sweep() as ctx:
        return len(await on_driver(ctx.db, "select 1 from wakeup where workflow_id = $1", (mark,)))


async def _by_orm(ctx: Ctx, mark: str) -> None:
    await ctx.db.execute(text("insert into wakeup (workflow_id, due) values (:mark, now())"), {"mark": mark})


@pytest.mark.parametrize("first", ["driver", "orm"])
async def test_driver_and_orm_share_one_transaction(runtime: Runtime, first: str) -> None:
    mark = new_id("inw")

    async def write_and_fail() -> None:
        async with runtime.sweep() as ctx:
            if first == "orm":
                await _by_orm(ctx, mark)
            await on_driver(ctx.db, _MARK, (mark,))
            await _by_orm(ctx, mark)
            assert len(await on_driver(ctx.db, "select 1 from wakeup where workflow_id = $1", (mark,))) >= 2
            raise errors.Invalid("no")

    with pytest.raises(errors.Invalid):
        await write_and_fail()
    assert await _marks(runtime, mark) == 0
    async with runtime.sweep() as ctx:
        await on_driver(ctx.db, _MARK, (mark,))
        await _by_orm(ctx, mark)
        ctx.db.add(Account(email=f"{mark}@example.com", subject=mark, account_type="auth0"))
    assert await _marks(runtime, mark) == 2
    async with runtime.sweep() as ctx:
        assert (await ctx.db.execute(select(Account.id).where(Account.subject == mark))).scalar()


async def test_what_the_driver_does_in_a_savepoint_goes_with_it(runtime: Runtime) -> None:
    kept, dropped = new_id("inw"), new_id("inw")

    async def write_and_fail(ctx: Ctx) -> None:
        async with ctx.db.begin_nested():
            await on_driver(ctx.db, _MARK, (dropped,))
            raise errors.Invalid("no")

    async with runtime.sweep() as ctx:
        await on_driver(ctx.db, _MARK, (kept,))
        with pytest.raises(errors.Invalid):
            await write_and_fail(ctx)
    assert (await _marks(runtime, kept), await _marks(runtime, dropped)) == (1, 0)


@pytest.mark.parametrize("orm", [False, True])
async def test_a_connection_that_is_gone_fails_one_request_and_no_more(runtime: Runtime, orm: bool) -> None:
    async def lose() -> None:
        async with runtime.sweep() as ctx:
            if orm:
                await ctx.db.execute(text("select 1"))
            (found,) = await on_driver(ctx.db, "select pg_backend_pid()", ())
            async with runtime.sweep() as other:
                await on_driver(other.db, "select pg_terminate_backend($1, 1000)", (found[0],))
            await on_driver(ctx.db, "select 1", ())

    with pytest.raises(errors.Unavailable):
        await lose()
    for _ in range(10):
        async with runtime.sweep() as ctx:
            await on_driver(ctx.db, "select 1", ())


async def test_a_connection_that_went_unseen_is_given_up(runtime: Runtime) -> None:
    async with runtime.sweep() as ctx, runtime.sweep() as other:
        (idle,) = await on_driver(other.db, "select pg_backend_pid()", ())
        await on_driver(ctx.db, "select 1", ())
    async with runtime.sweep() as ctx:
        end = "select pg_terminate_backend(pid, 1000) from pg_stat_activity where pid = $1 and pid <> pg_backend_pid()"
        await on_driver(ctx.db, end, (idle[0],))
    failed = 0
    for _ in range(20):
        try:
            async with runtime.sweep() as ctx, runtime.sweep() as other:
                await on_driver(other.db, "select 1", ())
        except errors.Unavailable:
            failed += 1
    assert failed <= 1


async def test_a_database_that_takes_no_connection_is_unavailable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql+asyncpg://nobody@127.0.0.1:{taken.getsockname()[1]}/nowhere"  # nobody listens there
        runtime = make_runtime(SimpleNamespace(app_url=url, engine_url=url), tmp_path)  # type: ignore[arg-type]
        for opened in (runtime.sweep, runtime.unknown):
            with pytest.raises(errors.Unavailable):
                async with opened():
                    pass


async def _sent(runtime: Runtime, pid: int) -> str:
    async with runtime.sweep() as ctx:
        (found,) = await on_driver(ctx.db, "select state || ' ' || query as said from pg_stat_activity where pid = $1", (pid,))
    return str(found["said"])


async def test_a_transaction_begins_with_its_first_statement_whether_the_connection_knows_it_or_not(runtime: Runtime) -> None:
    unknown = f"select pg_backend_pid(), now() = statement_timestamp() as first, '{new_id('inw')}'"
    for _ in range(2):
        async with runtime.sweep() as ctx:
            (found,) = await on_driver(ctx.db, unknown, ())
            assert (await _sent(runtime, found[0])).startswith("idle in transaction")
            (again,) = await on_driver(ctx.db, unknown, ())
            assert again[0] == found[0]
            assert not again["first"]


@pytest.mark.parametrize("wrong", ["select no_such_thing", "select 1 / 0"])
async def test_a_first_statement_that_fails_leaves_a_connection_that_others_can_use(runtime: Runtime, wrong: str) -> None:
    async def fail() -> None:
        async with runtime.sweep() as ctx:
            await on_driver(ctx.db, wrong, ())

    mark = new_id("inw")
    for _ in range(3):
        with pytest.raises(DBAPIError):
            await fail()
        async with runtime.sweep():
            pass  # begins nothing, or ends what it began
    async with runtime.sweep() as ctx:
        await on_driver(ctx.db, _MARK, (mark,))
    assert await _marks(runtime, mark) == 1


async def test_a_first_statement_that_is_given_up_leaves_nothing_begun(runtime: Runtime) -> None:
    mark = new_id("inw")

    async def slow() -> None:
        async with runtime.sweep() as ctx:
            await on_driver(ctx.db, "insert into wakeup (workflow_id, due) select $1, now() from pg_sleep(5)", (mark,))

    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 0.05)
    assert await _marks(runtime, mark) == 0
    async with runtime.sweep() as ctx:
        open_ = "select count(*) as n from pg_stat_activity where state like 'idle in transaction%' and query like '%pg_sleep(5)%'"
        (found,) = await on_driver(ctx.db, open_, ())
    assert found["n"] == 0


async def test_once_the_database_was_away_one_request_fails_and_no_more(runtime: Runtime) -> None:
    async with runtime.sweep() as admin:
        async with runtime.sweep() as one, runtime.sweep() as two, runtime.sweep() as three:
            pids = [(await on_driver(ctx.db, "select pg_backend_pid() as pid", ()))[0]["pid"] for ctx in (one, two, three)]
        await on_driver(admin.db, "select pg_terminate_backend(pid, 1000) from unnest($1::int[]) pid", (pids,))
    failed = 0
    for _ in range(10):
        try:
            async with runtime.sweep() as one, runtime.sweep() as two, runtime.sweep() as three:
                for ctx in (one, two, three):
                    await on_driver(ctx.db, "select 1", ())
        except errors.Unavailable:
            failed += 1
    assert failed <= 1


async def test_a_commit_waits_for_the_disk_unless_its_transaction_says_otherwise(runtime: Runtime) -> None:
    async def waits(ctx: Ctx) -> str:
        return str((await on_driver(ctx.db, "select current_setting('synchronous_commit')", ()))[0][0])

    found = []
    for durable in (True, False, True):  # the same connection each time
        async with runtime.sweep(durable=durable) as ctx:
            found.append(await waits(ctx))
    assert found == ["on", "off", "on"]


async def test_what_was_added_is_written_where_the_orm_took_no_part(runtime: Runtime) -> None:
    account = Account(email="quiet@example.com", subject=new_id("auth"), account_type="auth0")
    async with runtime.sweep() as ctx:
        ctx.db.add(account)
    async with runtime.sweep() as ctx:
        found = (await ctx.db.execute(select(Account).where(Account.id == account.id))).scalar_one()
        found.email = "renamed@example.com"
    async with runtime.sweep() as ctx:
        found = await ctx.db.get(Account, account.id)
        assert found is not None
        assert found.email == "renamed@example.com"


async def test_a_savepoint_takes_back_what_was_added_and_changed_in_it(runtime: Runtime) -> None:
    kept, undone = (Account(email=f"{name}@example.com", subject=new_id("auth"), account_type="auth0") for name in ("kept", "undone"))
    async with runtime.sweep() as ctx:
        ctx.db.add(kept)
        await ctx.db.flush()
        savepoint = await ctx.db.begin_nested()
        ctx.db.add(undone)
        await ctx.db.flush()
        await savepoint.rollback()
        assert undone not in ctx.db
        assert kept in ctx.db
    async with runtime.sweep() as ctx:
        assert await ctx.db.get(Account, kept.id) is not None
        assert await ctx.db.get(Account, undone.id) is None


async def test_a_connection_that_is_too_old_is_replaced(runtime: Runtime) -> None:
    async def backend(ctx: Ctx) -> int:
        return int((await on_driver(ctx.db, "select pg_backend_pid()", ()))[0][0])

    async with runtime.sweep() as ctx:
        first = await backend(ctx)
        pool = ctx.db.sync_session.bind.pool
    async with runtime.sweep() as ctx:
        assert await backend(ctx) == first
    patience, pool._recycle = pool._recycle, 0
    try:
        async with runtime.sweep() as ctx:
            assert await backend(ctx) != first
    finally:
        pool._recycle = patience
    async with runtime.sweep() as ctx:
        await backend(ctx)
    assert pool.checkedout() == 0


# A transaction of one statement.


async def test_a_transaction_of_one_statement_commits_by_itself(runtime: Runtime) -> None:
    mark = new_id("inw")

    async def write_and_fail() -> None:
        async with runtime.request(SYSTEM, once=True) as ctx:
            await on_driver(ctx.db, _MARK, (mark,))
            raise errors.Invalid("too late")

    with pytest.raises(errors.Invalid):
        await write_and_fail()
    assert await _marks(runtime, mark) == 1


async def test_one_statement_is_all_that_it_has(runtime: Runtime) -> None:
    async def twice(ctx: Ctx) -> None:
        await on_driver(ctx.db, "select 1", ())
        await on_driver(ctx.db, "select 1", ())

    async def by_orm(ctx: Ctx) -> None:
        await ctx.db.execute(text("select 1"))

    async def added(ctx: Ctx) -> None:
        await on_driver(ctx.db, "select 1", ())
        ctx.db.add(Account(email="x@example.com", subject=new_id("auth"), account_type="auth0"))

    async def without_waiting(ctx: Ctx) -> None:
        await sent_on_driver(ctx.db, "delete from wakeup where workflow_id = $1", ("nobody",))

    async def run(wrong: Callable[[Ctx], Awaitable[None]]) -> None:
        async with runtime.request(SYSTEM, once=True) as ctx:
            await wrong(ctx)

    for wrong in (twice, by_orm, added, without_waiting):
        with pytest.raises(RuntimeError, match="one statement"):
            await run(wrong)
        async with runtime.request(SYSTEM) as ctx:
            assert [tuple(row) for row in await on_driver(ctx.db, "select 1", ())] == [(1,)]


@pytest.mark.parametrize("once", [False, True])
async def test_the_opening_is_in_the_transaction_whether_the_connection_knows_the_statement_or_not(runtime: Runtime, once: bool) -> None:
    """And its settings end with it: nobody gets a connection that says who asked before."""
    actor = Actor(account_id="", org_id=new_id("org"), org_ids=("org one", 'org "two"'))
    asked = f"select current_setting('exclave.org_id', true), current_setting('exclave.org_ids', true), '{new_id('inw')}'"
    for _ in range(3):
        async with runtime.request(actor, once=once) as ctx:
            (found,) = await on_driver(ctx.db, asked, ())
            assert tuple(found)[:2] == (actor.org_id, 'org one,org "two"')
        async with runtime.unknown() as ctx:
            (found,) = await on_driver(ctx.db, asked, ())
            assert tuple(found)[:2] in (("", ""), (None, None))


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("statement", ["select 1 from no_such_table where $1 = $2", "select $1::text, 1 / length($2)"])
async def test_an_opening_that_fails_is_told_and_leaves_a_connection_that_others_can_use(
    runtime: Runtime, once: bool, statement: str
) -> None:
    async def run(asking: bool) -> None:
        async with runtime.request(SYSTEM, Opening(statement, ("", "")), once=once) as ctx:
            if asking:
                await on_driver(ctx.db, "select 1", ())
            raise errors.Invalid("not asked")  # whose rollback must not wait for an answer that does not come

    mark = new_id("inw")
    for asking in (True, False):
        with pytest.raises((DBAPIError, errors.Invalid)):
            await asyncio.wait_for(run(asking), 10)
    async with runtime.sweep() as ctx:
        await on_driver(ctx.db, _MARK, (mark,))
    assert await _marks(runtime, mark) == 1


async def test_one_statement_that_is_given_up_is_not_left_to_the_next(runtime: Runtime) -> None:
    async def slow() -> None:
        async with runtime.request(SYSTEM, once=True) as ctx:
            await on_driver(ctx.db, "select pg_sleep(5)", ())

    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 0.05)
        async with runtime.request(SYSTEM, once=True) as ctx:
            assert [tuple(row) for row in await on_driver(ctx.db, "select 1", ())] == [(1,)]


# What is sent and not waited for.

_SENT = "insert into wakeup (workflow_id, waited_for, due) values ($1, coalesce($2, ''), coalesce($3::timestamptz, now()))"


async def test_what_is_sent_is_there_for_the_next_statement_and_goes_with_the_transaction(runtime: Runtime) -> None:
    kept, dropped = new_id("inw"), new_id("inw")
    async with runtime.sweep() as ctx:
        await sent_on_driver(ctx.db, _SENT, (kept, None, None))
        seen = await on_driver(ctx.db, "select 1 from wakeup where workflow_id = $1", (kept,))
        await sent_on_driver(ctx.db, _SENT, (kept, None, None))  # the last of a transaction
    assert len(seen) == 1

    async def fail() -> None:
        async with runtime.sweep() as ctx:
            await sent_on_driver(ctx.db, _SENT, (dropped, None, None))
            raise errors.Invalid("no")

    with pytest.raises(errors.Invalid):
        await fail()
    assert (await _marks(runtime, kept), await _marks(runtime, dropped)) == (2, 0)


async def test_what_is_sent_comes_as_it_was(runtime: Runtime) -> None:
    mark, due = new_id("inw"), datetime(2031, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    odd = 'a "b" \\ {c}, null'
    several = """insert into wakeup (workflow_id, waited_for, due)
        select $1, coalesce(one, 'none'), $2::timestamptz + $3::interval from unnest($4::text[]) one"""
    async with runtime.sweep() as ctx:
        await sent_on_driver(ctx.db, _SENT, (mark, odd, due))
        await sent_on_driver(ctx.db, several, (mark, due, timedelta(days=1, seconds=0.5), ["", odd, None, "NULL", "é"]))
    async with runtime.sweep() as ctx:
        rows = await on_driver(ctx.db, "select waited_for, due from wakeup where workflow_id = $1 order by id", (mark,))
    later = due + timedelta(days=1, seconds=0.5)
    assert [tuple(row) for row in rows] == [(odd, due), *((one, later) for one in ("", odd, "none", "NULL", "é"))]
    with pytest.raises(TypeError, match="a dict cannot be sent"):
        async with runtime.sweep() as ctx:
            await sent_on_driver(ctx.db, _SENT, (mark, {}, None))


@pytest.mark.parametrize("then", ["nothing", "a statement", "its own failure", "a row"])
async def test_what_is_sent_and_fails_is_told_and_nothing_stays(runtime: Runtime, then: str) -> None:
    mark = new_id("inw")

    async def run() -> None:
        async with runtime.sweep() as ctx:
            await on_driver(ctx.db, _MARK, (mark,))
            await sent_on_driver(
                ctx.db, "insert into wakeup (workflow_id, due) select $1, now() + (1 / length($2)) * interval '1 s'", (mark, "")
            )
            if then == "a statement":
                await on_driver(ctx.db, "select 1", ())
            if then == "a row":
                ctx.db.add(Account(email="y@example.com", subject=mark, account_type="auth0"))
            if then == "its own failure":
                raise errors.Invalid("its own")

    with pytest.raises(errors.Invalid if then == "its own failure" else DBAPIError):
        await asyncio.wait_for(run(), 10)
    assert await _marks(runtime, mark) == 0
    for _ in range(3):
        async with runtime.sweep() as ctx:
            assert [tuple(row) for row in await on_driver(ctx.db, "select 1", ())] == [(1,)]


@pytest.mark.parametrize("orm", [False, True])
async def test_a_process_that_is_frozen_after_it_sent_something_holds_no_lock_for_ever(runtime: Runtime, orm: bool) -> None:
    """PostgreSQL ends a session that is idle in a transaction, and no other one that waits for its client."""
    async with runtime.sweep() as ctx:
        if orm:
            await ctx.db.execute(text("select 1"))
        (found,) = await on_driver(ctx.db, "select pg_backend_pid()", ())
        for _ in range(2):
            await sent_on_driver(ctx.db, _SENT, (new_id("inw"), None, None))
            await asyncio.sleep(0.05)  # in which the database has done what it was told
            assert (await _sent(runtime, found[0])).startswith("idle in transaction")


async def test_a_transaction_that_stands_still_is_ended_and_told_as_unavailable(runtime: Runtime) -> None:
    mark = new_id("inw")

    async def stand_still(opened: AbstractAsyncContextManager[Ctx]) -> None:
        async with opened as ctx:
            (found,) = await on_driver(ctx.db, "select current_setting('idle_in_transaction_session_timeout')", ())
            assert found[0] in ("10s", "30s")
            await on_driver(ctx.db, "select set_config('idle_in_transaction_session_timeout', '100', true)", ())
            await on_driver(ctx.db, _MARK, (mark,))
            await asyncio.sleep(0.5)

    for opened in (runtime.request(SYSTEM), runtime.unknown(), runtime.sweep()):
        with pytest.raises(errors.Unavailable):
            await stand_still(opened)
    assert await _marks(runtime, mark) == 0


async def test_a_request_waits_for_a_row_for_a_time_only_and_gives_its_connection_back(runtime: Runtime) -> None:
    async def wait_for_it() -> None:
        async with runtime.request(SYSTEM) as ctx:
            (found,) = await on_driver(ctx.db, "select current_setting('lock_timeout')", ())
            assert found[0] == "10s", "less than a lease: its renewal may wait for the connection"
            await on_driver(ctx.db, "select set_config('lock_timeout', '50', true)", ())
            await on_driver(ctx.db, "select pg_advisory_xact_lock(7)", ())

    async with runtime.request(SYSTEM) as holder:
        await on_driver(holder.db, "select pg_advisory_xact_lock(7)", ())
        with pytest.raises(errors.Unavailable):
            await wait_for_it()
