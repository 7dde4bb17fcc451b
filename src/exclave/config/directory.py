"""The files of an app directory: found, bounded, and never outside of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from exclave.config import toml
from exclave.config.documents import Document, TomlError
from exclave.config.places import Ledger, Origin
from exclave.config.reports import Report

MAX_TOML = 1 << 20
MAX_TEXT = 4 << 20
MAX_FILES = 20_000
MAX_LEVELS = 16


class Directory:
    """An app directory that is read once; every name is relative to it, with `/` between the parts.

    `overlay` replaces the text of files, as an editor does with what is not yet saved.
    """

    def __init__(self, root: Path, ledger: Ledger, overlay: dict[str, str] | None = None) -> None:
        self.root = Path(os.path.abspath(root))
        self.real = os.path.realpath(root)
        self.ledger = ledger
        self.overlay = overlay or {}
        self.documents: dict[str, Document] = {}
        self._counted = 0
        self._full = False

    def entries(self, name: str = "") -> list[os.DirEntry[str]]:
        """List a directory in the order of its names' bytes."""
        try:
            with os.scandir(self.root / name) as found:
                return sorted(found, key=lambda entry: os.fsencode(entry.name))
        except (FileNotFoundError, NotADirectoryError):  # an editor's text may stand where no directory is yet
            return []
        except OSError as error:
            self.ledger.say("EX-C004", f"the directory {name} cannot be read: {error.strerror}", file=name)
            return []

    def walk(self, name: str, level: int = 0) -> list[str]:
        """List every `*.toml` below a directory; sub-directories are descended in place, links to directories are told of."""
        found: list[str] = []
        for entry in self.entries(name):
            path = f"{name}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if level < MAX_LEVELS:
                    found += self.walk(path, level + 1)
                else:
                    self.ledger.say("EX-C005", f"directories are nested deeper than {MAX_LEVELS} levels", file=path)
            elif entry.is_dir():
                self.ledger.say("EX-C007", f"{path} is a link to a directory and is not read", "copy its files into the app", file=path)
            elif entry.name.lower().endswith(".toml") and not entry.name.endswith(".toml"):
                self.ledger.say("EX-C007", f"the file {path} is not read", f'did you mean "{entry.name[:-5]}.toml"?', file=path)
            elif entry.name.endswith(".toml"):
                self._counted += 1
                if self._counted > MAX_FILES:
                    if not self._full:
                        self._full = True
                        self.ledger.say("EX-C005", f"the app has more than {MAX_FILES:,} configuration files", file=name)
                    return found
                found.append(path)
        return found

    def exists(self, name: str) -> bool:
        """Say whether a file of this name exists."""
        return name in self.overlay or os.path.isfile(self.root / name)

    def contains(self, name: str) -> bool:
        """Say whether a name, links followed, is inside the app directory."""
        real = os.path.realpath(self.root / name)
        return real == self.real or real.startswith(self.real + os.sep)

    def text(self, name: str, limit: int = MAX_TEXT, at: Origin | None = None) -> str | None:
        """Read a file of the app, or report why not. `at` is the value that names it."""
        if name in self.overlay:
            return self.overlay[name]
        path = self.root / name
        file = "" if at else name
        try:
            if not self.contains(name):
                target = os.path.realpath(path)
                self.ledger.say(
                    "EX-C006",
                    f"{name} is a link that leads out of the app directory, to {target}",
                    "copy the file into the app",
                    at=at,
                    file=file,
                )
                return None
            with open(path, "rb", opener=_without_waiting) as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode):
                    self.ledger.say("EX-C004", f"{name} is not a file", at=at, file=file)
                    return None
                if status.st_size > limit:
                    self.ledger.say("EX-C005", f"{name} has {status.st_size:,} bytes; the limit is {limit:,}", at=at, file=file)
                    return None
                data = stream.read(limit + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.ledger.say("EX-C004", f"{name} cannot be read: {reason}", at=at, file=file)
            return None
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            before = data[: error.start]
            line = before.count(b"\n") + 1
            column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
            self.ledger.reports.append(
                Report(
                    code="EX-C004",
                    severity="error",
                    file=name,
                    line=line,
                    column=column,
                    message=f"the byte 0x{data[error.start]:02x} is not UTF-8",
                    hint="save the file as UTF-8",
                    line_text=_printable(data.split(b"\n")[line - 1]),
                )
            )
            return None

    def document(self, name: str) -> Document | None:
        """Parse a TOML file, or report where it breaks. An empty file is as none."""
        known = self.documents.get(name)
        if known is not None:
            return known
        text = self.text(name, MAX_TOML)
        if not text:
            return None
        try:
            document = toml.parse(text)
        except TomlError as error:
            where = Document(text, {}, {})
            line, column = where.position(min(error.offset, len(text)))
            code = {"syntax": "EX-C010", "duplicate": "EX-C011", "limit": "EX-C005"}[error.kind]
            self.ledger.reports.append(
                Report(
                    code=code,
                    severity="error",
                    file=name,
                    line=line,
                    column=column,
                    message=error.message,
                    hint=error.hint,
                    line_text=where.line(line)[:500],
                )
            )
            return None
        self.documents[name] = document
        return document


def inside(base: str, path: str) -> str | None:
    """Join a path to a base and give its plain form, or None when it leaves the app directory."""
    parts: list[str] = []
    for part in PurePosixPath(base, path).parts:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part == "/":
            return None
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _without_waiting(path: str, flags: int) -> int:
    # A named pipe without a writer would block the open for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _printable(line: bytes) -> str:
    return line[:500].decode("utf-8", "replace").rstrip("\r")
