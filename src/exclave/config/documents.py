"""A TOML text with its values and the place of each."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, NamedTuple

Path = tuple[str | int, ...]


class Mark(NamedTuple):
    """Where a key and its value stand, in characters from the start of the file."""

    key: int
    value: int
    end: int


class TomlError(Exception):
    """The text is not TOML. Holds the offset of the first wrong character and, when known, the way out."""

    def __init__(self, message: str, offset: int, hint: str = "", *, kind: str = "syntax") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint
        self.kind = kind


class Document:
    """A TOML text, its values, and the place of each."""

    def __init__(self, text: str, data: dict[str, Any], marks: dict[Path, Mark]) -> None:
        self.text = text
        self.data = data
        self.marks = marks
        self._starts: list[int] | None = None
        self._folded: dict[Path, Mark] | None = None

    def position(self, offset: int) -> tuple[int, int]:
        """Give the line and the column, both from 1, of a character."""
        if self._starts is None:
            self._starts = [0, *(found.end() for found in re.finditer("\n", self.text))]
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Give the text of a line, without its end."""
        self.position(0)
        starts = self._starts or [0]
        if not 1 <= number <= len(starts):
            return ""
        stop = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : stop].rstrip("\r\n")

    def mark(self, path: Path) -> Mark:
        """Give the place of a path; keys are compared without regard to case, and a missing leaf is its parent's place."""
        while path:
            found = self.marks.get(path)
            if found is None:
                if self._folded is None:
                    self._folded = {_folded(known): mark for known, mark in self.marks.items()}
                found = self._folded.get(_folded(path))
            if found is not None:
                return found
            path = path[:-1]
        return Mark(0, 0, 0)


def _folded(path: Path) -> Path:
    return tuple(part.lower() if isinstance(part, str) else part for part in path)
