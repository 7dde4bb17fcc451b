"""Check a standard cron expression of five fields, or a named one such as `@daily`."""

from __future__ import annotations

import re

_NAMED = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: i for i, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: i for i, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 6))


def problem(text: str) -> str:
    """Say what is wrong with a schedule, or nothing."""
    if text.startswith("@"):
        if text in _NAMED or re.fullmatch(r"@every ([0-9]+(ms|s|m|h))+", text):
            return ""
        return f"{text} is none of {', '.join(sorted(_NAMED))}"
    parts = text.split()
    if parts and parts[0].startswith(("TZ=", "CRON_TZ=")):
        parts = parts[1:]
    if len(parts) != 5:
        return f"a schedule has five fields (minute, hour, day, month, weekday), this has {len(parts)}"
    for part, (name, low, high) in zip(parts, _FIELDS, strict=True):
        for item in part.split(","):
            wrong = _item(item, name, low, high)
            if wrong:
                return wrong
    return ""


def _item(item: str, name: str, low: int, high: int) -> str:
    span, slash, step = item.partition("/")
    if slash and not (step.isascii() and step.isdigit() and len(step) < 4 and int(step) > 0):
        return f"the step `{step}` of the {name} is not a number above 0"
    if span in ("*", "?"):
        return ""
    ends = span.split("-")
    if len(ends) > 2:
        return f"`{item}` is not a {name}"
    numbers = []
    for end in ends:
        number = _number(end, name)
        if number is None:
            return f"`{item}` is not a {name}"
        if not low <= number <= high:
            return f"the {name} `{end}` is not between {low} and {high}"
        numbers.append(number)
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        return f"the range `{span}` of the {name} runs backwards"
    return ""


def _number(text: str, name: str) -> int | None:
    names = _MONTHS if name == "month" else _DAYS if name == "day of the week" else {}
    if text.lower() in names:
        return names[text.lower()]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None
