"""What the database itself refuses is told in the reader's words, and is no failure of the server."""

import pytest
from sqlalchemy import text

from exclave.kit import errors
from exclave.kit.context import SYSTEM, Runtime


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ("23505", errors.Invalid),
        ("23503", errors.Invalid),
        ("22001", errors.Invalid),
        ("54000", errors.Invalid),  # too long for an index
        ("42501", errors.NotFound),
        ("25006", errors.Unavailable),  # read-only
        ("53300", errors.Unavailable),
        ("57P03", errors.Unavailable),
        ("55P03", errors.Unavailable),  # it waited long enough for a row
        ("57014", errors.Unavailable),  # it waited too long, for a row that another transaction holds
        ("40P01", errors.Unavailable),  # a deadlock
    ],
)
async def test_a_refusal_of_the_database_has_its_problem(runtime: Runtime, state: str, problem: type[errors.Problem]) -> None:
    with pytest.raises(problem):
        async with runtime.request(SYSTEM) as ctx:
            await ctx.db.execute(text(f"do $$ begin raise exception 'refused' using errcode = '{state}'; end $$"))
