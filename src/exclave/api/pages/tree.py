"""Read a tree of nested shapes in a few statements, whatever the number of rows.

A `Link` says how one field of a shape is filled: from which table, by which key. A `Tree` walks the links from a root shape once and
sorts them into waves: a wave is one statement, and holds everything whose keys are known by then, and the children of that, whose keys
are looked up on the way. The children of an object that is fetched by its id need not wait for it either, since their key is known as
early as its own. A type that stands already on the path from the root is cut, so the tree ends.

Rows come as JSON that has the names of the wire, so that a shape is one decode; user JSON comes beside it as text and passes through
byte for byte. Row-level security says whose rows there are; a tree adds no filter of its own but that deleted rows are left out.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    String,
    Subquery,
    Text,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import Column as TableColumn
from sqlalchemy.sql import visitors

from exclave.kit.context import Ctx, Facts
from exclave.kit.db import Base, Encrypted, RawJSON
from exclave.kit.session import on_driver

# What a page says about its rows.

Depth = Mapping[str, Any] | None
"""Which fields are filled, by name, each with its own depth below; None fills everything."""

Column = Callable[[], Any]
"""Makes a column expression when statements are compiled, once every table is known."""


@dataclass(frozen=True, eq=False)
class Table:
    """How rows of a table become a shape. `renamed`: attribute -> wire name; `raw`: user JSON, given to the finisher as text."""

    shape: type[msgspec.Struct]
    model: type[Base]
    renamed: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    extra: Mapping[str, Column] = field(default_factory=dict)
    raw: Column | None = None
    joined: Callable[[Select[Any]], Select[Any]] | None = None  # joins that `extra`, `raw` or the key need


@dataclass(frozen=True, eq=False)
class Link:
    """How a field is filled: rows of `table` whose `match` column equals the parent's `key`."""

    name: str
    table: Table
    key: str  # an attribute of the parent's row
    match: Column
    many: bool = False
    by_id: bool = False  # match is the child's id: its own children need not wait for it
    order: Callable[[], Sequence[Any]] = tuple
    newest: bool = False  # only the newest row of each parent
    seldom: bool = False  # most parents have none: what is below waits for the rows, and costs nothing where there are none


Links = Mapping[type[msgspec.Struct], Sequence[Link]]


class Node:
    """One object of the answer: its shape, the keys of its row that are not on the wire, its raw JSON."""

    __slots__ = ("keys", "raw", "shape")

    def __init__(self, shape: Any, keys: Mapping[str, str], raw: str | None) -> None:
        self.shape, self.keys, self.raw = shape, keys, raw

    def key(self, name: str) -> str:
        return self.keys[name] if name in self.keys else getattr(self.shape, name) or ""


Finisher = Callable[[Node, Facts], None]
"""Computes the derived fields of an object whose children are filled."""


# Reading.


class Tree:
    """All that hangs below one kind of row, to a depth. Made once for each page, at import."""

    def __init__(self, root: Table, links: Links, finishers: Mapping[type, Finisher], depth: Depth = None) -> None:
        self.root, self.links = root, links
        self._uses: list[_Use] = []  # parents stand before their children
        self._walk(root.shape, None, (root.shape,), depth)
        self._finishers = [(use, found) for use in reversed(self._uses) if (found := finishers.get(use.link.table.shape))]
        self._finish_root = finishers.get(root.shape)

    @functools.cached_property
    def columns(self) -> list[ColumnElement[Any]]:
        """What to select of the root's table (and of what `root.joined` joins), as `grow` wants it."""
        return _columns(self.root, self.links)

    async def grow(self, ctx: Ctx, rows: Iterable[Sequence[Any]]) -> list[Any]:
        """Make the shapes of root rows, which were selected by `columns`, with everything below them.

        At most one statement a wave; then the derived fields are computed, children before parents.
        """
        grown: Grown = {None: [_node(self.root.shape, *row) for row in rows]}
        for wave in self._waves:
            await wave.fill(ctx.db, grown)
        return self._finish(ctx, grown)

    def _finish(self, ctx: Ctx, grown: "Grown") -> list[Any]:
        roots, facts = grown[None], ctx.runtime.settings
        for use, finish in self._finishers:
            for node in grown[use]:
                finish(node, facts)
        if self._finish_root is not None:
            for node in roots:
                self._finish_root(node, facts)
        return [node.shape for node in roots]

    def bare(self, row: Sequence[Any]) -> Any:
        """The shape of a root row alone."""
        return _node(self.root.shape, *row).shape

    def _walk(self, shape: type, parent: "_Use | None", path: tuple[type, ...], depth: Depth) -> None:
        for link in self.links.get(shape, ()):
            if link.table.shape in path or (depth is not None and link.name not in depth):
                continue
            use = _Use(link, parent)
            self._uses.append(use)
            self._walk(link.table.shape, use, (*path, link.table.shape), None if depth is None else depth[link.name])

    @functools.cached_property
    def _waves(self) -> "list[_Wave]":
        # Not at import: tables know all their columns only when every module is there.
        return [_Wave(self.links, uses) for uses in self._by_wave]

    @property
    def _by_wave(self) -> "list[list[_Use]]":
        waves: dict[int, list[_Use]] = defaultdict(list)
        for use in self._uses:
            waves[use.wave].append(use)
        return [uses for _, uses in sorted(waves.items())]


class Page:
    """A page of a tree's root rows and the first wave below them as one statement, whose parameters are its caller's.

    `rows` selects rows of the root's table in the order `order`. The last of the rows that `last`, a parameter of the statement, counts
    only tells that there are more and has nothing below it. `beside` selects one row, or none where there can be no page.
    """

    def __init__(self, tree: Tree, *, rows: Select[Any], order: Sequence[Any], last: ColumnElement[Any], beside: Select[Any]) -> None:
        self._tree = tree
        model: Any = tree.root.model
        found, first = rows.subquery(), tree._by_wave[0]
        keys = sorted({use.by.link.key for use in first})
        columns = {attribute.key: attribute.columns[0] for attribute in model.__mapper__.column_attrs}
        shown = (
            model.id.label("root"),
            func.row_number().over(order_by=order).label("place"),
            *tree.columns,
            *(columns[key].label(f"key_{key}") for key in keys),
        )
        page = select(*(_of(found, column) for column in shown)).cte("page")
        there = beside.subquery()
        roots = select(literal(_ROOT).label("link"), page.c.root.label("key"), page.c.doc, page.c["keys"], page.c.raw)
        roots = roots.select_from(there).outerjoin(page, literal(True)).order_by(page.c.place)
        held = {key: func.array(select(page.c[f"key_{key}"]).where(page.c.place < last).scalar_subquery()) for key in keys}
        self._wave = _Wave(tree.links, first, keys=lambda use: held[use.by.link.key], beside=select(roots.subquery()))

    async def read(self, ctx: Ctx, *values: Any, at_most: int) -> list[Any] | None:
        """Return the shapes of the page, the first `at_most` with everything below them; None where there can be no page."""
        rows = await self._wave.statement.rows(ctx.db, *values)
        if not rows:
            return None
        tree = self._tree
        roots = [row for number, key, *row in rows if number == _ROOT and key is not None]
        grown: Grown = {None: [_node(tree.root.shape, *row) for row in roots[:at_most]]}
        self._wave.attach(grown, rows)
        for wave in tree._waves[1:]:
            await wave.fill(ctx.db, grown)
        return [*tree._finish(ctx, grown), *map(tree.bare, roots[at_most:])]


_ROOT = -1


def _of(rows: Subquery, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same of rows that were selected already, as JSON is made of the few that are shown."""

    def there(element: Any, **_: Any) -> ColumnElement[Any] | None:
        return rows.corresponding_column(element) if isinstance(element, TableColumn) else None

    found: ColumnElement[Any] = visitors.replacement_traverse(column, {}, there)
    return found


class _Use:
    """A link at one place of the tree, and how its keys are found: they are the keys of the use `by`, or what the rows of the link
    `between` hold as `held`, which are found by the keys of the use `by`."""

    def __init__(self, link: Link, parent: "_Use | None") -> None:
        self.link, self.parent, self.held = link, parent, link.key
        self.by: _Use = self
        self.between: Link | None = None
        self.wave = 1
        if parent is None:
            return
        if parent.link.by_id and link.key == "id":
            # The id of an object that is fetched by id is known before the object itself.
            self.by, self.between, self.held, self.wave = parent.by, parent.between, parent.held, parent.wave
        elif parent.between is None and not parent.link.seldom:
            self.by, self.between, self.wave = parent.by, parent.link, parent.wave
        else:
            self.wave = parent.wave + 1


Grown = dict[_Use | None, list[Node]]
"""The nodes that a tree has so far, at each place of it; the roots at None."""

_Way = tuple[Link, Link | None, str]
"""A link, the link between, and the key that its rows hold."""


class _Wave:
    """One statement: a sub-select for each distinct way to a link, with the keys of all the places that go this way."""

    def __init__(
        self, links: Links, uses: Sequence[_Use], *, keys: Callable[[_Use], Any] | None = None, beside: Select[Any] | None = None
    ) -> None:
        ways: dict[_Way, int] = {}
        self.uses = [(use, ways.setdefault((use.link, use.between, use.held), len(ways))) for use in uses]
        self.ways = len(ways)
        firsts = {number: use for use, number in reversed(self.uses)}
        parts = [
            _part(links, number, *way, keys=parameter(number + 1, "text[]") if keys is None else keys(firsts[number]))
            for way, number in ways.items()
        ]
        self.statement = Statement(union_all(*([] if beside is None else [beside]), *parts))

    async def fill(self, db: AsyncSession, grown: Grown) -> None:
        """Fetch the children of this wave, if any can be there, and give them to their parents."""
        wanted: list[set[str]] = [set() for _ in range(self.ways)]
        known: dict[tuple[_Use | None, str], set[str]] = {}
        for use, number in self.uses:
            source = use.by.parent, use.by.link.key
            keys = known.get(source)
            if keys is None:
                keys = known[source] = {node.key(source[1]) for node in grown[source[0]]}
            wanted[number] |= keys
        self.attach(grown, await self.statement.rows(db, *map(list, wanted)) if any(wanted) else ())

    def attach(self, grown: Grown, rows: Sequence[Any]) -> None:
        """Give rows that were fetched to their parents."""
        found: list[dict[str, list[Any]]] = [{} for _ in range(self.ways)]
        for number, key, *row in rows:
            if number != _ROOT:
                found[number].setdefault(key, []).append(row)
        for use, number in self.uses:
            grown[use] = _attach(use.link, grown[use.parent], found[number])


def _attach(link: Link, above: Sequence[Node], found: Mapping[str, Sequence[Sequence[Any]]]) -> list[Node]:
    """Give every parent its children, and return these. Parents that share a key share the child."""
    name, shape, many, key_of = link.name, link.table.shape, link.many, link.key
    if not found:
        if many:
            for parent in above:
                setattr(parent.shape, name, [])
        return []
    made: dict[str, list[Node]] = {}
    for parent in above:
        key = parent.key(key_of)
        nodes = made.get(key)
        if nodes is None:
            rows = found.get(key, ())
            nodes = made[key] = [_node(shape, *row) for row in (rows if many else rows[:1])]
        if many:
            setattr(parent.shape, name, [node.shape for node in nodes])
        elif nodes:
            setattr(parent.shape, name, nodes[0].shape)
    return [node for nodes in made.values() for node in nodes]


_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_keys_decoder = msgspec.json.Decoder(dict[str, str])


def _node(shape: type, doc: str, keys: str | None, raw: str | None) -> Node:
    decoder = _decoders.get(shape)
    if decoder is None:
        decoder = _decoders[shape] = msgspec.json.Decoder(shape)
    return Node(decoder.decode(doc), _keys_decoder.decode(keys) if keys else {}, raw)


# Statements.


class Statement:
    """A statement whose text is made once: SQLAlchemy's own cache would walk thousands of elements at every execution.

    Constants stand in the text, so they must come from code; what comes from a caller is a `parameter`.
    """

    def __init__(self, statement: Executable) -> None:
        self.text = str(statement.compile(dialect=asyncpg_dialect(), compile_kwargs={"literal_binds": True}))  # type: ignore[attr-defined, no-untyped-call]

    async def rows(self, db: AsyncSession, *values: Any) -> Sequence[Any]:
        return await on_driver(db, self.text, values)


def parameter(number: int, kind: str) -> ColumnElement[Any]:
    """The value at a position, from 1, as a PostgreSQL type."""
    return literal_column(f"${number}::{kind}")


def _part(links: Links, number: int, link: Link, between: Link | None, held: str, *, keys: Any) -> Any:
    """The rows of a link. Their keys are those given, or what the rows of the link between hold."""
    match = link.match()
    if between is not None:
        # An array and not a sub-select: it is looked up once, and the index of `match` is used whatever the planner thinks.
        column = between.table.model.__mapper__.column_attrs[held].columns[0]
        keys = func.array(_rows(select(column), between, keys).scalar_subquery())
    statement = _rows(select(literal(number).label("link"), match.label("key"), *_columns(link.table, links)), link, keys)
    if link.newest:
        statement = statement.ext(distinct_on(match)).order_by(match, *link.order())
    elif link.order():
        statement = statement.order_by(*link.order())
    # A sub-select of its own, so that order and DISTINCT ON belong to this part alone.
    return select(statement.subquery())


def _rows(statement: Select[Any], link: Link, keys: Any) -> Select[Any]:
    statement = statement.select_from(link.table.model)
    if link.table.joined is not None:
        statement = link.table.joined(statement)
    statement = statement.where(link.match() == func.any(keys))
    return statement.where(link.table.model.deleted_at == 0) if hasattr(link.table.model, "deleted_at") else statement


def _columns(table: Table, links: Links) -> list[ColumnElement[Any]]:
    """What every table is read as: the JSON of its shape, the keys that are not on the wire, the raw JSON."""
    encoded = {info.name: info.encode_name for info in msgspec.structs.fields(table.shape)}
    columns = {attribute.key: attribute.columns[0] for attribute in table.model.__mapper__.column_attrs}
    pairs: list[Any] = []
    for name, column in columns.items():
        wire = table.renamed.get(name, name)
        if wire in encoded and wire not in table.left_out and not isinstance(column.type, Encrypted | RawJSON):
            pairs += [literal(encoded[wire], String), _never_null(column)]
    for wire, make in table.extra.items():
        pairs += [literal(encoded[wire], String), make()]
    hidden = sorted({link.key for link in links.get(table.shape, ())} - encoded.keys())
    kept = func.json_build_object(*[part for name in hidden for part in (literal(name, String), func.coalesce(columns[name], ""))])
    return [
        cast(func.json_build_object(*pairs), Text).label("doc"),
        (cast(kept, Text) if hidden else cast(null(), Text)).label("keys"),
        (cast(table.raw(), Text) if table.raw else cast(null(), Text)).label("raw"),
    ]


def _never_null(column: Any) -> Any:
    """A text that may be null in the database is an empty text on the wire."""
    return func.coalesce(column, "") if column.nullable and isinstance(column.type, String) else column
