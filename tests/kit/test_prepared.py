"""Statements made once give what the ORM gives."""

import pytest
from sqlalchemy import ARRAY, Select, String, any_, bindparam, func, select, update

from exclave.domain.apps.models import App, AppConfig
from exclave.domain.audit.models import AuditRow
from exclave.kit import errors, prepared
from exclave.kit.context import Ctx, Runtime
from exclave.kit.prepared import Prepared, _Entity, by_id
from tests import factories, statements

OF_ORG: Prepared[App] = Prepared(select(App).where(App.org_id == bindparam("org")).order_by(App.name))


async def made(ctx: Ctx, *names: str) -> list[App]:
    rows = [App(org_id=ctx.org_id, created_by_id=ctx.actor.account_id, name=name) for name in names]
    ctx.db.add_all(rows)
    await ctx.db.flush()
    return rows


async def test_an_entity_is_what_the_orm_makes_of_the_same_row(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        await made(ctx, "a", "b")
        ctx.db.add(AuditRow(org_id=ctx.org_id, action="x", object_type="apps", object_id="", details={"n": [1, None]}))
    rows = Prepared(select(AuditRow).where(AuditRow.org_id == bindparam("org")).order_by(AuditRow.id))
    async with runtime.request(org.actor) as ctx:
        ours = [{a.key: getattr(row, a.key) for a in AuditRow.__mapper__.column_attrs} for row in await rows.all(ctx.db, org=ctx.org_id)]
    async with runtime.request(org.actor) as ctx:
        of_the_orm = (await ctx.db.execute(select(AuditRow).where(AuditRow.org_id == ctx.org_id).order_by(AuditRow.id))).scalars().all()
        assert ours == [{a.key: getattr(row, a.key) for a in AuditRow.__mapper__.column_attrs} for row in of_the_orm]


async def test_a_row_read_twice_is_one_object_and_a_change_of_it_is_written(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        await made(ctx, "a")
    async with runtime.request(org.actor) as ctx:
        (row,) = await OF_ORG.all(ctx.db, org=ctx.org_id)
        assert (await OF_ORG.first(ctx.db, org=ctx.org_id)) is row
        assert (await ctx.db.execute(select(App).where(App.id == row.id))).scalar_one() is row
        row.description = "changed"
    async with runtime.request(org.actor) as ctx:
        found = await OF_ORG.one(ctx.db, org=ctx.org_id)
        assert found.description == "changed"


async def test_a_read_sees_what_waits_to_be_written_to_its_tables_and_leaves_the_rest(ctx: Ctx) -> None:
    ctx.db.add(AuditRow(org_id=ctx.org_id, action="x", object_type="apps", object_id="", details={}))
    with statements.sent() as sent:
        assert await OF_ORG.all(ctx.db, org=ctx.org_id) == []
    assert len(sent) == 1, "the audit row waits for the end"
    ctx.db.add(App(org_id=ctx.org_id, created_by_id="", name="new"))
    with statements.sent() as sent:
        assert [row.name for row in await OF_ORG.all(ctx.db, org=ctx.org_id)] == ["new"]
    assert len(sent) == 2


async def test_several_things_of_a_row_come_as_a_tuple_and_the_empty_side_of_a_join_as_none(ctx: Ctx) -> None:
    (app,) = await made(ctx, "alone")
    joined: Prepared[tuple[App, AppConfig | None, str]] = Prepared(
        select(App, AppConfig, func.upper(App.name))
        .outerjoin(AppConfig, AppConfig.app_id == App.id)
        .where(App.id == any_(bindparam("ids", type_=ARRAY(String))))
    )
    assert await joined.all(ctx.db, ids=[app.id]) == [(app, None, "ALONE")]


async def test_an_update_returns_fresh_rows_and_renews_the_time(ctx: Ctx) -> None:
    (app,) = await made(ctx, "old")
    before = app.updated_at
    rename: Prepared[App] = Prepared(
        update(App).where(App.id == bindparam("app")).values(name=bindparam("to"), description="").returning(App),
        returns=(App,),
        fresh=True,
    )
    assert await rename.first(ctx.db, app=app.id, to="new") is app
    assert (app.name, app.description) == ("new", "")
    assert app.updated_at > before


async def test_by_id_asks_once_and_shows_neither_another_org_nor_what_is_deleted(runtime: Runtime, org: factories.OrgWithToken) -> None:
    async with runtime.request(org.actor) as ctx:
        (app,) = await made(ctx, "one")
    async with runtime.request(org.actor) as ctx:
        with statements.sent() as sent:
            first = await by_id(ctx.db, App, app.id, org_id=ctx.org_id)
            assert await by_id(ctx.db, App, app.id, org_id=ctx.org_id) is first is not None
        assert len(sent) == 1
        assert await by_id(ctx.db, App, app.id, org_id="org" + "0" * 23) is None
        first.deleted_at = 1
        assert await by_id(ctx.db, App, app.id, org_id=ctx.org_id) is None
    async with runtime.sweep() as ctx:
        assert await by_id(ctx.db, App, app.id, org_id=org.actor.org_id) is None


async def test_nothing_is_a_not_found_of_the_callers_words(ctx: Ctx) -> None:
    with pytest.raises(errors.NotFound, match="no such app"):
        await OF_ORG.one(ctx.db, org="org" + "0" * 23, or_raise=errors.NotFound("no such app"))


@pytest.mark.parametrize(("name", "prepared"), statements.prepared(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_statement_can_be_made_and_what_it_returns_is_read_in_its_order(name: str, prepared: Prepared[object]) -> None:
    compiled = prepared._make()
    assert "POSTCOMPILE" not in compiled.text, "the text of an IN depends on its length: use any_ of an array"
    entities = [part for part in compiled._parts if isinstance(part, _Entity)]
    if not entities:
        return
    # What changes rows answers itself, or a SELECT of what its parts changed.
    returning = prepared._returns and not isinstance(prepared._statement, Select)
    selected = compiled.text.rpartition("\n SELECT ")[2].removeprefix("SELECT ").partition("\nFROM")[0]
    listed = compiled.text.rpartition("RETURNING")[2] if returning else selected
    columns = [word.strip().split(" AS ")[0].rpartition(".")[2].strip('"') for word in listed.split(",")]
    for part in entities:
        wanted = [attribute.expression.name for attribute in part.columns]
        assert columns[part.start : part.start + part.width] == wanted


async def test_every_statement_of_the_product_is_known_to_the_database(runtime: Runtime) -> None:
    """PostgreSQL prepares each: a column that is gone or a type that does not fit is found here and not in a hot path."""
    async with runtime.sweep() as ctx:
        await ctx.db.connection()
        driver = (await (await ctx.db.connection()).get_raw_connection()).driver_connection
        for name, prepared in statements.prepared():
            try:
                await driver.prepare(prepared._make().text)
            except Exception as error:
                pytest.fail(f"{name}: {error}")


def test_every_statement_of_the_product_can_be_compiled_ahead() -> None:
    import exclave.server.serve  # noqa: F401 - all that a server has

    prepared.compile_all()
    assert len(prepared._every) > 70
    assert [statement for statement in prepared._every if statement._made is None] == []
