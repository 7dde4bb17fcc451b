"""Read rows of one table with what is nested below them: one statement for the rows, one for each wave below."""

from typing import Any

from sqlalchemy import Select

from exclave.api.pages.derived import FINISHERS
from exclave.api.pages.relations import LINKS
from exclave.api.pages.tree import Depth, Table, Tree
from exclave.kit.context import Ctx


class Root:
    """A table as the root of answers of one depth. Made once, at import."""

    def __init__(self, table: Table, depth: Depth) -> None:
        self._table, self._tree = table, Tree(table, LINKS, FINISHERS, depth)

    async def read(self, ctx: Ctx, wanted: Select[Any], *, at_most: int | None = None) -> list[Any]:
        """Return the shapes of the rows that a SELECT of the table's model finds, in its order. Only the first `at_most` are filled:
        the one beyond a page just tells that there is more."""
        statement = wanted.with_only_columns(*self._tree.columns, maintain_column_froms=True)
        if self._table.joined is not None:
            statement = self._table.joined(statement)
        rows = (await ctx.db.execute(statement)).all()
        shown = len(rows) if at_most is None else at_most
        return [*await self._tree.grow(ctx, rows[:shown]), *map(self._tree.bare, rows[shown:])]
