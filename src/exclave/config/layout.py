"""Lay TOML out in one way, keeping every comment and every value as it is written.

One space around `=`, no indentation, one empty line before a table, at most one between keys, two spaces before a comment at the end of
a line. Formatting twice changes nothing more, and the values stay the same (tests).
"""

from __future__ import annotations

import re

from exclave.config import toml
from exclave.config.documents import Mark

_HEADER = re.compile(r"\s*(\[\[?)(.*?)(\]\]?)\s*(#.*)?$")


def arrange(text: str) -> str:
    """Give the same document in the usual layout; raises `TomlError` for what is no TOML."""
    document = toml.parse(text)
    text = document.text.removeprefix("\ufeff").replace("\r\n", "\n")
    if text != document.text:
        document = toml.parse(text)
    marks: dict[int, Mark] = {}
    for mark in document.marks.values():
        if mark.key not in marks or marks[mark.key].end < mark.end:
            marks[mark.key] = mark
    lines: list[str] = []
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end]
        stripped = line.strip()
        start = at + len(line) - len(line.lstrip(" \t"))
        if not stripped:
            if lines and lines[-1] and not _opens(lines[-1]):
                lines.append("")
        elif stripped.startswith("#"):
            lines.append(stripped)
        elif stripped.startswith("["):
            _separate(lines)
            lines.append(_header(document.text[start:end]))
        else:
            mark = marks[start]
            end = text.find("\n", mark.end)
            end = len(text) if end < 0 else end
            rest = text[mark.end : end].strip()
            equals = text[mark.key : mark.value].rstrip().removesuffix("=").rstrip()
            value = text[mark.value : mark.end]
            lines.extend(f"{_dotted(equals)} = {value}{f'  {rest}' if rest else ''}".split("\n"))
        at = end + 1
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n" if lines else ""


def _separate(lines: list[str]) -> None:
    """Put an empty line before a table, above the comments that stand directly on it."""
    at = len(lines)
    while at and lines[at - 1].startswith("#"):
        at -= 1
    if at and lines[at - 1]:
        lines.insert(at, "")


def _opens(line: str) -> bool:
    # Nothing stands between a table's name and its first key.
    return len(line) < 500 and bool(_HEADER.match(line)) and "=" not in line.split("]")[0]


def _header(line: str) -> str:
    found = re.match(r"(\[\[?)", line)
    assert found is not None
    opening = found[1]
    closing = "]" * len(opening)
    depth_end = _closing(line, len(opening), closing)
    name = _dotted(line[len(opening) : depth_end])
    rest = line[depth_end + len(closing) :].strip()
    return f"{opening}{name}{closing}{f'  {rest}' if rest else ''}"


def _closing(line: str, at: int, closing: str) -> int:
    quote = ""
    while at < len(line):
        char = line[at]
        if quote:
            if char == "\\" and quote == '"':
                at += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif line.startswith(closing, at):
            return at
        at += 1
    return at


def _dotted(name: str) -> str:
    parts: list[str] = []
    quote, part = "", ""
    at = 0
    while at < len(name):
        char = name[at]
        if quote:
            part += char
            if char == "\\" and quote == '"' and at + 1 < len(name):
                at += 1
                part += name[at]
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
            part += char
        elif char == ".":
            parts.append(part.strip())
            part = ""
        else:
            part += char
        at += 1
    return ".".join([*parts, part.strip()])
