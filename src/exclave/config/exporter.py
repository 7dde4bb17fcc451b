"""Write a model as an app directory, so that loading the directory gives the same model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from exclave.config import model
from exclave.config.values import names_a_file, names_an_address

_SOURCES = {"local": "local", "public": "public_repo", "connected": "connected_repo"}
_SINGLE_FILES = {
    "secrets": "secret",
    "permissions": "roles",
    "policies": "policy",
    "break_glass": "role",
    "kubernetes_contexts": "kubernetes_context",
    "operation_roles": "rules",
}
# Keys whose value may name a file; a text that looks like such a name must itself go to a file.
_LOADING = {"readme", "contents", "permissions_boundary", "manifest", "inline_contents"}
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def export(app: model.App, directory: Path) -> list[str]:
    """Write the files of an app into a directory, which is made if need be; gives their names. Loaded texts are written inline.

    Directories of local sources are not copied: the caller has them.
    """
    files = render(app)
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return list(files)


def render(app: model.App) -> dict[str, str]:
    """Give the text of every file of an app."""
    said: dict[str, Any] = msgspec.to_builtins(app)
    files: dict[str, str] = {}

    def write(name: str, data: dict[str, Any]) -> None:
        lines: list[str] = []
        _table(data, (), lines, files)
        files[name] = "\n".join(lines).strip("\n") + "\n"

    for name in ("metadata", "runner", "stack", "sandbox", "branch", "installer"):
        if name in said:
            write(f"{name}.toml", said[name])
    if "installs_repo" in said:
        write("installs.toml", said["installs_repo"])
    if app.groups or app.inputs or "inputs" in app.sections:
        write("inputs.toml", {"group": said.get("groups", []), "input": said.get("inputs", [])})
    for section, key in _SINGLE_FILES.items():
        if said.get(section) or section in app.sections:
            write(f"{section}.toml", {key: said.get(section, [])})
    for section in ("components", "actions", "installs", "runbooks", "branches"):
        width = len(str(len(said.get(section, []))))
        for i, row in enumerate(said.get(section, [])):
            write(f"{section}/{str(i).rjust(width, '0')}-{_file_name(row.get('name', ''))}.toml", row)
    return files


def toml(data: dict[str, Any]) -> str:
    """Write a table, the plain keys first."""
    lines: list[str] = []
    _table(data, (), lines, {})
    return "\n".join(lines).strip("\n") + "\n"


def _table(data: dict[str, Any], path: tuple[str, ...], lines: list[str], files: dict[str, str]) -> None:
    later: list[tuple[str, Any]] = []
    for key, value in data.items():
        if key == "source" and isinstance(value, dict) and "kind" in value:
            kept = {name: item for name, item in value.items() if name != "kind"}
            later.append((_SOURCES[value["kind"]], kept))
        elif isinstance(value, dict) or (isinstance(value, list) and value and all(isinstance(row, dict) for row in value)):
            later.append((key, value))
        elif key in _LOADING and isinstance(value, str) and (names_a_file(value.strip()) or names_an_address(value.strip())):
            name = f"texts/{len(files)}-{len(lines)}.txt"
            files[name] = value
            lines.append(f"{_key(key)} = {_value(f'./{name}')}")
        elif value is not None and (value != [] or not path):
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in later:
        here = (*path, key)
        name = ".".join(_key(part) for part in here)
        for row in value if isinstance(value, list) else [value]:
            lines += ["", f"[[{name}]]" if isinstance(value, list) else f"[{name}]"]
            _table(row, here, lines, files)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _basic(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return str(value)


def _text(text: str) -> str:
    """Write a text so that it stays readable: several lines as they are where TOML allows it."""
    plain = not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
    if "\n" in text and plain and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    return _basic(text)


def _basic(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:60] or "unnamed"
