"""Templates as trees: what gotpl parsed, and the place of each node in lines and columns."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache

from gotpl.errors import TemplateSyntaxError
from gotpl.parse.nodes import ListNode
from gotpl.parse.parser import ParserLimits, parse_template

from .errors import TemplateError
from .functions import NAMES

SOURCE_CHARACTERS = 1_000_000
LIMITS = ParserLimits(max_source_bytes=4_000_000, max_tokens=60_000, max_nesting=100)
CACHED_CHARACTERS = 65_536


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

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1, columns in characters."""
        line = bisect_right(self.line_starts, offset)
        return line, len(self.encoded[self.line_starts[line - 1] : offset].decode(errors="replace")) + 1

    def excerpt(self, start: int, end: int) -> str:
        return self.encoded[start:end].decode(errors="replace")


def grow(text: str) -> Tree:
    """Parse a template. Trees are cached by the hash of their text; long texts are not kept."""
    return _cached(text) if len(text) <= CACHED_CHARACTERS else _parse(text)


@lru_cache(maxsize=1024)
def _cached(text: str) -> Tree:
    return _parse(text)


def _parse(text: str) -> Tree:
    if len(text) > SOURCE_CHARACTERS:
        raise TemplateError(f"the template is longer than {SOURCE_CHARACTERS:,} characters", kind="parse")
    try:
        parsed = parse_template(text, functions=NAMES, limits=LIMITS)
    except TemplateSyntaxError as error:
        line, column = Tree(text, ListNode(()), {}).place(error.position)
        raise TemplateError(str(error).split(": ", 1)[-1], line, column, kind="parse") from None
    except RecursionError:
        raise TemplateError("the template is nested too deeply", kind="parse") from None
    except (ValueError, ArithmeticError, LookupError) as error:
        raise TemplateError(f"the template cannot be read: {error}", kind="parse") from None
    return Tree(text, parsed.root, {definition.name: definition.body for definition in parsed.definitions})
