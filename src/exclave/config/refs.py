"""What a component, an action or the sandbox refers to in its templates.

`references` gives the strings that the wire carries, `type|name|value|input` (config.md 2.4). The patterns there are those
that every client uses; what they miss, `index`, `dig` and `with`, is taken from the parse tree of the template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from exclave.config import model, variables

_WIRE = re.compile(
    r"nuon\.(?:"
    r"components\.(?P<component>[^.}\s]+)\.outputs\.(?P<component_value>[^}]+)"
    r"|actions\.workflows\.(?P<workflow>[^.}\s]+)\.outputs\.(?P<workflow_value>[^.}|\s)]+)"
    r"|actions\.(?P<actions>[^.}\s]+)\.outputs\.(?P<actions_value>[^.}]+)"
    r"|secrets\.(?P<secrets>[^.}]+)"
    r"|inputs\.inputs\.(?P<inputs>[^.}]+)"
    r"|install\.inputs\.(?P<install_inputs>[^.}]+)"
    r"|install_stack\.outputs\.(?P<install_stack>[^.}]+)"
    r"|(?:install\.)?sandbox\.outputs\.(?P<sandbox>[^.}]+)"
    r")"
)
# Where a pattern sees less than the parse tree does.
_DEEP = re.compile(r"\b(?:index|dig|with|get|pluck|range|template)\b|\$")
_TYPES = ("component", "actions", "secrets", "inputs", "install_inputs", "install_stack", "sandbox")


class Reference(msgspec.Struct, frozen=True):
    """One reference: its type, the name it refers to, the value below it, and the text that was matched."""

    type: str
    name: str
    value: str = ""
    input: str = ""

    def __str__(self) -> str:
        return f"{self.type}|{self.name}|{self.value}|{self.input}"


def references(thing: msgspec.Struct) -> list[str]:
    """List the references of anything in the model as the wire has them, each once, in the order of the text."""
    return [str(reference) for reference in find(thing)]


def find(thing: msgspec.Struct) -> list[Reference]:
    """List the references of anything in the model."""
    found: dict[Reference, None] = {}
    for text in _texts(msgspec.to_builtins(thing)):
        if "nuon." in text or ".nuon" in text:
            for reference in in_text(text):
                found[reference] = None
    return list(found)


def in_text(text: str) -> Iterator[Reference]:
    """Find the references in one text."""
    seen = set()
    for match in _WIRE.finditer(text):
        kind = match.lastgroup or ""
        matched = match[0].strip()
        if kind.startswith("workflow"):
            reference = Reference("actions", match["workflow"].strip(), match["workflow_value"].strip(), matched)
        elif kind.endswith("_value"):
            kind = kind.removesuffix("_value")
            reference = Reference(kind, match[kind].strip(), match[f"{kind}_value"].strip(), matched)
        else:
            # The part before `sandbox` is not in the matched text: both ways to write it are one reference.
            matched = "nuon." + matched.removeprefix("nuon.install.") if kind == "sandbox" and ".install." in matched else matched
            reference = Reference(kind, match[kind].strip(), "", matched)
        seen.add((reference.type, reference.name))
        yield reference
    if "{{" in text and _DEEP.search(text):
        for reference in _deep(text):
            if (reference.type, reference.name) not in seen:
                seen.add((reference.type, reference.name))
                yield reference


def dependencies(thing: model.Component | model.Action) -> list[str]:
    """List the components that something needs: those it names, and those its templates use; sorted, without itself."""
    found = set(thing.dependencies)
    found.update(reference.name for reference in find(thing) if reference.type == "component")
    if not isinstance(thing, model.Action):
        found.discard(thing.name)
    return sorted(found)


def _deep(text: str) -> Iterator[Reference]:
    try:
        found = variables.read(text)
    except variables.Unparsable:
        return  # the validator has said so
    for variable in found:
        path = variable.path[1:] if variable.path[:1] == ("nuon",) else ()
        reference = _of_path(path)
        if reference and reference.name != "*":
            yield reference


def _of_path(path: tuple[str, ...]) -> Reference | None:
    text = "nuon." + ".".join(path)
    match path:
        case ("components", name, "outputs", *rest):
            return Reference("component", name, ".".join(rest), text)
        case ("components", name, *_):
            return Reference("component", name, "", text)
        case ("actions", "workflows", name, "outputs", value, *_):
            return Reference("actions", name, value, text)
        case ("secrets", name, *_):
            return Reference("secrets", name, "", text)
        case ("inputs", "inputs", name, *_):
            return Reference("inputs", name, "", text)
        case ("install", "inputs", name, *_):
            return Reference("install_inputs", name, "", text)
        case ("install_stack", "outputs", name, *_):
            return Reference("install_stack", name, "", text)
        case ("sandbox", "outputs", name, *_) | ("install", "sandbox", "outputs", name, *_):
            return Reference("sandbox", name, "", text)
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
