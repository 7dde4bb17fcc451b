"""Write a row only while its execution may write: the fence and the insert are one statement (architecture rule 5)."""

from typing import Any

from sqlalchemy import Select, literal, null, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute

from exclave.kit.context import Ctx
from exclave.kit.db import Tenant


async def insert_while_live(ctx: Ctx, row: Tenant, fence: Select[str], *, unless: tuple[InstrumentedAttribute[Any], ...] = ()) -> bool:
    """Insert a new row if the fence holds and no row has the same values in the columns `unless`. Tell whether it was inserted.

    The fence locks its execution, so whoever wants to end that execution waits for this transaction.
    """
    live = fence.cte("live")
    table = type(row).__table__
    names: list[str] = []
    values: list[Any] = []
    for column in table.columns:
        attribute = row.__mapper__.get_property_by_column(column).key
        value = getattr(row, attribute)
        if value is None and column.default is not None:
            default: Any = column.default
            value = default.arg(None) if default.is_callable else default.arg
        names.append(column.name)
        values.append(null() if value is None else literal(value, type_=column.type))
    statement: Any = insert(type(row)).from_select(names, select(*values).select_from(live), include_defaults=False)
    if unless:
        statement = statement.on_conflict_do_nothing(index_elements=list(unless))
    return (await ctx.db.execute(statement.returning(table.c.id))).first() is not None
