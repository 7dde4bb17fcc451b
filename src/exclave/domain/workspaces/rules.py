"""Decisions about Terraform state as pure functions on values (spec runner.md 1.7)."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from exclave.kit import errors, json
from exclave.kit.secret_forms import forms_of, texts_of

STATE_LIMIT = 64 << 20  # bytes


class Instance(msgspec.Struct):
    sensitive_attributes: list[Any] | None = None


class Resource(msgspec.Struct):
    instances: list[Instance] | None = None


class State(msgspec.Struct):
    """What we read of a Terraform state; the rest stays the bytes that it is."""

    version: int
    serial: int
    lineage: str
    outputs: dict[str, dict[str, Any]] | None = None  # these two are looked into whenever people see a state
    resources: list[Resource] | None = None


def check_lock(held: str, given: str, *, must_hold: bool) -> None:
    """May a state be written with this lock id? Only with the id of the lock that is held; without a lock, only without an id."""
    if held != given:
        raise errors.Conflict(f"the lock of the workspace is {held or 'not held'}, the write names {given or 'none'}")
    if must_hold and not held:
        raise errors.Conflict("lock the workspace before you write its state")


def is_repeat(state: "State", digest: str, *, serial: int, lineage: str, digest_before: str) -> bool:
    """Is this the newest version, delivered again? Raises `Conflict` when it is no successor of the newest either."""
    if state.lineage != lineage:
        raise errors.Conflict(
            f"the state has the lineage {state.lineage}, the workspace has {lineage}: this is the state of something else"
        )
    if state.serial == serial and digest == digest_before:
        return True
    if state.serial <= serial:
        raise errors.Conflict(f"the state has the serial {state.serial}, the workspace is at {serial} already")
    return False


def holds_resources(contents: bytes) -> bool:
    """Does a state know of anything that exists?"""
    return any(resource.get("mode") == "managed" for resource in msgspec.json.decode(contents).get("resources") or ())


class Module(msgspec.Struct):
    resources: list[dict[str, Any]] | None = None
    child_modules: list["Module"] | None = None


class Values(msgspec.Struct):
    outputs: dict[str, Any] | None = None
    root_module: Module | None = None


class Show(msgspec.Struct):
    """What people look into when they see a `terraform show -json` document."""

    values: Values | None = None


def read_show(contents: bytes) -> Show:
    """Read a `terraform show -json` document, or raise `Invalid`."""
    with json.understood("the body is not a `terraform show -json` document"):
        return msgspec.json.decode(contents, type=Show)


class LockInfo(msgspec.Struct, rename="pascal"):
    """A lock as Terraform writes it. Its keys are compared without regard to case."""

    id: str = msgspec.field(default="", name="ID")
    operation: str = ""
    info: str = ""
    who: str = ""
    version: str = ""
    created: str = ""
    path: str = ""


def read_state(contents: bytes) -> State:
    """Read the numbers of a state, or raise `Invalid`."""
    with json.understood("the body is not a Terraform state"):
        state = msgspec.json.decode(contents, type=State)
    if not state.lineage or not 0 <= state.serial < 2**63:
        raise errors.Invalid("the body is not a Terraform state: it has no lineage or no serial")
    return state


def read_lock(body: bytes) -> LockInfo:
    """Read a lock, with keys of any case; an empty body is an empty lock."""
    with json.understood("the body is not a Terraform lock"):
        given = msgspec.json.decode(body or b"{}", type=dict[str, Any])
    known = {field.name: field.encode_name for field in msgspec.structs.fields(LockInfo)}
    return msgspec.convert({known[key.lower()]: str(value) for key, value in given.items() if key.lower() in known and value}, LockInfo)


def stored_lock(lock: LockInfo) -> dict[str, str]:
    """A lock as the table and the public API have it: keys in lower case."""
    return {name: value for name, value in msgspec.structs.asdict(lock).items() if value}


def terraform_lock(stored: dict[str, Any]) -> bytes:
    """A lock as Terraform reads it from a refusal, to print who holds it."""
    fields = {field.name for field in msgspec.structs.fields(LockInfo)}
    return msgspec.json.encode(LockInfo(**{name: str(value) for name, value in stored.items() if name in fields}))


def resources_in(shown: Any) -> list[str]:
    """The addresses of the resources in a `terraform show -json` document, sorted."""
    found: list[str] = []
    modules = [((shown or {}).get("values") or {}).get("root_module") or {}]
    while modules:
        module = modules.pop()
        found += [str(resource["address"]) for resource in module.get("resources") or () if "address" in resource]
        modules += module.get("child_modules") or ()
    return sorted(found)


MASK = "********"
_SHORTEST_COPY = 6  # characters: what is shorter stands in a state for other reasons, too


def masked_show(shown: Any, secrets: Iterable[Any] = ()) -> Any:
    """A `terraform show -json` document as people may see it: values that Terraform calls sensitive are asterisks, and `secrets`."""
    if not isinstance(shown, dict):
        return shown
    values = dict(shown.get("values") or {})
    if values.get("outputs"):
        values["outputs"] = {
            name: {**output, "value": MASK} if isinstance(output, dict) and output.get("sensitive") else output
            for name, output in values["outputs"].items()
        }
    if values.get("root_module"):
        values["root_module"] = _masked_module(values["root_module"])
    return {**shown, "values": _without_copies(values, [*secrets, *_hidden(shown["values"], values)])} if values else shown


def _masked_module(module: dict[str, Any]) -> dict[str, Any]:
    masked = dict(module)
    if module.get("resources"):
        masked["resources"] = [
            {**resource, "values": masked_by(resource.get("values"), resource.get("sensitive_values"))} for resource in module["resources"]
        ]
    if module.get("child_modules"):
        masked["child_modules"] = [_masked_module(child) for child in module["child_modules"]]
    return masked


def masked_by(value: Any, marks: Any) -> Any:
    """Hide what the marks call sensitive: `true` hides all of the value, maps and lists go down."""
    if marks is True:
        return MASK
    if isinstance(value, dict) and isinstance(marks, dict):
        return {name: masked_by(item, marks.get(name)) for name, item in value.items()}
    if isinstance(value, list) and isinstance(marks, list):
        return [masked_by(item, marks[place] if place < len(marks) else None) for place, item in enumerate(value)]
    return value


def masked_state(contents: bytes, secrets: Iterable[Any] = ()) -> bytes:
    """A Terraform state as people may see it: sensitive outputs and attributes are asterisks, private data is left out.

    Providers copy values to attributes that nobody marks (`terraform_data` its input to its output): what is hidden in one place is
    hidden in all of them. So are `secrets`, which the module was given and may not have marked.
    """
    state = msgspec.json.decode(contents)
    hidden = list(secrets)
    for output in (state.get("outputs") or {}).values():
        if output.get("sensitive"):
            hidden.append(output.get("value"))
            output["value"] = MASK
    for resource in state.get("resources") or ():
        for instance in resource.get("instances") or ():
            instance.pop("private", None)
            hidden += [_hide(instance.get("attributes"), path) for path in instance.get("sensitive_attributes") or ()]
    state |= _without_copies({part: state[part] for part in ("outputs", "resources", "check_results") if part in state}, hidden)
    return msgspec.json.encode(state)


def _hide(attributes: Any, path: Any) -> Any:
    """Hide what a path of a state names, and return what it was: steps such as `{"type": "get_attr", "value": "password"}`."""
    place = attributes
    steps = path if isinstance(path, list) else [path]
    for position, step in enumerate(steps):
        key = step.get("value") if isinstance(step, dict) else step
        key = key.get("value") if isinstance(key, dict) else key
        try:
            if position == len(steps) - 1:
                was, place[key] = place[key], MASK
                return was
            place = place[key]
        except (KeyError, IndexError, TypeError):
            break
    return None


def _hidden(before: Any, after: Any) -> Iterator[Any]:
    """Yield what was masked on the way from one document to the other."""
    if after == MASK:
        yield before
    elif isinstance(before, dict) and isinstance(after, dict):
        for name in after.keys() & before.keys():
            yield from _hidden(before[name], after[name])
    elif isinstance(before, list) and isinstance(after, list):
        for one, other in zip(before, after, strict=False):
            yield from _hidden(one, other)


def _without_copies(document: dict[str, Any], hidden: Iterable[Any]) -> dict[str, Any]:
    """Hide what is hidden already wherever else it stands."""
    secrets = {text for value in hidden for text in texts_of(value) if len(text) >= _SHORTEST_COPY}
    forms = {form for text in secrets for form in forms_of(text) if len(form) >= _SHORTEST_COPY}
    if not forms:
        return document
    copies = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))
    return {name: _without(part, copies) for name, part in document.items()}


def _without(value: Any, secrets: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return secrets.sub(MASK, value)
    if isinstance(value, dict):
        return {name: _without(part, secrets) for name, part in value.items()}
    if isinstance(value, list):
        return [_without(part, secrets) for part in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and secrets.fullmatch(str(value)):
        return MASK
    return value
