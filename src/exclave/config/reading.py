"""Turn the tables of a file into plain values, as the rule table says, and report everything that does not fit."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from exclave.config import cron, durations
from exclave.config.documents import Path
from exclave.config.places import Ledger, Origin
from exclave.config.rules.base import Key, Section, Stage
from exclave.config.values import Loader

_CODE_KEYS = {"public_repo": "public", "connected_repo": "connected", "local": "local"}
_NOUNS = {
    "string": "a text",
    "bool": "true or false",
    "int": "a whole number",
    "scalar": "a text, number or boolean",
    "strings": "a list of texts",
    "map": "a table of texts",
    "values": "a table of values",
    "table": "a table",
    "tables": "a list of tables",
}


class Template:
    """A text that is rendered later: where it stands in the model, at which stage, and with which key's rule."""

    __slots__ = ("key", "path", "stage", "text")

    def __init__(self, path: Path, stage: Stage, text: str, key: Key) -> None:
        self.path = path
        self.stage = stage
        self.text = text
        self.key = key


class Reader:
    """Reads sections; what it finds out goes to the ledger, what it gives is ready for the model."""

    def __init__(self, ledger: Ledger, loader: Loader) -> None:
        self.ledger = ledger
        self.loader = loader
        self.templates: list[Template] = []

    def read(
        self,
        section: Section,
        data: dict[str, Any],
        at: Origin,
        model: Path,
        others: dict[str, Origin] | None = None,
        stage: Stage = "",
    ) -> dict[str, Any]:
        """Read one table. `others` says which keys came from another file (`source`)."""
        ledger = self.ledger
        ledger.origins[model] = at
        values: dict[str, Any] = {}
        spelt: dict[str, str] = {}
        for written, value in data.items():
            place = (others[written] if others and written in others else at).below(written)
            key = section.key(written) or section.key(written.lower())
            if key is None:
                self._unknown(section, written, place)
                continue
            name = key.name
            if name in spelt:
                ledger.say("EX-C022", f'"{written}" and "{spelt[name]}" are the same key', "remove one of them", at=place, on="key")
                continue
            spelt[name] = written
            if others and written in others:
                ledger.origins[(*model, name)] = place
            if written.lower() != name:
                ledger.say("EX-C021", f'"{written}" is read as "{name}"', f'write "{name}"', at=place, on="key")
                ledger.origins[(*model, name)] = place
            if key.deprecated:
                ledger.say("EX-C019", f'"{name}" is no longer accepted', key.deprecated, at=place, on="key")
                continue
            if not key.used:
                ledger.say_once("EX-C020", f"{section.name}.{name}", f'"{name}" is kept, and nothing acts on it yet', at=place)
            here = (*model, name)
            result = self.value(key, value, place, here, key.template or stage)
            if result is None:
                continue
            kind = _CODE_KEYS.get(name)
            if kind and key.type == "table":
                if "source" not in values or not isinstance(values["source"], dict):
                    result["kind"] = kind
                    values["source"] = result
                    ledger.origins[(*model, "source")] = place
            else:
                values[name] = result
        for key in section.required:
            if key.name not in spelt:
                self._missing(key, at)
        for group in section.one_of:
            self._one_of(group, spelt, at)
        return values

    def value(self, key: Key, value: Any, at: Origin, model: Path, stage: Stage) -> Any:
        """Read one value; None after a report."""
        match key.type:
            case "string":
                if isinstance(value, str):
                    return self._text(key, value, at, model, stage)
                hint = f'write "{scalar(value)}"' if isinstance(value, (bool, int, float, date, time)) else ""
                return self._wrong(key, value, at, hint)
            case "bool":
                if isinstance(value, bool):
                    return value
                hint = f"write {value.lower()} without quotes" if isinstance(value, str) and value.lower() in ("true", "false") else ""
                return self._wrong(key, value, at, hint)
            case "int":
                if isinstance(value, int) and not isinstance(value, bool):
                    if 0 <= value < 2**31:
                        return value
                    self.ledger.say("EX-C016", f'"{key.name}" must be between 0 and {2**31 - 1:,}', at=at)
                    return None
                hint = f"write {value} without quotes" if isinstance(value, str) and value.isdigit() else ""
                return self._wrong(key, value, at, hint)
            case "scalar":
                return _json(value) if isinstance(value, (list, dict)) else scalar(value)
            case "any":
                return value
            case "strings":
                return self._texts(key, value, at)
            case "map" | "values":
                return self._mapping(key, value, at, model, stage)
            case "table":
                assert key.section
                if isinstance(value, dict):
                    return self.read(key.section, value, at, model, stage=stage)
                return self._wrong(key, value, at, f"write a table [{key.name}]")
            case "tables":
                assert key.section
                if isinstance(value, list) and all(isinstance(item, dict) for item in value):
                    return [self.read(key.section, item, at.below(i), (*model, i), stage=stage) for i, item in enumerate(value)]
                return self._wrong(key, value, at, f"write [[{key.name}]] for each" if isinstance(value, dict) else "")

    def _text(self, key: Key, value: str, at: Origin, model: Path, stage: Stage) -> str | None:
        if key.load:
            loaded = self.loader.load(value, at, model)
            if loaded is None:
                return None
            value = loaded
        self._storable(key, value, at)
        if not value:
            if key.required and "" not in key.allowed:
                self.ledger.say("EX-C015", f'"{key.name}" is empty', _example(key), at=at)
                return None
            return value
        templated = "{{" in value
        if templated:
            self._note_template(key, value, at, model, stage)
        if key.allowed and not (templated and key.template):
            value = key.aliases.get(value, value)
            if value not in key.allowed:
                self._not_allowed(key, value, at)
                return None
        if key.pattern and not (templated and key.template) and not _compiled(key.pattern).fullmatch(value):
            self.ledger.say("EX-C017", f'"{value}" is not a {key.name.replace("_", " ")}', f"it must match {key.pattern}", at=at)
            return value
        if key.name == "name" and value in (".", ".."):
            self.ledger.say("EX-C017", f'"{value}" is a step of a path, and no name', _example(key), at=at)
        if key.check and not (templated and key.check in ("url", "repo", "semver", "path")):
            self._check(key, value, at, model)
        return value

    def _storable(self, key: Key, text: str, at: Origin) -> None:
        # TOML can write it, no database keeps it.
        if "\0" in text:
            self.ledger.say("EX-C017", f'"{key.name}" holds the character U+0000, which cannot be stored', "remove it", at=at)

    def _note_template(self, key: Key, value: str, at: Origin, model: Path, stage: Stage) -> None:
        # Only texts with `.nuon` in them are rendered, so that Helm's own braces survive (config.md 2.1).
        if ".nuon" not in value and not (stage == "action" and ".action" in value):
            return
        if stage:
            self.templates.append(Template(model, stage, value, key))
        elif not key.check:
            self.ledger.say("EX-C079", f'"{key.name}" is not rendered; the braces stay as they are', at=at)

    def _check(self, key: Key, value: str, at: Origin, model: Path) -> None:
        say = self.ledger.say
        match key.check:
            case "duration":
                try:
                    if durations.nanoseconds(value) <= 0:
                        say("EX-C024", f'"{value}" is not longer than nothing', at=at)
                except ValueError as error:
                    say("EX-C023", f'"{value}" is not a duration: {error}', "write 90s, 5m or 1h30m", at=at)
            case "cron":
                wrong = cron.problem(value)
                if wrong:
                    say("EX-C025", f'"{value}" is not a schedule: {wrong}', 'every day at four: "0 4 * * *"', at=at)
            case "url":
                if not re.fullmatch(r"https?://[^\s/]+\S*|oci://[^\s/]+\S*", value):
                    say("EX-C026", f'"{value}" is not an address', "write a whole address, https://...", at=at)
            case "semver":
                if not re.fullmatch(r"v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?", value):
                    say("EX-C030", f'"{value}" is not a version', 'write the three numbers, "1.11.3"', at=at)
            case "repo":
                if not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+|https://[^\s/]+/\S+|file:///\S+", value):
                    found = re.fullmatch(r"(?:ssh://)?git@([^:/]+)[:/](.+?)(?:\.git)?", value)
                    hint = f'write "https://{found[1]}/{found[2]}"' if found else 'write "owner/name" or an https address'
                    say("EX-C031", f'"{value}" is not a repository', hint, at=at)
            case "name":
                if "-" in value:
                    say("EX-C032", f'"{value}" has a hyphen', f'"{value.replace("-", "_")}" is accepted everywhere', at=at)
            case _:
                pass  # json, policy and path are checked where their meaning is known

    def _texts(self, key: Key, value: Any, at: Origin) -> list[str] | None:
        if not isinstance(value, list):
            hint = f'write ["{value}"]' if isinstance(value, str) else ""
            self._wrong(key, value, at, hint)
            return None
        for i, item in enumerate(value):
            if not isinstance(item, str):
                self.ledger.say("EX-C013", f'"{key.name}" takes texts, this is {kind_of(item)}', at=at.below(i))
                return None
            self._storable(key, item, at.below(i))
        return value

    def _mapping(self, key: Key, value: Any, at: Origin, model: Path, stage: Stage) -> dict[str, str] | None:
        if not isinstance(value, dict):
            self._wrong(key, value, at, f"write a table [{key.name}]")
            return None
        result: dict[str, str] = {}
        for name, item in value.items():
            self._storable(key, name, at.below(name))
            if isinstance(item, str):
                text = item
            elif isinstance(item, (dict, list)):
                if key.type == "map":
                    message = f'"{name}" takes a text, this is {kind_of(item)}'
                    self.ledger.say("EX-C013", message, at=at.below(name))
                    continue
                text = _json(item)
            else:
                text = scalar(item)
            self._storable(key, text, at.below(name))
            if ("{{" in text and ".nuon" in text) or (stage == "action" and "{{" in text and ".action" in text):
                if stage:
                    self.templates.append(Template((*model, name), stage, text, key))
                else:
                    self.ledger.say("EX-C079", f'"{key.name}" is not rendered; the braces stay as they are', at=at.below(name))
            result[name] = text
        return result

    # What is wrong

    def _wrong(self, key: Key, value: Any, at: Origin, hint: str = "") -> None:
        self.ledger.say("EX-C013", f'"{key.name}" takes {_NOUNS[key.type]}, this is {kind_of(value)}', hint, at=at)

    def _missing(self, key: Key, at: Origin) -> None:
        example = _example(key)
        hint = example or (f'add {key.name} = "..."' if key.type == "string" else key.doc)
        self.ledger.say("EX-C014", f'"{key.name}" is missing', hint, at=at, on="key")

    def _one_of(self, group: tuple[str, ...], spelt: dict[str, str], at: Origin) -> None:
        present = [name for name in group if name in spelt]
        if len(present) == 1:
            return
        choice = f"{', '.join(group[:-1])} or {group[-1]}"
        if present:
            second = at.below(spelt[present[1]])
            self.ledger.say("EX-C018", f"{' and '.join(present)} exclude one another", f"keep one of {choice}", at=second, on="key")
        else:
            self.ledger.say("EX-C018", f"none of {choice} is given", "add one of them", at=at, on="key")

    def _not_allowed(self, key: Key, value: str, at: Origin) -> None:
        choices = [choice for choice in key.allowed if choice]
        close = self.ledger.guess(value, [*choices, *key.aliases])
        hint = (
            f'did you mean "{key.aliases.get(close, close)}"?'
            if close
            else f"write {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"
        )
        if key.name == "type" and key.check == "" and "manual" in choices:
            self.ledger.say("EX-C046", f'no event has the name "{value}"', hint, at=at)
        elif key.name == "type" and "helm_chart" in choices and "job" in choices:
            self.ledger.say("EX-C060", f'"{value}" is not a kind of component', hint, at=at)
        else:
            self.ledger.say("EX-C016", f'"{value}" is not a value of "{key.name}"', hint, at=at)

    def _unknown(self, section: Section, written: str, at: Origin) -> None:
        names = [key.name for key in section.keys]
        close = self.ledger.guess(written.lower(), names) or next((name for name in names if written.lower().startswith(name)), "")
        hint = _elsewhere(written.lower()) or (f'did you mean "{close}"?' if close else "")
        hint = hint or f"{section.name} has {', '.join(names)}"
        self.ledger.say("EX-C012", f'unknown key "{written}"', hint, at=at, on="key")


def scalar(value: Any) -> str:
    """Write a number, boolean or date as text, as Go prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, (datetime, date, time)):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def kind_of(value: Any) -> str:
    """Name what a value is, in the reader's words."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return "a date or time"


def _elsewhere(name: str) -> str:
    from exclave.config.rules.components import BY_KIND

    kinds = [kind for kind, section in BY_KIND.items() if section.key(name)]
    return f"it is a key of {' and '.join(kinds)}" if 0 < len(kinds) < 5 else ""


def _example(key: Key) -> str:
    if key.type in ("tables", "table"):
        return f"add {'[[' if key.type == 'tables' else '['}{key.name}{']]' if key.type == 'tables' else ']'}"
    if key.example:
        return f"for example {key.name} = {key.example}"
    if key.allowed:
        return f"one of {', '.join(choice for choice in key.allowed if choice)}"
    return ""


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=scalar)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
