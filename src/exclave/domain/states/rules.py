"""What the state document looks like (spec domain.md 4.11): a pure function from its branches.

Every key is always there, so that templates meet the same shape from the first minute of an install to its last. Leaves may be
`msgspec.Raw`: then they pass through byte for byte.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

MASK = "********"
KEPT_VERSIONS = 50

# Branches of which there is one for each name: `components/<name>`, `actions/<name>`.
COMPONENTS = "components/"
ACTIONS = "actions/"

BRANCHES = ("install", "org", "app", "inputs", "runner", "cloud_account", "install_stack", "sandbox", "secrets")

# The values of a branch that may be sensitive lie below this key; elsewhere below `outputs`.
_VALUES = {"inputs": "inputs"}

_EMPTY: dict[str, dict[str, Any]] = {
    "org": {"id": "", "name": "", "status": ""},
    "app": {"id": "", "name": "", "status": "", "variables": {}},
    "inputs": {"inputs": {}},
    "runner": {"id": "", "runner_group_id": "", "status": ""},
    "sandbox": {"status": "", "type": "", "version": "", "outputs": {}, "recent_runs": []},
    "install_stack": {"quick_link_url": "", "template_url": "", "template_json": "", "checksum": "", "status": "", "outputs": {}},
}
_COMPONENT = {"name": "", "status": "", "build_id": "", "component_id": "", "install_component_id": "", "outputs": {}}
_ACTION = {"id": "", "status": "", "outputs": {}}


class Branch(msgspec.Struct, frozen=True):
    """One branch as it is stored: its value, and the names below its outputs (or inputs) that only machines may read."""

    value: msgspec.Raw
    sensitive: tuple[str, ...] = ()


def is_branch(name: str) -> bool:
    return name in BRANCHES or any(name.startswith(kind) and len(name) > len(kind) for kind in (COMPONENTS, ACTIONS))


def encode(value: object) -> bytes:
    """Write a value as JSON; whole numbers of any size stay what they are."""
    try:
        return msgspec.json.encode(value)
    except OverflowError:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def full(branches: Mapping[str, Branch]) -> dict[str, Any]:
    """Return the document for templates and plans: plain values, nothing masked."""
    return assemble({name: json.loads(bytes(branch.value)) for name, branch in branches.items()})


def shown(branches: Mapping[str, Branch]) -> dict[str, Any]:
    """Return the document for people: sensitive inputs and outputs are masked, everything else passes byte for byte."""
    return assemble({name: _masked(name, branch) for name, branch in branches.items()})


def _masked(name: str, branch: Branch) -> dict[str, Any]:
    value: dict[str, Any] = dict(msgspec.json.decode(branch.value, type=dict[str, msgspec.Raw]))
    key = _VALUES.get(name, "outputs")
    if key in value:
        value[key] = _mapping(value[key])
        value[key].update({hidden: MASK for hidden in branch.sensitive if hidden in value[key]})
    return value


def _mapping(raw: Any) -> dict[str, Any]:
    """Open one level of a value; what is no object is shown as none."""
    try:
        return dict(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    except msgspec.DecodeError:
        return {}


def assemble(branches: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Put the branches into their places. A branch that was never written is there too, with `populated` false."""
    parts = {name: _part(branches.get(name), empty) for name, empty in _EMPTY.items()}
    install = branches.get("install") or {}
    outputs = parts["sandbox"]["outputs"]
    domain = {
        "public_domain": _text(outputs, "public_domain"),
        "internal_domain": _text(outputs, "internal_domain"),
    }
    workflows = {name: _part(value, _ACTION) for name, value in _named(branches, ACTIONS)}
    return {
        "id": install.get("id", ""),
        "name": install.get("name", ""),
        "org": parts["org"],
        "app": parts["app"],
        "sandbox": parts["sandbox"],
        "inputs": parts["inputs"],
        "actions": {"populated": bool(workflows), "workflows": workflows},
        "runner": parts["runner"],
        "components": {name: {**_part(value, _COMPONENT), "name": name} for name, value in _named(branches, COMPONENTS)},
        "domain": {"populated": any(domain.values()), **domain},
        "cloud_account": {"aws": None, "azure": None, **(branches.get("cloud_account") or {})},
        "install_stack": parts["install_stack"],
        "secrets": dict((branches.get("secrets") or {}).get("outputs", {})),
        "install": {
            "populated": bool(install),
            "id": install.get("id", ""),
            "name": install.get("name", ""),
            **domain,
            "sandbox": parts["sandbox"],
            "inputs": parts["inputs"]["inputs"],
        },
        "stale_at": None,
    }


def _part(value: Mapping[str, Any] | None, empty: Mapping[str, Any]) -> dict[str, Any]:
    return {**empty, "populated": value is not None, **(value or {})}


def _named(branches: Mapping[str, Mapping[str, Any]], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in sorted(branches):
        if name.startswith(kind):
            yield name.removeprefix(kind), branches[name]


def _text(outputs: Mapping[str, Any], name: str) -> str:
    value = outputs.get(name)
    if isinstance(value, msgspec.Raw):
        value = msgspec.json.decode(value)
    return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Current:
    """The document as it is now, with the texts that must never appear in a log."""

    document: dict[str, Any]
    sensitive_values: list[str]


def current(branches: Mapping[str, Branch]) -> Current:
    return Current(full(branches), sorted(set(_sensitive_texts(branches)), key=lambda text: (-len(text), text)))


def _sensitive_texts(branches: Mapping[str, Branch]) -> Iterator[str]:
    for name, branch in branches.items():
        if branch.sensitive:
            values = json.loads(bytes(branch.value)).get(_VALUES.get(name, "outputs"), {})
            yield from _texts(values[hidden] for hidden in branch.sensitive if hidden in values)


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping):
            yield from _texts(value.values())
        elif isinstance(value, list):
            yield from _texts(value)
        # A text of one or two characters would redact half of every log; it is no secret worth the name.
        elif isinstance(value, str) and len(value) > 2:
            yield value
        elif isinstance(value, int | float) and not isinstance(value, bool) and len(str(value)) > 2:
            yield str(value)
