"""What stands under the cursor of an editor, in a text that may be half written.

A document in the middle of a key press is seldom TOML, so this reads lines: the last table's name above the cursor, the key of the line,
and whether the cursor is in a template. Lines and columns count from 1, columns in characters.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from exclave.config import rules
from exclave.config.rules.base import Key, Section

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-\"' ]*?)\s*(\]?\]?)\s*(?:#.*)?$")
_PAIR = re.compile(r"\s*([A-Za-z0-9_\-\"'.]+)\s*=\s*(.*)$", re.DOTALL)
_TEMPLATE = re.compile(r"\.(nuon|action)((?:\.[A-Za-z0-9_]*)*)$")
_TYPE = re.compile(r"^\s*type\s*=\s*[\"']([a-z_]+)[\"']", re.MULTILINE | re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9_.\-/:*]+")


class Spot(NamedTuple):
    """Where the cursor is: the table, the key, and what is being written."""

    where: Literal["key", "value", "header", "template", "none"]
    table: tuple[str, ...] = ()
    key: str = ""
    typed: str = ""  # what of the word stands before the cursor
    present: tuple[str, ...] = ()  # keys that the table has already


def spot(text: str, line: int, column: int) -> Spot:
    """Say where a position is."""
    lines = text.split("\n")
    lines = lines[: max(1, min(line, len(lines)))]
    current = lines[-1][: column - 1]
    table, key, quote = _above(lines[:-1])
    template = _in_template(lines, current, bool(quote))
    if quote and quote not in current:
        return Spot("template" if template is not None else "value", table, key, template or "")
    if quote:
        current = current.split(quote, 1)[1]
    header = _HEADER.match(current)
    if header and current.strip().startswith("["):
        return Spot("header", (), "", header[2])
    pair = _PAIR.match(current)
    if template is not None:
        return Spot("template", table, pair[1] if pair else key, template)
    if pair:
        word = re.search(r"[A-Za-z0-9_.\-/]*$", pair[2])
        return Spot("value", table, pair[1].strip("\"'"), word[0] if word else "")
    if "#" in current:
        return Spot("none", table)
    if key and _open_list(lines):
        word = re.search(r"[A-Za-z0-9_.\-/]*$", current)
        return Spot("value", table, key, word[0] if word else "")
    return Spot("key", table, "", current.strip(), _present(text.split("\n"), line))


def _above(lines: list[str]) -> tuple[tuple[str, ...], str, str]:
    """Read the lines above: the table, the last key, and the quote of a long text that is still open."""
    table: tuple[str, ...] = ()
    key = quote = ""
    for line in lines:
        rest = line
        if quote:
            if quote not in rest:
                continue
            rest, quote = rest.split(quote, 1)[1], ""
        else:
            header = _HEADER.match(rest)
            if header and header[3] and rest.strip().startswith("["):
                table = tuple(part.strip().strip("\"'") for part in header[2].split("."))
                key = ""
                continue
            pair = _PAIR.match(rest)
            if pair:
                key = pair[1].strip("\"'")
        while True:
            found = re.search(r'"""|\'\'\'', rest)
            if not found:
                break
            rest = rest[found.end() :]
            if found[0] in rest:
                rest = rest.split(found[0], 1)[1]
            else:
                quote = found[0]
                break
    return table, key, quote


def _in_template(lines: list[str], current: str, long: bool) -> str | None:
    """Give the path that is being written inside `{{ }}`, or None outside of one."""
    before = "\n".join([*lines[-200:-1], current]) if long else current
    opened = before.rfind("{{")
    if opened < 0 or before.rfind("}}") > opened:
        return None
    found = _TEMPLATE.search(before[opened:])
    return f"{found[1]}{found[2]}" if found else ""


def _open_list(lines: list[str]) -> bool:
    for line in reversed(lines[:-1]):
        pair = _PAIR.match(line)
        if pair:
            return pair[2].count("[") > pair[2].count("]")
        if "]" in line:
            return False
    return False


def _present(lines: list[str], line: int) -> tuple[str, ...]:
    """List the keys of the table around a line."""
    first = last = line - 1
    while first > 0 and not lines[first - 1].lstrip().startswith("["):
        first -= 1
    while last < len(lines) and not (last > line - 1 and lines[last].lstrip().startswith("[")):
        last += 1
    keys = [pair[1].strip("\"'").lower() for number in range(first, last) if (pair := _PAIR.match(lines[number])) and number != line - 1]
    return tuple(keys)


def word(text: str, line: int, column: int) -> tuple[str, int]:
    """Give the word at a position, and the column where it begins."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return "", column
    for found in _WORD.finditer(lines[line - 1]):
        if found.start() < column <= found.end() + 1:
            return found[0], found.start() + 1
    return "", column


def section_of(file: str, text: str) -> Section | None:
    """Say which section a file of the app is."""
    if file in rules.FILES:
        return rules.FILES[file]
    directory = file.split("/")[0]
    if "/" in file and directory == "components":
        found = _TYPE.search(text)
        kind = rules.KIND_ALIASES.get(found[1], found[1]) if found else ""
        return rules.BY_KIND.get(kind, rules.ROOT)
    return rules.DIRECTORIES.get(directory) if "/" in file else None


def inside(section: Section, table: tuple[str, ...]) -> Section | Key | None:
    """Follow a table's name: the section that it is, or the key when it holds free names."""
    here: Section = section
    for i, part in enumerate(table):
        key = here.key(part.lower())
        if key is None:
            return None
        if key.section is None:
            return key if i == len(table) - 1 else None
        here = key.section
    return here
