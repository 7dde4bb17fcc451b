"""The two nouns of the rule table: a section of the configuration and a key in it."""

from __future__ import annotations

from typing import Literal

import msgspec

Type = Literal[
    "string",  # a text
    "bool",
    "int",
    "scalar",  # a text, number or boolean, kept as text
    "any",
    "strings",  # a list of texts
    "map",  # names to texts; numbers and booleans become texts
    "values",  # names to texts; nested tables and lists become JSON
    "table",  # one nested section
    "tables",  # a list of nested sections
]

# When a template in a value is rendered (config.md 2.3); "" means never.
Stage = Literal["", "readme", "stack", "sandbox", "secrets", "deploy", "action"]

Check = Literal["", "duration", "cron", "json", "yaml", "url", "repo", "semver", "path", "name", "policy"]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a section: what it may hold, what it means, and what happens with it."""

    name: str
    type: Type = "string"
    doc: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    aliases: dict[str, str] = {}  # older spellings of a value
    former: tuple[str, ...] = ()  # other spellings of the key, read with a warning
    pattern: str = ""
    check: Check = ""
    default: str | int | bool | None = None
    since: int = 2025
    used: bool = True  # False: kept and sent where there is a place, but nothing acts on it yet
    template: Stage = ""
    load: bool = False  # the value may name a file or an address to load
    deprecated: str = ""  # what to write instead; the key is an error
    section: Section | None = None
    example: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A table of the configuration: its keys, and which of them exclude one another."""

    name: str
    doc: str
    where: str = ""
    keys: tuple[Key, ...]
    one_of: tuple[tuple[str, ...], ...] = ()  # exactly one of each group
    since: int = 2025

    def key(self, name: str) -> Key | None:
        """Find a key by its name in lower case, or by a former spelling."""
        found = self.__dict__.get("_by_name")
        if found is None:
            found = {spelling: key for key in self.keys for spelling in (key.name, *key.former)}
            self.__dict__["_by_name"] = found
        key: Key | None = found.get(name)
        return key

    @property
    def required(self) -> tuple[Key, ...]:
        """The keys that must be there."""
        found = self.__dict__.get("_required")
        if found is None:
            found = self.__dict__["_required"] = tuple(key for key in self.keys if key.required)
        keys: tuple[Key, ...] = found
        return keys


def text(name: str, doc: str, **more: object) -> Key:
    """A key that holds a text."""
    return Key(name=name, doc=doc, **more)  # type: ignore[arg-type]


def flag(name: str, doc: str, **more: object) -> Key:
    """A key that holds true or false."""
    return Key(name=name, type="bool", doc=doc, **more)  # type: ignore[arg-type]


def number(name: str, doc: str, **more: object) -> Key:
    """A key that holds a whole number."""
    return Key(name=name, type="int", doc=doc, **more)  # type: ignore[arg-type]


def texts(name: str, doc: str, **more: object) -> Key:
    """A key that holds a list of texts."""
    return Key(name=name, type="strings", doc=doc, **more)  # type: ignore[arg-type]


def mapping(name: str, doc: str, **more: object) -> Key:
    """A table of names to texts."""
    return Key(name=name, type="map", doc=doc, **more)  # type: ignore[arg-type]


def values(name: str, doc: str, **more: object) -> Key:
    """A table of names to texts, where a nested table or list becomes JSON."""
    return Key(name=name, type="values", doc=doc, **more)  # type: ignore[arg-type]


def table(name: str, doc: str, section: Section, **more: object) -> Key:
    """A nested table."""
    return Key(name=name, type="table", doc=doc, section=section, **more)  # type: ignore[arg-type]


def tables(name: str, doc: str, section: Section, **more: object) -> Key:
    """A list of nested tables."""
    return Key(name=name, type="tables", doc=doc, section=section, **more)  # type: ignore[arg-type]
