"""Templates as trees: what gotpl parsed, and the place of each node in lines and columns."""

import re
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from gotpl.errors import TemplateSyntaxError
from gotpl.parse import lexer
from gotpl.parse.nodes import ListNode
from gotpl.parse.parser import ParserLimits, parse_template

from .errors import TemplateError
from .functions import NAMES

SOURCE_CHARACTERS = 1_000_000
LIMITS = ParserLimits(max_source_bytes=4_000_000, max_tokens=60_000, max_nesting=100)
KEPT_CHARACTERS = 1 << 20
SAID = 300

# gotpl 0.1.0 spells "0 and octal digits" as a repetition in a repetition: what is no number after all, such as 0…09, takes it a time
# that doubles with each digit. This spells the same numbers in linear time (found by tests/config/fuzz.py, kept by an attack test). And no
# repetition keeps a way back for each digit: what follows digits is never one, and a million of them would take 100 MB.
_NESTED, _LINEAR = lexer._LEGACY_OCTAL_INTEGER, "0(?:_?[0-7])+"


def _spelled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(_NESTED, _LINEAR).replace("])*", "])*+").replace("])+", "])++"))


lexer._NUMBER_PATTERN = _spelled(lexer._NUMBER_PATTERN.pattern)
lexer._COMPLEX_PATTERN = _spelled(lexer._COMPLEX_PATTERN.pattern)


@dataclass(frozen=True, eq=False)
class Tree:
    """One parsed text. Positions in nodes are offsets into its UTF-8 bytes."""

    source: str
    root: ListNode
    definitions: dict[str, ListNode]

    @cached_property
    def encoded(self) -> bytes:
        return self.source.encode(errors="replace")

    @cached_property
    def line_starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer(b"\n", self.encoded))]

    @cached_property
    def may_change_data(self) -> bool:
        """Return whether a name of a function that changes a map stands anywhere in the text."""
        return re.search(r"\b(set|unset|(must)?[mM]erge(Overwrite)?)\b", self.source) is not None

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1, columns in characters."""
        line = bisect_right(self.line_starts, offset)
        return line, len(self.encoded[self.line_starts[line - 1] : offset].decode(errors="replace")) + 1

    def excerpt(self, start: int, end: int) -> str:
        return self.encoded[start:end].decode(errors="replace")


class _Forest:
    """The trees used last, found by the hash of their text. A tree takes about 90 bytes for each character of it."""

    def __init__(self, characters: int) -> None:
        self._room = characters
        self._trees: OrderedDict[str, Tree] = OrderedDict()
        self._lock = Lock()

    def get(self, text: str) -> Tree | None:
        with self._lock:
            tree = self._trees.get(text)
            if tree is not None:
                self._trees.move_to_end(text)
            return tree

    def put(self, text: str, tree: Tree) -> None:
        if len(text) > KEPT_CHARACTERS // 4:
            return
        with self._lock:
            if text not in self._trees:
                self._trees[text] = tree
                self._room -= len(text) + 100
            while self._room < 0:
                oldest, _ = self._trees.popitem(last=False)
                self._room += len(oldest) + 100


_forest = _Forest(KEPT_CHARACTERS)


def grow(text: str) -> Tree:
    """Return the tree of a template, parsed now or before."""
    tree = _forest.get(text)
    if tree is None:
        tree = _parse(text)
        _forest.put(text, tree)
    return tree


def _parse(text: str) -> Tree:
    if len(text) > SOURCE_CHARACTERS:
        raise TemplateError(f"the template is longer than {SOURCE_CHARACTERS:,} characters", kind="parse")
    try:
        parsed = parse_template(text, functions=NAMES, limits=LIMITS)
    except TemplateSyntaxError as error:
        line, column = Tree(text, ListNode(()), {}).place(error.position)
        said = str(error).split(": ", 1)[-1]  # it quotes what it cannot read, however long
        raise TemplateError(said if len(said) <= SAID else f"{said[:SAID]}…", line, column, kind="parse") from None
    except RecursionError:
        raise TemplateError("the template is nested too deeply", kind="parse") from None
    except (ValueError, ArithmeticError, LookupError) as error:
        raise TemplateError(f"the template cannot be read: {error}", kind="parse") from None
    return Tree(text, parsed.root, {definition.name: definition.body for definition in parsed.definitions})
