"""What an editor asks about an app: completions, explanations, definitions, and renaming a component.

Pure: `cli/lsp.py` speaks the protocol. Lines and columns count from 1, columns in characters.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from exclave.config import cursor, model, state
from exclave.config.documents import Path
from exclave.config.loader import Loaded
from exclave.config.places import Place
from exclave.config.rules.base import Key, Section
from exclave.config.values import names_a_file


class Choice(NamedTuple):
    """One thing that may be written here."""

    label: str
    insert: str
    detail: str
    doc: str = ""


class Edit(NamedTuple):
    """Replace `length` characters of a line."""

    file: str
    line: int
    column: int
    length: int
    text: str


_NAMES = {
    "dependencies": "components",
    "component_name": "components",
    "component": "components",
    "components": "components",
    "group": "groups",
    "action_name": "actions",
    "break_glass_role": "break_glass",
    "kubernetes_context": "kubernetes_contexts",
}


def complete(loaded: Loaded, file: str, text: str, line: int, column: int) -> list[Choice]:
    """List what may be written at a position."""
    here = cursor.spot(text, line, column)
    section = cursor.section_of(file, text)
    if here.where == "template":
        return _paths(loaded, here.typed)
    if section is None:
        return []
    if here.where == "header":
        return [
            Choice(key.name, key.name, "[[...]]" if key.type == "tables" else "[...]", key.doc)
            for key in section.keys
            if key.type in ("table", "tables", "map", "values") and not key.deprecated
        ]
    inner = cursor.inside(section, here.table)
    if here.where == "key" and isinstance(inner, Section):
        return [_key(key) for key in inner.keys if key.name not in here.present and not key.deprecated]
    if here.where == "value":
        key = inner.key(here.key.lower()) if isinstance(inner, Section) else None
        return _values(loaded, file, here.key, key, quoted=_quoted(text, line, column))
    return []


def _key(key: Key) -> Choice:
    needed = "required" if key.required else "optional"
    insert = {"string": f'{key.name} = ""', "strings": f"{key.name} = []"}.get(key.type, f"{key.name} = ")
    if key.type in ("table", "map", "values"):
        insert = f"[{key.name}]"
    elif key.type == "tables":
        insert = f"[[{key.name}]]"
    return Choice(key.name, insert, f"{_noun(key)}, {needed}", key.doc)


def _noun(key: Key) -> str:
    return {"string": "text", "bool": "true or false", "int": "number", "strings": "list of texts", "tables": "list of tables"}.get(
        key.type, "table"
    )


def _values(loaded: Loaded, file: str, name: str, key: Key | None, *, quoted: bool) -> list[Choice]:
    if name in _NAMES:
        section = _NAMES[name]
        return [
            Choice(item.name, _quote(item.name, quoted), section)
            for i, item in enumerate(getattr(loaded.app, section))
            if item.name and not (name == "dependencies" and loaded.place(section, i).file == file)
        ]
    if key is None:
        return []
    if key.type == "bool":
        return [Choice(word, word, "") for word in ("true", "false")]
    return [Choice(value, _quote(value, quoted), key.name, key.doc) for value in key.allowed if value]


def _quote(value: str, quoted: bool) -> str:
    return value if quoted else f'"{value}"'


def _quoted(text: str, line: int, column: int) -> bool:
    lines = text.split("\n")
    before = lines[line - 1][: column - 1] if line <= len(lines) else ""
    return before.count('"') % 2 == 1 or before.count("'") % 2 == 1


def _paths(loaded: Loaded, typed: str) -> list[Choice]:
    """List what may follow in a template's path."""
    parts = typed.split(".")
    if len(parts) < 2:
        return [Choice(".nuon", ".nuon", "the state of the install")]
    if parts[0] == "action":
        return []
    shape: object = state.SHAPE
    for part in parts[1:-1]:
        shape = _step(shape, part)
    if parts[1:-1] == ["install_stack", "outputs"]:
        kind = loaded.app.stack.type if loaded.app.stack else ""
        outputs = [*state.STACK_OUTPUTS.get(kind, ()), *(f"{secret.name}_arn" for secret in loaded.app.secrets)]
        return [Choice(name, name, "output of the stack") for name in outputs]
    if isinstance(shape, dict):
        return [Choice(name, name, _branch(name)) for name in shape]
    names = {state.COMPONENT: "components", state.INPUT: "inputs", state.SECRET: "secrets", state.ACTION: "actions"}
    if isinstance(shape, str) and shape in names:
        items = getattr(loaded.app, names[shape])
        return [Choice(item.name, item.name, shape, getattr(item, "description", "")) for item in items if item.name]
    return []


def _step(shape: object, part: str) -> object:
    shapes = {state.COMPONENT: state.COMPONENT_SHAPE, state.SECRET: state.SECRET_SHAPE, state.ACTION: state.ACTION_SHAPE}
    if isinstance(shape, dict):
        return shape.get(part)
    return shapes.get(shape) if isinstance(shape, str) else None


_BRANCHES = {
    "inputs": "what the install was given",
    "install": "the install itself",
    "sandbox": "outputs of the sandbox",
    "install_stack": "outputs of the customer's stack",
    "components": "outputs of components",
    "actions": "results of actions",
    "secrets": "where secrets are kept",
    "cloud_account": "region or location",
    "outputs": "whatever the tool gave",
}


def _branch(name: str) -> str:
    return _BRANCHES.get(name, "")


def hover(loaded: Loaded, file: str, text: str, line: int, column: int) -> str:
    """Explain what stands at a position, in Markdown."""
    path = _template_path(text, line, column)
    if path:
        return _of_variable(loaded, path)
    section = cursor.section_of(file, text)
    if section is None:
        return ""
    lines = text.split("\n")
    full = lines[line - 1] if line <= len(lines) else ""
    here = cursor.spot(text, line, len(full) + 1)
    if here.where == "header" or full.lstrip().startswith("["):
        table = tuple(part.strip() for part in full.strip().strip("[]").split("."))
        inner = cursor.inside(section, table[:-1])
        key = inner.key(table[-1].lower()) if isinstance(inner, Section) else None
    else:
        inner = cursor.inside(section, here.table)
        if isinstance(inner, Key):
            return _describe(inner)
        found = re.match(r"\s*([A-Za-z0-9_-]+)\s*=", full)
        key = inner.key((found[1] if found else here.key).lower()) if inner else None
    return _describe(key) if key else ""


def _describe(key: Key) -> str:
    parts = [f"**{key.name}** ({_noun(key)}{', required' if key.required else ''})", "", key.doc]
    if key.allowed:
        parts += ["", "One of " + ", ".join(f"`{value}`" for value in key.allowed if value) + "."]
    if key.template:
        parts += ["", "Rendered as a template."]
    if key.load:
        parts += ["", "May name a file or an address to load."]
    if not key.used:
        parts += ["", "Kept; nothing acts on it yet."]
    if key.example:
        parts += ["", f"Example: `{key.name} = {key.example}`"]
    return "\n".join(parts)


def _of_variable(loaded: Loaded, path: tuple[str, ...]) -> str:
    whole = f"`.{'.'.join(path)}`"
    match path:
        case ("nuon", "inputs", "inputs", name, *_) | ("nuon", "install", "inputs", name, *_):
            item = next((item for item in loaded.app.inputs if item.name == name), None)
            if item is None:
                return f"{whole}: no input has this name"
            default = f", default `{item.default}`" if item.default else ""
            return f"{whole}: input **{item.display_name or name}** ({item.type}{default})\n\n{item.description}"
        case ("nuon", "components", name, *_):
            component = loaded.app.component(name)
            return f"{whole}: " + (f"component **{name}** ({component.type})" if component else "no component has this name")
        case ("nuon", "secrets", name, *_):
            return f"{whole}: secret **{name}**"
        case ("nuon", "actions", "workflows", name, *_):
            return f"{whole}: action **{name}**"
    return f"{whole}: {_branch(path[1]) if len(path) > 1 else 'the state of the install'}"


def _template_path(text: str, line: int, column: int) -> tuple[str, ...]:
    """Give the path under the cursor, up to the part that it stands on."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return ()
    for found in re.finditer(r"\.((?:nuon|action)(?:\.[A-Za-z0-9_]+)*)", lines[line - 1]):
        if found.start() < column <= found.end() + 1:
            upto = found[1][: max(0, column - found.start() - 2)].count(".")
            return tuple(found[1].split(".")[: max(upto, 0) + 1]) if column <= found.end() else tuple(found[1].split("."))
    return ()


def define(loaded: Loaded, file: str, text: str, line: int, column: int) -> Place | None:
    """Find where the thing at a position is written: a file, a component, an input, an action, a group."""
    path = _whole_path(text, line, column)
    match path:
        case ("nuon", "components", name, *_):
            return _named(loaded, "components", name)
        case ("nuon", "inputs", "inputs", name, *_) | ("nuon", "install", "inputs", name, *_):
            return _named(loaded, "inputs", name)
        case ("nuon", "actions", "workflows", name, *_):
            return _named(loaded, "actions", name)
        case ("nuon", "secrets", name, *_):
            return _named(loaded, "secrets", name)
    word, _ = cursor.word(text, line, column)
    if word.startswith("./") and names_a_file(word):
        return _loaded_file(loaded, file, line)
    here = cursor.spot(text, line, column)
    if here.key in _NAMES and word:
        return _named(loaded, _NAMES[here.key], word)
    return None


def _whole_path(text: str, line: int, column: int) -> tuple[str, ...]:
    lines = text.split("\n")
    for found in re.finditer(r"\.(nuon(?:\.[A-Za-z0-9_]+)+)", lines[line - 1] if 1 <= line <= len(lines) else ""):
        if found.start() < column <= found.end() + 1:
            return tuple(found[1].split("."))
    return ()


def _named(loaded: Loaded, section: str, name: str) -> Place | None:
    for i, item in enumerate(getattr(loaded.app, section)):
        if name in (item.name, getattr(item, "var_name", "")):
            return loaded.place(section, i, "name")
    return None


def _loaded_file(loaded: Loaded, file: str, line: int) -> Place | None:
    for path, loading in loaded.ledger.loaded.items():
        place = loaded.place(*path)
        if place.file == file and place.line == line and not loading.file.startswith("http"):
            return Place(loading.file, 1, 1)
    return None


# Renaming


def component_at(loaded: Loaded, file: str, text: str, line: int, column: int) -> tuple[str, int] | None:
    """Name the component at a position, with the column where the name begins."""
    word, start = cursor.word(text, line, column)
    lines = text.split("\n")
    for found in re.finditer(r"nuon\.components\.([A-Za-z0-9_]+)", lines[line - 1] if line <= len(lines) else ""):
        if found.start() < column <= found.end() + 1:
            return (found[1], found.start(1) + 1) if loaded.app.component(found[1]) else None
    here = cursor.spot(text, line, column)
    is_name = here.key == "name" and not here.table and file.startswith("components/")
    if loaded.app.component(word) and (is_name or _NAMES.get(here.key) == "components"):
        return word, start
    return None


def rename(loaded: Loaded, old: str, new: str) -> list[Edit]:
    """List the edits that give a component another name everywhere: its file, lists, triggers, templates, loaded files."""
    if not re.fullmatch(r"[a-z0-9_]+", new):
        raise ValueError("a component's name has lower-case letters, digits and _")
    if loaded.app.component(new) is not None:
        raise ValueError(f'a component named "{new}" exists already')
    edits: dict[Edit, None] = {}
    for path in _uses(loaded.app, old):
        origin = loaded.ledger.origin(path)
        if origin is None:
            continue
        mark = origin.mark()
        raw = origin.document.text[mark.value : mark.end]
        offset = raw.find(old)
        if offset >= 0:
            line, column = origin.document.position(mark.value + offset)
            edits[Edit(origin.file, line, column, len(old), new)] = None
    pattern = re.compile(rf"nuon\.components\.({re.escape(old)})(?![A-Za-z0-9_])|\.nuon\.components\s+\\?\"({re.escape(old)})\\?\"")
    texts = {name: document.text for name, document in loaded.documents.items()}
    texts |= {loading.file: loading.text for loading in loaded.ledger.loaded.values() if "://" not in loading.file}
    for file, text in texts.items():
        for number, line_text in enumerate(text.split("\n"), 1):
            for found in pattern.finditer(line_text):
                group = 1 if found[1] else 2
                edits[Edit(file, number, found.start(group) + 1, len(old), new)] = None
    return sorted(edits)


def _uses(app: model.App, name: str) -> list[Path]:
    found: list[Path] = []
    for i, component in enumerate(app.components):
        if component.name == name:
            found.append(("components", i, "name"))
        found += [("components", i, "dependencies", j) for j, needed in enumerate(component.dependencies) if needed == name]
    for i, action in enumerate(app.actions):
        found += [("actions", i, "dependencies", j) for j, needed in enumerate(action.dependencies) if needed == name]
        found += [("actions", i, "triggers", j, "component_name") for j, each in enumerate(action.triggers) if each.component_name == name]
    for i, policy in enumerate(app.policies):
        found += [("policies", i, "components", j) for j, each in enumerate(policy.components) if each == name]
    for i, runbook in enumerate(app.runbooks):
        found += [("runbooks", i, "steps", j, "component_name") for j, each in enumerate(runbook.steps) if each.component_name == name]
    found += [("kubernetes_contexts", i, "component") for i, each in enumerate(app.kubernetes_contexts) if each.component == name]
    principal = f"nuon::component:{name}"
    found += [("operation_roles", i, "principal") for i, each in enumerate(app.operation_roles) if each.principal == principal]
    return found
