"""How large a function's result would be, asked before it is made: `repeat 1e9` must cost nothing."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from .budget import Budget
from .errors import TemplateTooExpensive

PRINTF_WIDTH = 10_000
PATTERN_CHARACTERS = 1_000
PATTERN_REPEATS = 1_000


def check(name: str, values: Sequence[Any], depth: int, budget: Budget) -> None:
    """Refuse a call whose result or work would be too large. Types and numbers of arguments are already right."""
    if name == "dict":
        # Keys become texts, whatever they are; values are only held.
        for key in values[::2]:
            budget.expect(budget.weigh(key)[0] + 4)
    rule = _RULES.get(name)
    if rule is not None:
        budget.expect(rule(values, depth))


def _repeat(values: Sequence[Any], _: int) -> int:
    return int(max(values[0], 0) * len(values[1]))


def _indent(values: Sequence[Any], _: int) -> int:
    return int((values[1].count("\n") + 1) * max(values[0], 0) + len(values[1]))


def _replace(values: Sequence[Any], _: int) -> int:
    old, new, text = values
    return int(len(text) + (text.count(old) if old else len(text) + 1) * len(new))


def _join(values: Sequence[Any], _: int) -> int:
    return int(len(values[0]) * len(values[1]) if isinstance(values[1], list | tuple) else 0)


def _until(values: Sequence[Any], _: int) -> int:
    return int(4 * abs(values[0]))


def _until_step(values: Sequence[Any], _: int) -> int:
    start, stop, step = values
    return int(4 * abs((stop - start) // step) if step else 0)


def _seq(values: Sequence[Any], _: int) -> int:
    if len(values) == 1:
        return int(8 * abs(values[0]))
    if len(values) == 2:
        return int(8 * abs(values[1] - values[0]))
    return int(8 * abs((values[2] - values[0]) // values[1]) if len(values) == 3 and values[1] else 0)


def _wrap_with(values: Sequence[Any], _: int) -> int:
    width, separator, text = values
    return int(len(text) + (len(text.encode()) // max(width, 1) + 1) * max(len(separator), 1))


def _wrap(values: Sequence[Any], _: int) -> int:
    return int(2 * len(values[1]))


def _pairs(values: Sequence[Any], _: int) -> int:
    """`uniq` compares every item with every other."""
    return int(len(values[0]) ** 2 if isinstance(values[0], list) else 0)


def _excluded(values: Sequence[Any], _: int) -> int:
    return int(4 * len(values[0]) * len(values) if isinstance(values[0], list) else 0)


def _membership(values: Sequence[Any], _: int) -> int:
    return int(4 * len(values[1]) if isinstance(values[1], list) else 0)


def _made_of(values: Sequence[Any], _: int) -> int:
    return int(4 * len(values))


def _indented_json(values: Sequence[Any], depth: int) -> int:
    return int(2 * depth * _items(values[0]))


def _items(value: Any) -> int:
    pending, count = [value], 0
    while pending:
        item = pending.pop()
        count += 1
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
    return count


def _printf(values: Sequence[Any], _: int) -> int:
    widths = [int(digits[:9]) for digits in re.findall(r"\d+", values[0])]
    widths += [abs(value) for value in values[1:] if isinstance(value, int)] if "*" in values[0] else []
    if any(width > PRINTF_WIDTH for width in widths):
        raise TemplateTooExpensive(f"printf: no width or precision may be above {PRINTF_WIDTH:,}")
    return sum(widths)


def _pattern(values: Sequence[Any], _: int) -> int:
    """A linear engine takes the product of the text and the pattern with its repeats written out."""
    pattern, text = values[0], values[1]
    counts = [max(int(low[:9]), int(high[:9] or 0), 1) for low, high in re.findall(r"\{(\d+)(?:,(\d*))?\}", pattern)]
    # A single repeat above the limit is no valid pattern in Go: the engine says so.
    repeats = 1 if any(count > PATTERN_REPEATS for count in counts) else math.prod(counts)
    if len(pattern) > PATTERN_CHARACTERS or repeats > PATTERN_REPEATS:
        raise TemplateTooExpensive(f"a pattern may have {PATTERN_CHARACTERS} characters and {PATTERN_REPEATS} repeats, not more")
    return len(pattern) * repeats * (len(text) + 4)


def _replaced_pattern(values: Sequence[Any], _: int) -> int:
    pattern, text, replacement = values
    copied = (len(text) + 1) * len(replacement) + replacement.count("$") * len(text)
    return _pattern((pattern, text), 0) + int(copied)


_RULES: dict[str, Callable[[Sequence[Any], int], int]] = {
    "repeat": _repeat,
    "indent": _indent,
    "nindent": _indent,
    "replace": _replace,
    "join": _join,
    "until": _until,
    "untilStep": _until_step,
    "seq": _seq,
    "wrap": _wrap,
    "wrapWith": _wrap_with,
    "printf": _printf,
    "list": _made_of,
    "tuple": _made_of,
    "has": _membership,
    "mustHas": _membership,
    "uniq": _pairs,
    "mustUniq": _pairs,
    "without": _excluded,
    "mustWithout": _excluded,
    "toPrettyJson": _indented_json,
    "mustToPrettyJson": _indented_json,
    **dict.fromkeys(("regexMatch", "mustRegexMatch", "regexFind", "mustRegexFind", "regexFindAll", "mustRegexFindAll"), _pattern),
    **dict.fromkeys(("regexSplit", "mustRegexSplit"), _pattern),
    **dict.fromkeys(("regexReplaceAll", "mustRegexReplaceAll"), _replaced_pattern),
    **dict.fromkeys(("regexReplaceAllLiteral", "mustRegexReplaceAllLiteral"), _replaced_pattern),
}
