"""Write a row only while its execution may write: the fence and the insert are one statement (architecture rule 5)."""

from typing import Any, cast

from sqlalchemy import Column, Select, Table, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from exclave.kit.context import Ctx
from exclave.kit.db import Tenant
from exclave.kit.prepared import Prepared


class InsertWhileLive:
    """The statement for one table, made once: `fence` and its parameters by name; a row with the same value in the column `unless` stays.

    The fence locks its execution, so whoever wants to end that execution waits for this transaction.
    """

    def __init__(self, model: type[Tenant], fence: Select[Any], *, unless: str) -> None:
        live = fence.cte("live")
        self._columns = _columns_of(model)
        values = [bindparam(f"new_{column.name}", type_=column.type).label(column.name) for _, column in self._columns]
        names = [column.name for _, column in self._columns]
        statement = insert(cast(Table, model.__table__)).from_select(names, select(*values).select_from(live), include_defaults=False)
        statement = statement.on_conflict_do_nothing(index_elements=[unless])
        self._statement: Prepared[str] = Prepared(statement.returning(model.__table__.c.id), returns=(None,))

    async def __call__(self, ctx: Ctx, row: Tenant, **fence: Any) -> bool:
        """Insert a new row, with its defaults; tell whether it was inserted."""
        values = {f"new_{column.name}": _value(row, attribute, column) for attribute, column in self._columns}
        return await self._statement.first(ctx.db, **fence, **values) is not None


def _columns_of(model: type[Tenant]) -> list[tuple[str, Column[Any]]]:
    return [(attribute.key, cast("Column[Any]", attribute.columns[0])) for attribute in model.__mapper__.column_attrs]


def _value(row: Tenant, attribute: str, column: Column[Any]) -> Any:
    value = getattr(row, attribute)
    if value is None and column.default is not None:
        default: Any = column.default
        value = default.arg(None) if default.is_callable else default.arg
        setattr(row, attribute, value)
    return value
