"""The fence (architecture rule 5): an execution writes while it is the current one of its job, is not over, and its lease holds.

This is the one place that says so. What is written is in the same statement as the fence.
"""

from typing import Any, cast

from sqlalchemy import CTE, Column, Select, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from exclave.domain.jobs.models import RunnerJob, RunnerJobExecution
from exclave.kit.db import Tenant
from exclave.kit.prepared import in_org, not_searched_by


def running() -> Select[str]:
    """The id of the execution that may write for the job `:job` of the runner `:runner` in the org `:org`."""
    return (
        select(RunnerJobExecution.id)
        .join(RunnerJob, RunnerJob.current_execution_id == RunnerJobExecution.id)
        .where(
            RunnerJob.id == bindparam("job"),
            not_searched_by(RunnerJob.runner_id == bindparam("runner")),
            in_org(RunnerJobExecution),
            RunnerJobExecution.finished_at.is_(None),
            RunnerJobExecution.leased_until > func.clock_timestamp(),
        )
    )


def live() -> Select[str]:
    """The same, locked until the end of the transaction: whoever wants to end the execution waits for what is written meanwhile."""
    return running().with_for_update(of=RunnerJobExecution)


class Delivery:
    """What an execution delivers once: a new row of one table, which stays when another comes."""

    def __init__(self, model: type[Tenant]) -> None:
        self._table = cast(Table, model.__table__)
        self._columns = [(attribute.key, cast("Column[Any]", attribute.columns[0])) for attribute in model.__mapper__.column_attrs]

    def insert(self, live: CTE) -> ReturningInsert[tuple[str]]:
        """Insert the row of `values` if the execution is live and has none; return its id. Without a row nothing is inserted."""
        names = [column.name for _, column in self._columns]
        given = [bindparam(self._named(column), type_=column.type).label(column.name) for _, column in self._columns]
        row = select(*given).select_from(live).where(bindparam(self._named(self._table.c.id)).is_not(None))
        kept = insert(self._table).from_select(names, row, include_defaults=False)
        return kept.on_conflict_do_nothing(index_elements=["runner_job_execution_id"]).returning(self._table.c.id)

    def values(self, row: Tenant | None) -> dict[str, Any]:
        """Give a new row its defaults, and name what `insert` asks for."""
        return {self._named(column): None if row is None else _value(row, attribute, column) for attribute, column in self._columns}

    def _named(self, column: "Column[Any]") -> str:
        return f"{self._table.name}_{column.name}"


def _value(row: Tenant, attribute: str, column: "Column[Any]") -> Any:
    value = getattr(row, attribute)
    if value is None and column.default is not None:
        default: Any = column.default
        value = default.arg(None) if default.is_callable else default.arg
        setattr(row, attribute, value)
    return value
