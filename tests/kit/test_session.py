"""A flush is one statement, and does what the ORM's would."""

import asyncpg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from exclave.domain.accounts.models import Account
from exclave.domain.apps.models import App
from exclave.domain.audit.models import AuditRow
from exclave.domain.orgs.models import OrgKey
from exclave.engine.models import Wakeup
from exclave.kit import errors, time
from exclave.kit.context import Ctx, Runtime
from exclave.kit.db import Encrypted, Row
from exclave.kit.ids import new_id
from exclave.kit.prepared import Prepared
from exclave.kit.session import decoded, on_driver
from tests import factories, statements
from tests.cluster import Cluster


def app(ctx: Ctx, name: str, **values: object) -> App:
    return App(org_id=ctx.org_id, created_by_id=ctx.actor.account_id, name=name, **values)


async def save(runtime: Runtime, org: factories.OrgWithToken, row: Row) -> None:
    async with runtime.request(org.actor) as ctx:
        ctx.db.add(row)


async def stored(runtime: Runtime, row: Row) -> dict[str, object]:
    """A row as another transaction reads it, column by column."""
    async with runtime.sweep() as ctx:
        return dict((await ctx.db.execute(select(*type(row).__table__.c).where(type(row).__table__.c.id == row.id))).mappings().one())


async def test_whatever_was_added_and_changed_goes_over_in_one_statement(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        known = app(ctx, "known")
        ctx.db.add(known)
    async with runtime.request(org.actor) as ctx:
        again = await ctx.db.get(App, known.id)
        assert again is not None
        again.description = "changed"
        added = [app(ctx, "one"), app(ctx, "two", description="of two")]
        ctx.db.add_all(added)
        ctx.db.add(AuditRow(org_id=ctx.org_id, action="create", object_type="apps", object_id=added[0].id, details={"a": None, "b": [1]}))
        with statements.sent() as sent:
            await ctx.db.flush()
        assert len(sent) == 1, [each.text for each in sent]
        assert not ctx.db.new
        assert not ctx.db.dirty
    assert (await stored(runtime, known))["description"] == "changed"
    assert [(await stored(runtime, row))["name"] for row in added] == ["one", "two"]


WAKE: Prepared[object] = Prepared(
    text(
        "with k as (insert into wakeup (workflow_id) values (:workflow) returning workflow_id) "
        "select (select workflow_id from k) as woken, (select count(*) from apps where name = :name) as seen"
    )
)


async def test_a_flush_goes_over_with_the_statement_that_ends_an_advance(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.sweep(org.actor) as ctx:
        ctx.db.add_all([app(ctx, "beside"), app(ctx, "beside too")])
        await on_driver(ctx.db, "select 1", (), reads=frozenset())
        with statements.sent() as sent:
            row = await WAKE.with_flush(ctx.db, workflow="inw1", name="beside")
        assert len(sent) == 1, [each.text for each in sent]
        assert (row["woken"], row["seen"]) == ("inw1", 0)
        assert not ctx.db.new
        with statements.sent() as sent:
            assert (await WAKE.with_flush(ctx.db, workflow="inw2", name="beside"))["seen"] == 1
        assert len(sent) == 1
    async with runtime.sweep() as ctx:
        assert await ctx.db.scalar(select(func.count()).select_from(App).where(App.name.like("beside%"))) == 2
        woken = select(Wakeup.workflow_id).where(Wakeup.workflow_id.in_(["inw1", "inw2", "inw3"])).order_by(Wakeup.workflow_id)
        assert (await ctx.db.execute(woken)).scalars().all() == ["inw1", "inw2"]


async def test_a_flush_beside_a_statement_misses_no_row_that_is_gone(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        made = app(ctx, "gone")
        ctx.db.add(made)
    async with runtime.sweep(org.actor) as ctx:
        again = await ctx.db.get(App, made.id)
        assert again is not None
        again.description = "changed"
        await on_driver(ctx.db, "delete from apps where id = $1", (made.id,), reads=frozenset())
        with pytest.raises(StaleDataError, match="1 rows of apps were to be written, 0 were"):
            await WAKE.with_flush(ctx.db, workflow="inw3", name="gone")
        await ctx.db.rollback()


async def test_what_was_not_given_is_the_columns_default_here_and_there(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        made = app(ctx, "defaults")
        ctx.db.add(made)
        await ctx.db.flush()
        here = {attribute.key: getattr(made, attribute.key) for attribute in App.__mapper__.column_attrs}
    there = await stored(runtime, made)
    named = {attribute.key: attribute.columns[0].name for attribute in App.__mapper__.column_attrs}
    assert {named[key]: value for key, value in here.items()} == there


async def test_a_change_renews_the_time_of_change_and_a_change_of_nothing_writes_nothing(
    runtime: Runtime, org: factories.OrgWithToken
) -> None:
    async with runtime.request(org.actor) as ctx:
        made = app(ctx, "times")
        ctx.db.add(made)
    before = made.updated_at
    async with runtime.request(org.actor) as ctx:
        again = await ctx.db.get(App, made.id)
        assert again is not None
        again.name = "times"
        with statements.sent() as sent:
            await ctx.db.flush()
        assert sent == []
        again.name = "other times"
    assert (await stored(runtime, made))["updated_at"] > before  # type: ignore[operator]


async def test_json_passes_as_it_is_and_null_is_told_from_nothing(runtime: Runtime, org: factories.OrgWithToken) -> None:
    details = {"a": None, "b": "", "c": 0, "d": False, "e": [], "f": {"é": "\U0001f600"}, "g": 1 << 70}
    async with runtime.request(org.actor) as ctx:
        row = AuditRow(org_id=ctx.org_id, action="x", object_type="apps", object_id="", details=details)
        ctx.db.add(row)
    assert (await stored(runtime, row))["details"] == details


def test_a_number_that_no_float_holds_does_not_stop_the_reading() -> None:
    assert decoded('{"a": 1e999}') == {"a": float("inf")}


async def test_text_that_is_too_long_is_refused_and_never_cut(runtime: Runtime, org: factories.OrgWithToken) -> None:
    too_long = AuditRow(org_id=org.actor.org_id, action="x", object_type="x", object_id="x", id="aud" + "1" * 30)
    with pytest.raises(errors.Invalid, match="form that cannot be stored"):
        await save(runtime, org, too_long)


async def test_what_the_database_refuses_is_the_same_error_as_of_the_orm(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        ctx.db.add(app(ctx, "taken"))
    async with runtime.app() as db:
        db.add(App(org_id=org.actor.org_id, created_by_id="", name="taken"))
        await on_driver(db, "select set_config('exclave.org_id', $1, true)", (org.actor.org_id,), reads=frozenset())
        with pytest.raises(IntegrityError) as raised:
            await db.flush()
    assert getattr(raised.value.orig, "sqlstate", "") == "23505"
    assert "taken" not in str(raised.value), "the values of a statement are in no message"


async def test_a_row_of_another_org_is_not_written(runtime: Runtime, org: factories.OrgWithToken) -> None:
    other = await factories.org(runtime)
    with pytest.raises(errors.NotFound):
        await save(runtime, org, App(org_id=other.actor.org_id, created_by_id="", name="foreign"))


async def test_a_change_of_a_row_that_is_gone_is_an_error(runtime: Runtime, org: factories.OrgWithToken) -> None:
    made = App(org_id=org.actor.org_id, created_by_id="", name="gone")
    await save(runtime, org, made)
    async with runtime.engine() as db:
        row = await db.get(App, made.id)
        assert row is not None
        await db.execute(text("delete from apps where id = :id"), {"id": made.id})
        row.name = "still here"
        with pytest.raises(StaleDataError):
            await db.flush()


async def test_rows_whose_key_the_database_makes_and_deletions_are_left_to_the_orm(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.sweep() as ctx:
        wakeup = Wakeup(workflow_id="inw" + "0" * 23)
        made = App(org_id=org.actor.org_id, created_by_id="", name="short")
        ctx.db.add_all([wakeup, made])
        await ctx.db.flush()
        assert wakeup.id > 0
        made.name = func.upper("by the database")  # type: ignore[assignment]
        await ctx.db.flush()
        assert (await ctx.db.execute(select(App.name).where(App.id == made.id))).scalar_one() == "BY THE DATABASE"
        await ctx.db.delete(wakeup)
        await ctx.db.delete(made)
    async with runtime.sweep() as ctx:
        assert await ctx.db.get(App, made.id) is None
        assert (await ctx.db.execute(select(OrgKey.org_id).where(OrgKey.org_id == org.actor.org_id))).scalar_one() == org.actor.org_id


async def test_a_lost_connection_is_told_and_the_next_transaction_has_another_one(runtime: Runtime, database: Cluster) -> None:
    administrator = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
    try:
        with pytest.raises(errors.Unavailable):
            await _killed_under_way(runtime, administrator)
        async with runtime.sweep() as ctx:
            assert [tuple(row) for row in await on_driver(ctx.db, "select 1", ())] == [(1,)]
    finally:
        await administrator.close()


async def _killed_under_way(runtime: Runtime, administrator: asyncpg.Connection) -> None:
    async with runtime.sweep() as ctx:
        ((pid,),) = await on_driver(ctx.db, "select pg_backend_pid()", ())
        await administrator.execute("select pg_terminate_backend($1, 5000)", pid)
        await on_driver(ctx.db, "select 1", ())


async def test_a_statement_that_is_wrong_names_no_values(runtime: Runtime) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with runtime.sweep() as ctx:
            await on_driver(ctx.db, "select $1::int / 0, 'x'", (41999,))
    assert "41999" not in str(raised.value)


def test_every_encrypted_column_goes_over_as_bytes() -> None:
    assert isinstance(Encrypted().impl.python_type, type)
    assert Encrypted().impl.python_type is bytes


async def test_a_new_row_takes_what_its_table_has_and_nothing_else(runtime: Runtime, org: factories.OrgWithToken) -> None:
    with pytest.raises(TypeError, match="App has no colour"):
        App(name="tea", colour="red")
    async with runtime.request(org.actor) as ctx:
        made = app(ctx, "one by one")
    assert (len(made.id), made.id[:3]) == (26, App.prefix)
    await save(runtime, org, made)
    assert (await stored(runtime, made))["name"] == "one by one"


async def test_what_was_changed_goes_over_in_the_same_words_whatever_its_order(runtime: Runtime, org: factories.OrgWithToken) -> None:
    """Each connection learns a statement anew, at the worst of times: when many are wanted at once."""
    texts = set()
    for turn in range(8):
        made = {"org_id": org.id, "created_by_id": org.actor.account_id}
        rows = [
            App(name=f"order-{turn}", **made),
            AuditRow(action="create", object_type="apps", object_id="x", details={}, **made),
            Account(email="order@example.com", subject=new_id("auth"), account_type="auth0"),
        ]
        async with runtime.sweep() as ctx:
            ctx.db.add_all(rows)
        async with runtime.sweep() as ctx:
            changed = [await ctx.db.get(type(row), row.id) for row in rows]
            for row in changed if turn % 2 else reversed(changed):
                assert row is not None
                row.updated_at = time.now()
            with statements.sent() as sent:
                await ctx.db.flush()
            texts |= {each.text for each in sent}
    assert len(texts) == 1
