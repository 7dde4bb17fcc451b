"""The walk over a parsed template: Go's scoping, pipelines and missing keys, one node at a time, each paid for."""

from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Literal

from gotpl.funcs.sprig.semver import Version
from gotpl.parse import nodes
from gotpl.runtime.values import number_value

from .budget import TEMPLATE_DEPTH, Budget
from .errors import TemplateError, TemplateTooExpensive
from .functions import FUNCTIONS, LOGIC, invoke, version_field
from .references import path_at
from .tree import Tree
from .values import ABSENT, Int64, described, is_true, printed, shown

MissingKey = Literal["error", "default", "zero"]

_NOTHING: Any = object()  # no piped argument; null is one


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Evaluation:
    """One render. `data` must be a private copy: templates may change it."""

    def __init__(self, tree: Tree, data: Any, *, missing_key: MissingKey = "error") -> None:
        self.tree = tree
        self.budget = Budget()
        self.missing_key = missing_key
        self.output: list[str] = []
        self.variables: list[tuple[str, Any]] = [("$", data)]
        self.depth = 0
        self.at = 0

    def render(self) -> str:
        try:
            self.walk(self.variables[0][1], self.tree.root)
        except TemplateError as error:
            if error.line:
                raise
            line, column = self.tree.place(self.at)
            raise type(error)(error.reason, line, column, variable=error.variable) from None
        except RecursionError:
            line, column = self.tree.place(self.at)
            raise TemplateTooExpensive("the template or a value is nested too deeply", line, column) from None
        return "".join(self.output)

    # Statements

    def walk(self, dot: Any, body: nodes.ListNode) -> None:
        for node in body.nodes:
            self.budget.spend(1)
            self._statements[type(node)](self, dot, node)

    def text(self, dot: Any, node: nodes.TextNode) -> None:
        self.write(node.text)

    def action(self, dot: Any, node: nodes.ActionNode) -> None:
        value = self.pipeline(dot, node.pipeline)
        if node.pipeline.declarations:
            return
        self.at = node.start
        if not isinstance(value, str):
            characters, _ = self.budget.weigh(value)
            self.budget.expect(characters)
            value = printed(value)
        self.write(value)

    def write(self, text: str) -> None:
        self.budget.emit(text)
        self.output.append(text)

    def if_(self, dot: Any, node: nodes.IfNode) -> None:
        mark = len(self.variables)
        if is_true(self.pipeline(dot, node.pipeline)):
            self.walk(dot, node.body)
        elif node.else_body is not None:
            self.walk(dot, node.else_body)
        del self.variables[mark:]

    def with_(self, dot: Any, node: nodes.WithNode) -> None:
        mark = len(self.variables)
        value = self.pipeline(dot, node.pipeline)
        if is_true(value):
            self.walk(value, node.body)
        elif node.else_body is not None:
            self.walk(dot, node.else_body)
        del self.variables[mark:]

    def range_(self, dot: Any, node: nodes.RangeNode) -> None:
        outer = len(self.variables)
        value = self.pipeline(dot, node.pipeline)
        self.at = node.pipeline.start
        names = [variable.name for variable in node.pipeline.declarations]
        mark = len(self.variables)
        empty = True
        try:
            for key, item in _entries(value, len(names)):
                empty = False
                self.budget.spend(1)
                self.bind_item(names, key, item, assign=node.pipeline.is_assignment)
                with suppress(_Continue):
                    self.walk(item, node.body)
                del self.variables[mark:]
            if empty and node.else_body is not None:
                self.walk(dot, node.else_body)
        except _Break:
            pass
        del self.variables[outer:]

    def bind_item(self, names: list[str], key: Any, item: Any, *, assign: bool) -> None:
        held = [item] if len(names) == 1 else [key, item][: len(names)]
        if assign:
            for name, value in zip(names, held, strict=True):
                self.assign(name, value)
        else:
            for position, (name, value) in enumerate(zip(names, held, strict=True)):
                self.variables[position - len(names)] = (name, value)

    def break_(self, dot: Any, node: nodes.BreakNode) -> None:
        raise _Break

    def continue_(self, dot: Any, node: nodes.ContinueNode) -> None:
        raise _Continue

    def call_template(self, dot: Any, node: nodes.TemplateCallNode | nodes.BlockNode) -> None:
        self.at = node.start
        body = self.tree.definitions.get(node.name)
        if body is None:
            raise self.error(f"there is no template named {node.name!r}", node.start)
        inner = self.pipeline(dot, node.pipeline) if node.pipeline is not None else ABSENT
        if self.depth >= TEMPLATE_DEPTH:
            raise TemplateTooExpensive(f"templates call one another more than {TEMPLATE_DEPTH} levels deep", *self.tree.place(node.start))
        outer, self.variables = self.variables, [("$", inner)]
        self.depth += 1
        self.walk(inner, body)
        self.depth -= 1
        self.variables = outer

    _statements: dict[type, Callable[..., None]] = {
        nodes.TextNode: text,
        nodes.ActionNode: action,
        nodes.IfNode: if_,
        nodes.WithNode: with_,
        nodes.RangeNode: range_,
        nodes.BreakNode: break_,
        nodes.ContinueNode: continue_,
        nodes.TemplateCallNode: call_template,
        nodes.BlockNode: call_template,
    }

    # Expressions

    def pipeline(self, dot: Any, pipe: nodes.PipeNode) -> Any:
        value = _NOTHING
        for command in pipe.commands:
            value = self.command(dot, command, value)
        for variable in pipe.declarations:
            if pipe.is_assignment:
                self.assign(variable.name, value)
            else:
                self.variables.append((variable.name, value))
        return value

    def assign(self, name: str, value: Any) -> None:
        for position in range(len(self.variables) - 1, -1, -1):
            if self.variables[position][0] == name:
                self.variables[position] = (name, value)
                return

    def command(self, dot: Any, command: nodes.CommandNode, piped: Any) -> Any:
        self.budget.spend(1)
        first = command.arguments[0]
        if isinstance(first, nodes.IdentifierNode):
            return self.call(dot, first, command.arguments[1:], piped)
        if isinstance(first, nodes.NilNode):
            raise self.error("nil is not a command", first.start)
        value = self.term(dot, first)
        if len(command.arguments) > 1 or piped is not _NOTHING:
            raise self.error(f"{self.tree.excerpt(first.start, first.end)} is no function and takes no argument", first.start)
        return value

    def call(self, dot: Any, function: nodes.IdentifierNode, terms: tuple[nodes.TermNode, ...], piped: Any) -> Any:
        name = function.name
        if name in LOGIC:
            return self.logic(dot, function, terms, piped)
        spec = FUNCTIONS[name]
        arguments = [self.argument(dot, term, spec.type_at(position)) for position, term in enumerate(terms)]
        if piped is not _NOTHING:
            arguments.append({} if piped is None and spec.type_at(len(arguments)) == "map" else piped)
        self.at = function.start
        self.budget.spend(1)
        return invoke(name, arguments, self.budget)

    def argument(self, dot: Any, term: nodes.TermNode, wanted: str) -> Any:
        """Return an argument as Go gives it: a constant takes the type of its parameter, and nil may stand for an empty map."""
        if isinstance(term, nodes.NumberNode):
            number = self.number(term)
            if wanted == "int" and isinstance(number, float) and number.is_integer():
                return int(number)
            return float(number) if wanted == "float64" and isinstance(number, int) else number
        value = self.term(dot, term)
        if value is None and wanted == "map" and isinstance(term, nodes.NilNode | nodes.ParenthesizedNode):
            return {}
        return value

    def logic(self, dot: Any, function: nodes.IdentifierNode, terms: tuple[nodes.TermNode, ...], piped: Any) -> Any:
        if not terms and piped is _NOTHING:
            raise self.error(f"{function.name} takes at least one argument", function.start)
        value = None
        for term in terms:
            value = self.term(dot, term)
            if is_true(value) is (function.name == "or"):
                return value
        return value if piped is _NOTHING else piped

    def term(self, dot: Any, term: nodes.TermNode) -> Any:
        self.budget.spend(1)
        match term:
            case nodes.FieldNode():
                return self.chain(dot, term.fields, term)
            case nodes.StringNode():
                return term.value
            case nodes.DotNode():
                return dot
            case nodes.VariableNode():
                return self.chain(self.variable(term.name), term.fields, term)
            case nodes.IdentifierNode():
                return self.call(dot, term, (), _NOTHING)
            case nodes.ParenthesizedNode():
                value = self.pipeline(dot, term.pipeline)
                return self.chain(ABSENT if value is None and self.missing_key != "error" else value, term.fields, term)
            case nodes.BoolNode():
                return term.value
            case nodes.NilNode():
                return None
            case nodes.CharacterNode():
                return ord(term.value)
            case nodes.NumberNode() | nodes.ComplexNode():
                return self.number(term)

    def number(self, term: nodes.NumberNode | nodes.ComplexNode) -> Any:
        number = number_value(term.text, is_complex=isinstance(term, nodes.ComplexNode))
        if isinstance(number, int) and not -(1 << 63) <= number < 1 << 63:
            raise self.error(f"{term.text} overflows int", term.start)
        return number

    def variable(self, name: str) -> Any:
        for held, value in reversed(self.variables):
            if held == name:
                return value
        raise TemplateError(f"there is no variable {name}")

    def chain(self, value: Any, fields: tuple[str, ...], node: nodes.TermNode) -> Any:
        for position, field in enumerate(fields):
            here = isinstance(value, dict) and field in value
            value = value[field] if here else self.missing(value, fields, position, node)
        return value

    def missing(self, value: Any, fields: tuple[str, ...], position: int, node: nodes.TermNode) -> Any:
        field = fields[position]
        if isinstance(value, Version):
            return version_field(value, field)
        if value is ABSENT and self.missing_key != "error":
            return ABSENT
        if isinstance(value, dict) and self.missing_key != "error":
            return ABSENT if self.missing_key == "default" else None
        raise self.missing_error(value, fields, position, node)

    def missing_error(self, value: Any, fields: tuple[str, ...], position: int, node: nodes.TermNode) -> TemplateError:
        """Name the whole path as far as it is known, what is there instead, and the likely slip of the pen."""
        # Positions in the path are counted from its end: the base of the chain may be a `with`, a variable or an `index`.
        full = path_at(self.tree, node.start, node.end)
        rest = len(fields) - position
        if full and len(full) >= rest:
            path = full[: len(full) - rest + 1]
            wanted, holder = shown(path), shown(path[:-1])
        else:
            path = ()
            written = self.tree.excerpt(node.start, node.end)
            wanted = written[: len(written) - sum(len(name) + 1 for name in fields[position + 1 :])]
            holder = wanted[: -len(fields[position]) - 1] or "."
        if isinstance(value, dict):
            near = get_close_matches(fields[position], [key for key in value if isinstance(key, str)], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            why = f"{holder} has no {fields[position]!r}{hint}"
        elif value is None or value is ABSENT:
            why = f"{holder} is null, perhaps not there yet"
        else:
            why = f"{holder} is {described(value)} and has no fields"
        line, column = self.tree.place(node.start)
        return TemplateError(f"{wanted} is missing: {why}", line, column, variable=path)

    def error(self, message: str, offset: int) -> TemplateError:
        return TemplateError(message, *self.tree.place(offset))


def _entries(value: Any, names: int) -> Any:
    """Return keys and items in Go's order: maps by key, whole numbers count up from nought."""
    if value is None or value is ABSENT:
        return ()
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, list | tuple):
        return enumerate(list(value))
    if isinstance(value, int) and not isinstance(value, bool):
        if names > 1:
            raise TemplateError("a number gives only one variable to range")
        make = Int64 if isinstance(value, Int64) else int
        return ((make(number), make(number)) for number in range(value))
    raise TemplateError(f"range cannot walk over {described(value)}")
