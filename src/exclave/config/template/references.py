"""Which variables a template reads, found in its tree without rendering it.

The walk carries what is known of the dot and of each `$variable`: a path from the root, a constant, or nothing. `index`, `get`
and `dig` lengthen a path, `with`, `range` and `:=` pass it on, an item of a `range` is written `*`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from gotpl.parse import nodes

from .tree import Tree

# The author thought of an empty value: these give something else for it, or only ask whether it is there.
_GUARDS = frozenset({"default", "coalesce", "empty", "ternary", "and", "or", "not", "all", "any", "hasKey", "dig", "get", "pluck"})


@dataclass(frozen=True, slots=True)
class Variable:
    """One reading of the state: `("nuon", "inputs", "inputs", "region")` at a line and column, both from 1.

    `guarded`: the author provides for an empty or missing value (`if`, `with`, `default`, `dig` and their like).
    `optional`: the last step goes through `index`, `dig`, `get` or `hasKey`, so that even a missing key is no error. A key named
    with a dot must exist, whatever stands around it: `{{ .nuon.x | default "y" }}` fails without `x`, as it does in Go.
    """

    path: tuple[str, ...]
    line: int
    column: int
    guarded: bool
    optional: bool = False


@dataclass(frozen=True, slots=True)
class _Constant:
    value: object


@dataclass(frozen=True, slots=True)
class _Known:
    """A value that stands at a path of the state. `fresh`: nobody has noted this reading yet."""

    path: tuple[str, ...]
    start: int = 0
    end: int = 0
    fresh: bool = False
    guarded: bool = False
    optional: bool = False

    def below(self, *keys: str, start: int, end: int, guarded: bool = False, optional: bool = False) -> "_Known":
        return _Known((*self.path, *keys), start, end, bool(keys) or self.fresh, guarded, optional)


_Value = _Known | _Constant | None
_ROOT = _Known(())


@dataclass(frozen=True, slots=True)
class _Reading:
    path: tuple[str, ...]
    start: int
    end: int
    guarded: bool
    optional: bool


def variables(tree: Tree) -> list[Variable]:
    """Return every reading, in the order of the text."""
    found = sorted(_readings(tree), key=lambda reading: (reading.start, reading.path))
    return [Variable(item.path, *tree.place(item.start), item.guarded, item.optional) for item in found]


def path_at(tree: Tree, start: int, end: int) -> tuple[str, ...]:
    """Return the whole path of the chain of fields that stands at a place, or nothing when it cannot be known."""
    paths = {path for (first, last, path) in _chains(tree) if (first, last) == (start, end)}
    return paths.pop() if len(paths) == 1 else ()


@lru_cache(maxsize=256)
def _walked(tree: Tree) -> "_Walk":
    walk = _Walk(tree)
    walk.body(tree.root, _ROOT, {"$": _ROOT}, guarded=False)
    for name, body in tree.definitions.items():
        if name not in walk.called:
            walk.body(body, None, {"$": None}, guarded=True)
    return walk


def _readings(tree: Tree) -> Sequence[_Reading]:
    return list(dict.fromkeys(_walked(tree).readings))


def _chains(tree: Tree) -> set[tuple[int, int, tuple[str, ...]]]:
    return _walked(tree).chains


@dataclass
class _Walk:
    tree: Tree
    readings: list[_Reading] = field(default_factory=list)
    chains: set[tuple[int, int, tuple[str, ...]]] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    entered: set[tuple[str, tuple[str, ...] | None, bool]] = field(default_factory=set)

    def note(self, value: _Value, *, guarded: bool) -> _Value:
        if isinstance(value, _Known) and value.fresh and value.path:
            self.readings.append(_Reading(value.path, value.start, value.end, guarded or value.guarded, value.optional))
            return replace(value, fresh=False)
        return value

    def body(self, body: nodes.ListNode, dot: _Value, scope: dict[str, _Value], *, guarded: bool) -> None:
        for node in body.nodes:
            match node:
                case nodes.ActionNode():
                    self.note(self.pipeline(node.pipeline, dot, scope, guarded=guarded), guarded=guarded)
                case nodes.IfNode() | nodes.WithNode():
                    inner = dict(scope)
                    value = self.note(self.pipeline(node.pipeline, dot, inner, guarded=True), guarded=True)
                    self.body(node.body, value if isinstance(node, nodes.WithNode) else dot, dict(inner), guarded=True)
                    if node.else_body is not None:
                        self.body(node.else_body, dot, inner, guarded=True)
                case nodes.RangeNode():
                    inner = dict(scope)
                    value = self.note(self.pipeline(node.pipeline, dot, inner, guarded=guarded), guarded=guarded)
                    item = _Known((*value.path, "*"), value.start, value.end) if isinstance(value, _Known) else None
                    names = [variable.name for variable in node.pipeline.declarations]
                    inner.update(dict.fromkeys(names[:-1]), **{names[-1]: item} if names else {})
                    self.body(node.body, item, dict(inner), guarded=True)
                    if node.else_body is not None:
                        self.body(node.else_body, dot, inner, guarded=True)
                case nodes.TemplateCallNode() | nodes.BlockNode():
                    value = None if node.pipeline is None else self.pipeline(node.pipeline, dot, scope, guarded=guarded)
                    self.enter(node.name, self.note(value, guarded=guarded), guarded=guarded)

    def enter(self, name: str, dot: _Value, *, guarded: bool) -> None:
        self.called.add(name)
        key = (name, dot.path if isinstance(dot, _Known) else None, guarded)
        if name in self.tree.definitions and key not in self.entered and len(self.entered) < 1_000:
            self.entered.add(key)
            self.body(self.tree.definitions[name], dot, {"$": dot}, guarded=guarded)

    def pipeline(self, pipe: nodes.PipeNode, dot: _Value, scope: dict[str, _Value], *, guarded: bool) -> _Value:
        value: _Value = None
        # What is piped into a guard further on is guarded too.
        for position, command in enumerate(pipe.commands):
            later = any(_name(further) in _GUARDS for further in pipe.commands[position + 1 :])
            value = self.command(command, value, position > 0, dot, scope, guarded=guarded or later)
        if pipe.declarations:
            value = self.note(value, guarded=guarded)
            for variable in pipe.declarations:
                scope[variable.name] = value
        return value

    def command(
        self, command: nodes.CommandNode, piped: _Value, has_piped: bool, dot: _Value, scope: dict[str, _Value], *, guarded: bool
    ) -> _Value:
        first = command.arguments[0]
        if not isinstance(first, nodes.IdentifierNode):
            return self.term(first, dot, scope, guarded=guarded)
        inner = guarded or first.name in _GUARDS
        arguments = [self.term(term, dot, scope, guarded=inner) for term in command.arguments[1:]]
        return self.call(first.name, [*arguments, piped] if has_piped else arguments, command, guarded=inner)

    def call(self, name: str, arguments: list[_Value], command: nodes.CommandNode, *, guarded: bool) -> _Value:
        result: _Value = None
        match name, arguments:
            case "index" | "get" | "hasKey", [_Known() as base, *keys] if keys:
                result = self.lengthened(base, keys, command)
                arguments = keys
            case "dig", [*keys, _, _Known() as base] if keys:
                result = self.lengthened(base, keys, command)
                arguments = arguments[:-1]
            case "pluck", [key, *bases]:
                for held in bases:
                    if isinstance(held, _Known):
                        self.note(self.lengthened(held, [key], command), guarded=True)
                arguments = []
            case "default" | "coalesce" | "or" | "and", [*_, last]:
                noted = [self.note(argument, guarded=guarded) for argument in arguments]
                return noted[-1] if isinstance(last, _Known) else None
        for argument in arguments:
            self.note(argument, guarded=guarded)
        if name == "hasKey":
            self.note(result, guarded=True)
            return None
        return result

    def lengthened(self, base: _Known, keys: Sequence[_Value], command: nodes.CommandNode) -> _Known:
        steps = [_step(key) for key in keys]
        start = base.start if base.fresh else command.start
        return base.below(*steps, start=start, end=command.end, guarded=_name(command) in _GUARDS, optional=True)

    def term(self, term: nodes.TermNode, dot: _Value, scope: dict[str, _Value], *, guarded: bool) -> _Value:
        match term:
            case nodes.FieldNode():
                return self.chain(dot, term.fields, term)
            case nodes.VariableNode():
                return self.chain(scope.get(term.name), term.fields, term)
            case nodes.ParenthesizedNode():
                value = self.pipeline(term.pipeline, dot, dict(scope), guarded=guarded)
                return self.chain(value, term.fields, term) if term.fields else value
            case nodes.DotNode():
                return dot
            case nodes.StringNode():
                return _Constant(term.value)
            case nodes.NumberNode():
                return _Constant(term.text)
            case _:
                return None

    def chain(self, base: _Value, fields: tuple[str, ...], term: nodes.FieldNode | nodes.VariableNode | nodes.ParenthesizedNode) -> _Value:
        if not isinstance(base, _Known):
            return None
        if not fields:
            return base
        known = base.below(*fields, start=base.start if base.fresh else term.start, end=term.end)
        self.chains.add((term.start, term.end, known.path))
        return known


def _step(key: _Value) -> str:
    return str(key.value) if isinstance(key, _Constant) else "*"


def _name(command: nodes.CommandNode) -> str:
    first = command.arguments[0]
    return first.name if isinstance(first, nodes.IdentifierNode) else ""
