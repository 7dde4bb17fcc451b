"""Statements that are made once, at import, and run on the driver: for reads and writes on hot paths (figures in kit/session.py).

    BY_KEY: Prepared[RunnerJob] = Prepared(select(RunnerJob).where(RunnerJob.step_key == bindparam("key"), in_org(RunnerJob)))
    job = await BY_KEY.first(ctx.db, key=key, org=ctx.org_id)

Rows come as the ORM would give them: entities that the session knows, the known one where it has read that row before; a scalar for
one column; a tuple for several. `fresh=True` overwrites what the session knew, for statements that return what they have changed. No
`IN` of a list, whose text depends on its length: compare with `any_of` an array.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar, cast

import asyncpg
from sqlalchemy import (
    ARRAY,
    BindParameter,
    CollectionAggregate,
    ColumnElement,
    Executable,
    Select,
    String,
    Table,
    TextClause,
    and_,
    any_,
    bindparam,
    literal_column,
    select,
    true,
)
from sqlalchemy import inspect as inspect_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import visitors

from exclave.kit import errors
from exclave.kit.db import Tenant
from exclave.kit.session import DIALECT, OneFlush, flushed_with, on_driver, sent_on_driver

T = TypeVar("T")


_every: "list[Prepared[Any]]" = []


def compile_all() -> None:
    """Compile every statement that was not used yet: else whoever comes first waits 5 to 20 ms for each. May run in a thread."""
    for statement in list(_every):
        if statement._made is None:
            statement._make()


class Prepared(Generic[T]):
    """One statement with its parameters by name. The type says what a row is; an UPDATE says with `returns` which of what it returns
    are entities: the mapped class, or None for a column."""

    def __init__(self, statement: Executable, *, returns: Sequence[type[Any] | None] = (), fresh: bool = False) -> None:
        self._statement, self._returns, self._fresh = statement, returns, fresh
        self._made: _Made | None = None
        _every.append(self)

    async def all(self, db: AsyncSession, **values: Any) -> list[T]:
        """Return all rows."""
        made = self._made or self._make()
        rows = await on_driver(db, made.text, made.arguments(values), reads=made.reads)
        return [cast(T, made.row(db, row, fresh=self._fresh)) for row in rows]

    async def first(self, db: AsyncSession, **values: Any) -> T | None:
        """Return the first row, or None."""
        rows = await self.all(db, **values)
        return rows[0] if rows else None

    async def one(self, db: AsyncSession, *, or_raise: errors.Problem | None = None, **values: Any) -> T:
        """Return the one row, or raise: what you may not see does not exist."""
        rows = await self.all(db, **values)
        if not rows:
            raise or_raise or errors.NotFound()
        return rows[0]

    async def run(self, db: AsyncSession, **values: Any) -> None:
        """Run it for what it does."""
        await self.records(db, **values)

    async def send(self, db: AsyncSession, **values: Any) -> None:
        """Run it for what it does, without waiting for its answer; it returns no row (see `kit.session.sent_on_driver`)."""
        made = self._made or self._make()
        await sent_on_driver(db, made.text, made.arguments(values))

    async def records(self, db: AsyncSession, **values: Any) -> list[asyncpg.Record]:
        """Return the rows as they come."""
        made = self._made or self._make()
        return await on_driver(db, made.text, made.arguments(values), reads=made.reads)

    async def with_flush(self, db: AsyncSession, **values: Any) -> asyncpg.Record:
        """Run it together with the session's flush (see `kit.session.flushed_with`); return its one row as it comes."""
        made = self._made or self._make()
        return await flushed_with(db, made.text, made.arguments(values))

    def _make(self) -> "_Made":
        self._made = _Made(self._statement, self._returns)
        return self._made


def in_org(model: Any) -> ColumnElement[bool]:
    """The condition that a row is of the org `:org`."""
    return not_searched_by(model.org_id == bindparam("org"))


def not_searched_by(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition that holds for what is found by a key, and that the planner does not search by (as in kit/rls.py): an org and a runner
    may have any number of rows; a plan that is made while tables are empty would read them all later."""
    return condition.is_(true())


def owned_by(owner: type[Tenant], model: Any) -> ColumnElement[bool]:
    """The condition of a join with what an owner of any kind has: `owner_type` is its table, `owner_id` its id."""
    return and_(in_org(model), model.owner_type == owner.__tablename__, model.owner_id == owner.id, model.deleted_at == 0)


def any_of(name: str) -> CollectionAggregate[Any]:
    """`column == any_of("ids")`: the column is one of the array `:ids`."""
    return any_(bindparam(name, type_=ARRAY(String)))


Row = TypeVar("Row", bound=Tenant)
_by_id: dict[type[Tenant], Prepared[Any]] = {}


async def by_id(db: AsyncSession, model: type[Row], row_id: str, *, org_id: str) -> Row | None:
    """Return the live row of an org with this id; no statement where this transaction has read it before."""
    known: Row | None = db.sync_session.identity_map.get((model, (row_id,), None))
    if known is None:
        if model not in _by_id:
            wanted = select(model).where(model.id == bindparam("id"), in_org(model), model.deleted_at == 0)
            _by_id[model] = Prepared(wanted)
        known = await _by_id[model].first(db, id=row_id, org=org_id)
    return known if known is not None and known.org_id == org_id and not known.deleted_at else None


class _Made:
    """A compiled statement: its text, how to bind, and what its rows become."""

    def __init__(self, statement: Any, returns: Sequence[type[Any] | None]) -> None:
        described = getattr(statement, "column_descriptions", None) or ()
        parts: list[_Part] = [_part(one.get("entity"), one["expr"]) for one in described]
        if any(isinstance(part, _Entity) for part in parts):
            statement = statement.with_only_columns(*(column for part in parts for column in part.columns))
        if returns:
            parts = [_Entity(one) if one is not None else _Scalar() for one in returns]
        statement = _with_constants(statement)
        # What it reads, where it does nothing else: whatever else waits to be written may go on waiting.
        self.reads = _tables_of(statement) if isinstance(statement, Select) else None
        compiled = statement.compile(dialect=DIALECT)
        self.text = str(compiled)
        processors = {name: bind.type.dialect_impl(DIALECT).bind_processor(DIALECT) for name, bind in compiled.binds.items()}
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        # Columns that a statement does not name and the ORM renews: the time of the change.
        self._renewed = {column.key: cast(Any, column.onupdate) for column in getattr(compiled, "update_prefetch", ())}
        self._binds = [(name, processors.get(name)) for name in compiled.positiontup or ()]
        start = 0
        for part in parts:
            part.start = start
            start += part.width
        self._parts = parts

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        found = []
        for name, processor in self._binds:
            if name in values:
                value = values[name]
            elif name in self._renewed:
                value = self._renewed[name].arg(None)
            else:
                value = self._fixed[name]
            found.append(value if processor is None else processor(value))
        return found

    def row(self, db: AsyncSession, row: Sequence[Any], *, fresh: bool) -> Any:
        if len(self._parts) == 1:
            return self._parts[0](db, row, fresh)
        return tuple(part(db, row, fresh) for part in self._parts)


def _with_constants(statement: Any) -> Any:
    """Write what is always the same into the text: an index on `status = 'available'` serves no `status = $1`."""

    def written(element: Any, **_: Any) -> Any:
        if not isinstance(element, BindParameter) or element.required or not isinstance(element.value, str | int):
            return None
        processor = element.type.dialect_impl(DIALECT).literal_processor(DIALECT)
        return literal_column(processor(element.value), element.type) if processor is not None else None

    return statement if isinstance(statement, TextClause) else visitors.replacement_traverse(statement, {}, written)


def _tables_of(statement: Select[Any]) -> frozenset[str]:
    return frozenset(element.name for element in visitors.iterate(statement) if isinstance(element, Table))


def _part(entity: Any, expression: Any) -> "_Part":
    if entity is not None and expression is entity:
        return _Entity(entity)
    return _Scalar(expression)


class _Scalar:
    """One column."""

    width = 1

    def __init__(self, column: Any = None) -> None:
        self.start = 0
        self.columns = [column]

    def __call__(self, _db: AsyncSession, row: Sequence[Any], _fresh: bool) -> Any:
        return row[self.start]


class _Entity:
    """All columns of a mapped class: the object that the session knows, or a new one that it knows from now on."""

    def __init__(self, entity: Any) -> None:
        mapper = inspect_(entity).mapper
        columns = list(mapper.local_table.c)
        self.start, self.width = 0, len(columns)
        self._keys = [mapper.get_property_by_column(column).key for column in columns]
        self.columns = [getattr(entity, key) for key in self._keys]
        self._made, self._class = mapper.class_manager.new_instance, mapper.class_
        self._id = self._keys.index("id")

    def __call__(self, db: AsyncSession, row: Sequence[Any], fresh: bool) -> Any:
        row_id = row[self.start + self._id]
        if row_id is None:  # the empty side of an outer join
            return None
        session, key = cast(OneFlush, db.sync_session), (self._class, (row_id,), None)
        found = session.identity_map.get(key)
        if found is not None and not fresh:
            return found
        if found is None:
            found = self._made()
            session.adopt(found, key)
        found.__dict__.update(zip(self._keys, row[self.start : self.start + self.width], strict=True))
        # The session holds what it knows weakly; what was read once is not to be read again in this transaction.
        session.info.setdefault("read", []).append(found)
        return found


_Part = _Scalar | _Entity
