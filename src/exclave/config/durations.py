"""Go's durations (`1h30m`, `90s`) to nanoseconds and back."""

from __future__ import annotations

import re
from fractions import Fraction

SECOND = 1_000_000_000
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_LIMIT = 2**63 - 1


def nanoseconds(text: str) -> int:
    """Read a Go duration; raises ValueError with the reason in the reader's words."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest or len(rest) > 64:
        raise ValueError("it is empty" if not rest else "it is too long")
    total = Fraction(0)
    at = 0
    while at < len(rest):
        found = _PART.match(rest, at)
        if not found:
            raise ValueError("the unit is missing" if re.fullmatch(r"[0-9.]+", rest[at:]) else f"`{rest[at:]}` is not understood")
        total += Fraction(found[1].rstrip(".") if not found[1].startswith(".") else "0" + found[1]) * _UNITS[found[2]]
        at = found.end()
    value = int(total)
    if value > _LIMIT:
        raise ValueError("it is longer than 292 years")
    return sign * value


def text(value: int) -> str:
    """Write nanoseconds as Go does: `1h30m0s`, `1.5s`, `250ms`."""
    if value == 0:
        return "0s"
    sign, value = ("-" if value < 0 else ""), abs(value)
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if value < size * 1_000:
            return f"{sign}{_decimal(value, size)}{unit}"
    hours, rest = divmod(value, 3600 * SECOND)
    minutes, rest = divmod(rest, 60 * SECOND)
    seconds = f"{_decimal(rest, SECOND)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _decimal(value: int, size: int) -> str:
    whole, part = divmod(value, size)
    digits = str(part).rjust(len(str(size)) - 1, "0").rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)
