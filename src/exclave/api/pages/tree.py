"""Read a tree of nested shapes in a few statements, whatever the number of rows.

A `Link` says how one field of a shape is filled: from which table, by which key. `compile` walks the links from a root shape once and
sorts them into waves: a wave is one statement, and holds everything whose keys are known by then. The children of an object that is
fetched by its id need not wait for it, since their key is known as early as its own. A type that stands already on the path from the
root is cut, so the tree ends.

Rows come as JSON that has the names of the wire, so that a shape is one decode; user JSON comes beside it as text and passes through
byte for byte.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Select, String, Text, bindparam, cast, func, literal, null, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from exclave.kit.context import Facts
from exclave.kit.db import Base, Encrypted, RawJSON

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
    where: Callable[[], Sequence[ColumnElement[bool]]] = tuple
    order: Callable[[], Sequence[Any]] = tuple
    newest: bool = False  # only the newest row of each parent


Links = Mapping[type[msgspec.Struct], Sequence[Link]]


@dataclass(eq=False)
class Node:
    """One object of the answer: its shape, the keys of its row that are not on the wire, its raw JSON."""

    shape: Any
    keys: Mapping[str, str]
    raw: str | None

    def key(self, name: str) -> str:
        found = self.keys.get(name)
        return found if found is not None else getattr(self.shape, name, "") or ""


@dataclass(eq=False)
class _Use:
    """A link at one place of the tree."""

    link: Link
    parent: "_Use | None"
    wave: int
    children: "list[_Use]" = field(default_factory=list)


class Plan:
    """The waves below one root, compiled once."""

    def __init__(self, root: Table, links: Links, depth: Depth) -> None:
        self.root, self.links = root, links
        self.uses: list[_Use] = []
        self._walk(root.shape, None, 0, False, (root.shape,), depth)
        self.waves = max((use.wave for use in self.uses), default=0)
        self.by_wave: dict[int, list[_Use]] = defaultdict(list)
        self.compiled: dict[int, _Wave] = {}
        for use in self.uses:  # parents stand before their children
            self.by_wave[use.wave].append(use)

    def _walk(self, shape: type, parent: _Use | None, wave: int, known: bool, path: tuple[type, ...], depth: Depth) -> None:
        for link in self.links.get(shape, ()):
            if link.table.shape in path or (depth is not None and link.name not in depth):
                continue
            # The id of an object that is fetched by id is known one wave before the object itself.
            at = wave if known and link.key == "id" else wave + 1
            use = _Use(link, parent, at)
            (parent.children if parent else self.uses_of_root).append(use)
            self.uses.append(use)
            below = None if depth is None else depth[link.name]
            self._walk(link.table.shape, use, at, link.by_id, (*path, link.table.shape), below)

    def wave(self, number: int) -> "_Wave":
        if number not in self.compiled:
            self.compiled[number] = _Wave(self, self.by_wave[number])
        return self.compiled[number]

    @functools.cached_property
    def uses_of_root(self) -> list[_Use]:
        return []


def documents(table: Table, keys: Iterable[str], links: Links) -> list[ColumnElement[Any]]:
    """The columns that every table is read as: the JSON of its shape, the keys not on the wire, the raw JSON."""
    encoded = {info.name: info.encode_name for info in msgspec.structs.fields(table.shape)}
    columns = {attribute.key: attribute.columns[0] for attribute in table.model.__mapper__.column_attrs}
    pairs: list[Any] = []
    for name, column in columns.items():
        wire = table.renamed.get(name, name)
        if wire in encoded and wire not in table.left_out and not isinstance(column.type, (Encrypted, RawJSON)):
            pairs += [literal(encoded[wire], String), _never_null(column)]
    for wire, make in table.extra.items():
        pairs += [literal(encoded[wire], String), make()]
    hidden = [name for name in sorted(set(keys)) if name not in encoded]
    kept = func.json_build_object(*[part for name in hidden for part in (literal(name, String), func.coalesce(columns[name], ""))])
    return [
        cast(func.json_build_object(*pairs), Text).label("doc"),
        (cast(kept, Text) if hidden else cast(null(), Text)).label("keys"),
        (cast(table.raw(), Text) if table.raw else cast(null(), Text)).label("raw"),
    ]


def _never_null(column: Any) -> Any:
    """A text that may be null in the database is an empty text on the wire."""
    return func.coalesce(column, "") if column.nullable and isinstance(column.type, String) else column


def _keys_of(plan: Plan, shape: type) -> set[str]:
    return {link.key for link in plan.links.get(shape, ())}


class _Wave:
    """One statement: a sub-select for each distinct link of the wave, with the keys of all its places."""

    def __init__(self, plan: Plan, uses: Sequence[_Use]) -> None:
        self.links: list[Link] = []
        for use in uses:
            if use.link not in self.links:
                self.links.append(use.link)
        self.statement = union_all(*(self._select(plan, number, link) for number, link in enumerate(self.links)))

    def _select(self, plan: Plan, number: int, link: Link) -> Any:
        match = link.match()
        columns = documents(link.table, _keys_of(plan, link.table.shape), plan.links)
        statement: Select[Any] = select(literal(number).label("link"), match.label("key"), *columns).select_from(link.table.model)
        if link.table.joined is not None:
            statement = link.table.joined(statement)
        wanted = bindparam(f"k{number}", type_=ARRAY(Text))
        statement = statement.where(match == func.any(wanted), *link.where())
        if hasattr(link.table.model, "deleted_at"):
            statement = statement.where(link.table.model.deleted_at == 0)
        if link.newest:
            statement = statement.ext(distinct_on(match)).order_by(match, *link.order())
        elif link.order():
            statement = statement.order_by(*link.order())
        # A sub-select of its own, so that order and DISTINCT ON belong to this part alone.
        inner = statement.subquery()
        return select(inner)


_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_keys_decoder = msgspec.json.Decoder(dict[str, str])


def _decoder(shape: type) -> msgspec.json.Decoder[Any]:
    if shape not in _decoders:
        _decoders[shape] = msgspec.json.Decoder(shape)
    return _decoders[shape]


def node_of(shape: type, doc: str, keys: str | None, raw: str | None) -> Node:
    return Node(_decoder(shape).decode(doc), _keys_decoder.decode(keys) if keys else {}, raw)


Finisher = Callable[[Node, Facts], None]
"""Computes the derived fields of an object whose children are filled."""


async def grow(db: AsyncSession, plan: Plan, roots: Sequence[Node], finishers: Mapping[type, Finisher], facts: Facts) -> None:
    """Fill the roots: one statement a wave, then the derived fields, children before parents."""
    made: dict[_Use, dict[str, list[Node]]] = {}
    parents: dict[_Use, list[Node]] = {}
    for number in range(1, plan.waves + 1):
        uses = plan.by_wave[number]
        wave = plan.wave(number)
        wanted: dict[Link, set[str]] = {link: set() for link in wave.links}
        for use in uses:
            wanted[use.link] |= _wanted(use, made, roots)
        values = {f"k{position}": sorted(wanted[link]) for position, link in enumerate(wave.links)}
        found: dict[Link, dict[str, list[tuple[str, str | None, str | None]]]] = {link: defaultdict(list) for link in wave.links}
        for position, key, doc, keys, raw in (await db.execute(wave.statement, values)).all():
            found[wave.links[position]][key].append((doc, keys, raw))
        for use in uses:
            above = parents[use] = _nodes(use.parent, made, roots)
            made[use] = _attach(use, above, found[use.link])
    _finish(plan, roots, made, finishers, facts)


def _nodes(use: "_Use | None", made: Mapping[_Use, Mapping[str, list[Node]]], roots: Sequence[Node]) -> list[Node]:
    if use is None:
        return list(roots)
    return [node for nodes in made[use].values() for node in nodes]


def _wanted(use: _Use, made: Mapping[_Use, Mapping[str, list[Node]]], roots: Sequence[Node]) -> set[str]:
    parent = use.parent
    if parent is not None and parent.wave == use.wave:
        return _wanted(parent, made, roots)  # the parent comes in this very wave: its id is its own key
    return {key for node in _nodes(parent, made, roots) if (key := node.key(use.link.key))}


def _attach(use: _Use, above: Sequence[Node], found: Mapping[str, Sequence[tuple[str, str | None, str | None]]]) -> dict[str, list[Node]]:
    link, made = use.link, dict[str, list[Node]]()
    for parent in above:
        key = parent.key(link.key)
        if key not in made:
            rows = found.get(key, ())
            made[key] = [node_of(link.table.shape, *row) for row in (rows if link.many else rows[:1])]
        shapes = [node.shape for node in made[key]]
        if link.many:
            setattr(parent.shape, link.name, shapes)
        elif shapes:
            setattr(parent.shape, link.name, shapes[0])
    return made


def _finish(
    plan: Plan, roots: Sequence[Node], made: Mapping[_Use, Mapping[str, list[Node]]], finishers: Mapping[type, Finisher], facts: Facts
) -> None:
    for use in reversed(plan.uses):
        if finisher := finishers.get(use.link.table.shape):
            for nodes in made[use].values():
                for node in nodes:
                    finisher(node, facts)
    if finisher := finishers.get(plan.root.shape):
        for node in roots:
            finisher(node, facts)
