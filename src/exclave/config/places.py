"""Where a value of the model was written: a file, and the document with its positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from exclave.config import codes
from exclave.config.documents import Document, Mark, Path
from exclave.config.reports import Report, Severity

# How many words are compared while looking for what was meant; each takes some microseconds.
MAX_GUESSES = 20_000


class Place(msgspec.Struct, frozen=True):
    """A place in a file, both from 1; 0 for the whole file."""

    file: str
    line: int = 0
    column: int = 0


class Origin(msgspec.Struct, frozen=True):
    """A table of a document: where a node of the model came from."""

    file: str
    document: Document
    path: Path = ()

    def below(self, *path: str | int) -> Origin:
        """Give the origin of something inside."""
        return Origin(self.file, self.document, (*self.path, *path))

    def mark(self) -> Mark:
        """Find the place of the value in the document."""
        return self.document.mark(self.path)


class Loading(msgspec.Struct, frozen=True):
    """A text that came from a file or an address; templates inside it are reported there."""

    file: str
    text: str


class Ledger:
    """Collects reports, and knows for each path of the model where it was written."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.origins: dict[Path, Origin] = {}
        self.loaded: dict[Path, Loading] = {}
        # Sections of which a file could not be read: a name that is not found may well be there.
        self.incomplete: set[str] = set()
        self._guesses = MAX_GUESSES
        self._once: set[tuple[str, str]] = set()

    def origin(self, path: Path) -> Origin | None:
        """Find where a path of the model was written, by its nearest known parent."""
        rest: Path = ()
        while True:
            found = self.origins.get(path)
            if found is not None:
                return found.below(*rest) if rest else found
            if not path:
                return None
            path, rest = path[:-1], (path[-1], *rest)

    def place(self, path: Path) -> Place:
        """Give the file, line and column of a path of the model."""
        origin = self.origin(path)
        if origin is None:
            return Place("")
        line, column = origin.document.position(origin.mark().value)
        return Place(origin.file, line, column)

    def guess(self, word: str, choices: Sequence[str], cutoff: float = 0.7) -> str:
        """Find what was probably meant, or nothing. An app with thousands of mistakes gets suggestions for the first ones."""
        self._guesses -= len(choices)
        if self._guesses < 0:
            return ""
        import difflib

        found = difflib.get_close_matches(word[:80], choices, n=1, cutoff=cutoff)
        return found[0] if found else ""

    def say(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        at: Origin | None = None,
        on: str = "value",
        file: str = "",
        key: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Report something at the key or the value of an origin, or about a whole file."""
        severity = severity or codes.CODES[code].severity
        if at is None:
            self.reports.append(Report(code=code, severity=severity, file=file, key=key, message=message, hint=hint))
            return
        mark = at.mark()
        offset = mark.key if on == "key" else mark.value
        # A key's length ends where its value begins; a value's at the end of its line.
        line, column = at.document.position(offset)
        text = at.document.line(line)
        if on == "key" and mark.key == mark.value:
            length = max(1, min(mark.end - mark.key, len(text) - column + 1))
        elif on == "key":
            length = len(text[column - 1 : column - 1 + mark.value - mark.key].split("=")[0].rstrip()) or 1
        else:
            length = max(1, min(mark.end - mark.value, len(text) - column + 1))
        self.reports.append(
            Report(
                code=code,
                severity=severity,
                file=at.file,
                line=line,
                column=column,
                length=length,
                key=key or dotted(at.path),
                message=message,
                hint=hint,
                line_text=_bounded(text, column),
            )
        )

    def say_once(self, code: str, about: str, message: str, *, at: Origin) -> None:
        """Report something once in the whole app."""
        if (code, about) not in self._once:
            self._once.add((code, about))
            self.say(code, message, at=at, on="key")

    def say_inside(
        self,
        code: str,
        message: str,
        hint: str,
        *,
        at: Path,
        line: int,
        column: int,
        length: int = 1,
        severity: Severity | None = None,
    ) -> None:
        """Report something inside a text, `line` and `column` counting from its own start."""
        origin = self.origin(at)
        if origin is None:
            return
        loading = self.loaded.get(at)
        if loading is not None:
            file = loading.file
            lines = loading.text.split("\n")
            text = lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""
        else:
            file, document = origin.file, origin.document
            line, column = document.position(_inside(document.text, origin.mark(), line, column))
            text = document.line(line)
        self.reports.append(
            Report(
                code=code,
                severity=severity or codes.CODES[code].severity,
                file=file,
                line=line,
                column=column,
                length=max(1, min(length, len(text) - column + 1)),
                key=dotted(origin.path),
                message=message,
                hint=hint,
                line_text=_bounded(text, column),
            )
        )


def _bounded(line: str, column: int) -> str:
    """Keep a line out of a report when it is longer than anybody reads."""
    return line if len(line) <= 5000 else line[:5000] if column < 4000 else ""


def dotted(path: Path) -> str:
    """Write a path as people do: `steps[0].env_vars.REGION`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _inside(text: str, mark: Mark, line: int, column: int) -> int:
    """Turn a place inside a text value into an offset in its document."""
    start = mark.value
    raw = text[start : mark.end]
    multi = raw[:3] in ('"""', "'''")
    at = 3 if multi else 1 if raw[:1] in ("'", '"') else 0
    if multi:
        at += 2 if raw.startswith("\r\n", 3) else 1 if raw.startswith("\n", 3) else 0
    escapes = raw[:1] == '"'
    row, col = 1, 1
    while at < len(raw) and (row, col) < (line, column):
        char = raw[at]
        if escapes and char == "\\":
            nxt = raw[at + 1 : at + 2]
            if nxt in ("\n", "\r", " ", "\t"):
                at += 1
                while at < len(raw) and raw[at] in " \t\r\n":
                    at += 1
                continue
            at += {"u": 6, "U": 10}.get(nxt, 2)
            row, col = (row + 1, 1) if nxt == "n" else (row, col + 1)
        elif char == "\n":
            at, row, col = at + 1, row + 1, 1
        elif char == "\r":
            at += 1
        else:
            at, col = at + 1, col + 1
    return start + min(at, max(0, len(raw) - 1))


def find(data: Any, path: Path) -> Any:
    """Follow a path through plain values; None where it ends early."""
    for part in path:
        if isinstance(data, dict) and isinstance(part, str):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data
