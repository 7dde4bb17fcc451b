"""Values that name a text to load: a file of the app, or an address.

A value is a name when it is one word that begins with `./`, `../`, `file://`, `https://`, `git::`, `git@` or `github.com/`.
Anything else, a script that begins with "git clone" for instance, is the text itself (config.md 1.4 and 7.8).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from exclave.config.directory import MAX_TEXT, inside
from exclave.config.places import Loading, Origin

if TYPE_CHECKING:
    from exclave.config.directory import Directory

Fetch = Callable[[str], str]

LOCAL = ("./", "../", "file://")
REMOTE = ("https://", "http://", "git::", "git@", "github.com/")


class FetchFailed(Exception):
    """An address gave no text; the message says why."""


def names_a_file(value: str) -> bool:
    """Say whether a value is the path of a file of the app."""
    return value.startswith(LOCAL) and not _is_text(value)


def names_an_address(value: str) -> bool:
    """Say whether a value is an address to fetch."""
    return value.startswith(REMOTE) and not _is_text(value)


def _is_text(value: str) -> bool:
    return len(value) > 2000 or "{{" in value or any(char.isspace() for char in value.strip())


class Loader:
    """Replaces values by the texts that they name."""

    def __init__(self, directory: Directory, *, offline: bool, fetch: Fetch | None) -> None:
        self.directory = directory
        self.ledger = directory.ledger
        self.offline = offline
        self.fetch = fetch
        self.fetched: dict[str, str] = {}

    def load(self, value: str, at: Origin, model: tuple[str | int, ...]) -> str | None:
        """Give the text that a value means, or None after a report."""
        value = value.strip() if value.startswith((*LOCAL, *REMOTE)) and not _is_text(value) else value
        if names_a_file(value):
            name = self.find(value, at, str(model[0]))
            if name is None:
                return None
            text = self.directory.text(name, at=at)
            if text is not None:
                self.ledger.loaded[model] = Loading(name, text)
            return text
        if names_an_address(value):
            return self._fetch(value, at, model)
        return value

    def find(self, value: str, at: Origin, section: str) -> str | None:
        """Find the file that a path means: below the section's directory, beside the file, in the app directory."""
        directory = self.directory
        path = value
        if value.startswith("file://"):
            real = os.path.realpath(value[len("file://") :])
            if not real.startswith(directory.real + os.sep):
                self.ledger.say("EX-C034", f"{value} is not inside the app directory", "copy the file into the app", at=at)
                return None
            return os.path.relpath(real, directory.real).replace(os.sep, "/")
        candidates = [name for base in bases(section, at.file) if (name := inside(base, path))]
        if not candidates:
            self.ledger.say("EX-C034", f"{value} leaves the app directory", "copy the file into the app", at=at)
            return None
        candidates = list(dict.fromkeys(candidates))
        found = [name for name in candidates if directory.exists(name) or os.path.lexists(directory.root / name)]
        if not found:
            where = ", ".join(candidates)
            close = self._similar(candidates)
            hint = f'did you mean "{close}"?' if close else f"looked for {where}"
            self.ledger.say("EX-C033", f"the file {value} does not exist", hint, at=at)
            return None
        if len(found) > 1:
            texts = {directory.text(name, at=at) for name in found}
            if len(texts) > 1:
                self.ledger.say("EX-C037", f"{value} fits {' and '.join(found)}, with different contents", f"{found[0]} is taken", at=at)
        return found[0]

    def _similar(self, candidates: list[str]) -> str:
        import difflib

        for candidate in candidates:
            base, _, name = candidate.rpartition("/")
            names = [entry.name for entry in self.directory.entries(base)][:1000]
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
            if close:
                return f"./{close[0]}" if not base else f"{base}/{close[0]}"
        return ""

    def _fetch(self, value: str, at: Origin, model: tuple[str | int, ...]) -> str | None:
        if self.offline or self.fetch is None:
            self.ledger.say("EX-C035", f"{value} would have to be fetched", "leave --offline out, or copy the text into the app", at=at)
            return None
        if value not in self.fetched:
            try:
                text = self.fetch(value)
            except FetchFailed as error:
                self.ledger.say("EX-C036", f"{value} could not be fetched: {error}", at=at)
                return None
            if len(text) > MAX_TEXT:
                self.ledger.say("EX-C036", f"{value} has more than {MAX_TEXT:,} characters", at=at)
                return None
            self.fetched[value] = text
        self.ledger.loaded[model] = Loading(value, self.fetched[value])
        return self.fetched[value]


_FURTHER = {"break_glass": ("break_glass", "permissions", "policies")}
_ROOTED = {"metadata", "sandbox", "runbooks", "stack", "inputs"}


def bases(section: str, file: str) -> list[str]:
    """List the directories that a relative path is tried against, first choice first (config.md 1.4)."""
    beside = file.rpartition("/")[0]
    if section in _ROOTED:
        return ["", beside]
    return [*_FURTHER.get(section, (section,)), beside, ""]
