"""Decisions about installs, as pure functions on values (spec domain.md 1.5, 4.5, 4.9)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from exclave.kit import errors

MASK = "********"
APPROVAL_OPTIONS = ("prompt", "approve-all")
NAME_LIMIT = 255


class Declared(Protocol):
    """An input as the app declares it."""

    @property
    def name(self) -> str: ...
    @property
    def default(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def sensitive(self) -> bool: ...
    @property
    def type(self) -> str: ...
    @property
    def source(self) -> str: ...


class InputsInvalid(errors.Invalid):
    """Some inputs are wrong"""

    code = "inputs_invalid"

    def __init__(
        self,
        *,
        unknown: Iterable[str] = (),
        missing: Iterable[str] = (),
        mistyped: Mapping[str, str] | None = None,
        customer: Iterable[str] = (),
    ) -> None:
        self.unknown, self.missing, self.customer = sorted(unknown), sorted(missing), sorted(customer)
        self.mistyped = dict(mistyped or {})
        sentences = [
            f"unknown inputs: {', '.join(self.unknown)}; the app's input config does not declare them" if self.unknown else "",
            f"missing required inputs: {', '.join(self.missing)}" if self.missing else "",
            f"inputs set by the customer's stack cannot be changed here: {', '.join(self.customer)}" if self.customer else "",
            *(f"input {name} {what}" for name, what in sorted(self.mistyped.items())),
        ]
        super().__init__("; ".join(sentence for sentence in sentences if sentence))


def resolve_inputs(declared: Sequence[Declared], given: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs of a new install to store, or name every input that is wrong.

    A required input needs a value of its own or a default; what the customer's stack sets comes later.
    """
    if given and not declared:
        raise errors.Invalid(f"the app declares no inputs, but {', '.join(sorted(given))} was given")
    _check(declared, given, needed=[each for each in declared if each.source != "customer"])
    return {name: value for name, value in given.items() if value != ""}


@dataclass(frozen=True)
class InputChange:
    """The inputs after a change, and the names of those that differ from before."""

    values: dict[str, str]
    changed: tuple[str, ...]


def merge_inputs(
    declared: Sequence[Declared], stored: Mapping[str, str], given: Mapping[str, str], *, by_customer: bool = False
) -> InputChange:
    """Lay what was given over what is stored, or name every input that is wrong.

    Only what changes needs to be sent. A mask sent back for a sensitive input leaves it as it is. Stored names that the app no
    longer declares are dropped. `by_customer`: the customer's stack sets its own inputs, and no others.
    """
    sensitive = {each.name for each in declared if each.sensitive}
    given = {name: value for name, value in given.items() if not (value == MASK and name in sensitive)}
    foreign = {each.name for each in declared if (each.source == "customer") != by_customer} & given.keys()
    # A client that sends back all that it read sends customer inputs too: only a changed one is refused.
    refused = {name for name in foreign if given[name] != stored.get(name)}
    if refused and not by_customer:
        raise InputsInvalid(customer=refused, unknown=given.keys() - {each.name for each in declared})
    taken = {name: value for name, value in given.items() if name not in foreign}
    known = {each.name for each in declared}
    kept = {name: value for name, value in stored.items() if name in known}
    merged = {**kept, **taken}
    _check(declared, merged, needed=[each for each in declared if each.source != "customer"])
    values = {name: value for name, value in merged.items() if value != ""}
    changed = sorted(name for name in values.keys() | kept.keys() if values.get(name) != kept.get(name))
    return InputChange(values, tuple(changed))


def _check(declared: Sequence[Declared], values: Mapping[str, str], *, needed: Iterable[Declared]) -> None:
    by_name = {each.name: each for each in declared}
    unknown = values.keys() - by_name.keys()
    missing = {each.name for each in needed if each.required and not (values.get(each.name) or each.default)}
    mistyped = {
        name: problem
        for name, value in values.items()
        if name in by_name and value and (problem := type_problem(by_name[name].type, value, hidden=by_name[name].sensitive))
    }
    if unknown or missing or mistyped:
        raise InputsInvalid(unknown=unknown, missing=missing, mistyped=mistyped)


def type_problem(kind: str, value: str, *, hidden: bool = False) -> str:
    """Say what is wrong with a text as a value of the type (`string`, `number`, `bool`, `json`, `list`), or nothing.

    A list is a JSON array or texts joined by commas. A sensitive value is never quoted.
    """
    shown = "its value" if hidden else repr(value if len(value) <= 60 else value[:60] + "…")
    match kind:
        case "number" if not _is_number(value):
            return f"must be a number, {shown} is none"
        case "bool" if value.lower() not in ("true", "false"):
            return f"must be true or false, {shown} is neither"
        case "json" if not _is_json(value):
            return f"must be valid JSON, {shown} is not"
        case "list" if value.lstrip().startswith("[") and not isinstance(_json(value), list):
            return f"must be a JSON array or texts joined by commas, {shown} is an array that does not parse"
    return ""


def _is_number(value: str) -> bool:
    found = _json(value.strip())
    return isinstance(found, int | float) and not isinstance(found, bool)


def _is_json(value: str) -> bool:
    return _json(value) is not _BROKEN


_BROKEN = object()


def _json(value: str) -> object:
    def refuse(_: str) -> object:
        raise ValueError("not a JSON number")

    try:
        return json.loads(value, parse_constant=refuse)
    except (ValueError, RecursionError):
        return _BROKEN


def redacted(declared: Sequence[Declared], values: Mapping[str, str]) -> dict[str, str | None]:
    """Return every declared input as people may see it: masked when sensitive, null when it has no value."""
    return {each.name: None if each.name not in values else MASK if each.sensitive else values[each.name] for each in declared}


def with_defaults(declared: Sequence[Declared], values: Mapping[str, str]) -> dict[str, str]:
    """Return every declared input as templates see it: its value, else its default."""
    return {each.name: values.get(each.name, each.default) for each in declared}


def checked_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise errors.Invalid("an install needs a name")
    if len(name) > NAME_LIMIT:
        raise errors.Invalid(f"the name of an install has at most {NAME_LIMIT} characters")
    return name


def checked_approval(option: str) -> str:
    if option not in APPROVAL_OPTIONS:
        raise errors.Invalid(f"approval_option is one of {', '.join(APPROVAL_OPTIONS)}, not {option!r}")
    return option


def check_account(runner_type: str, *, aws_region: str | None, azure_location: str | None, local_allowed: bool) -> None:
    """Refuse an install without the cloud account that its app needs (None: not given)."""
    if aws_region is not None and azure_location is not None:
        raise errors.Invalid("give either aws_account or azure_account, not both")
    if aws_region is not None and not aws_region.strip():
        raise errors.Invalid("aws_account.region must not be empty")
    if azure_location is not None and not azure_location.strip():
        raise errors.Invalid("azure_account.location must not be empty")
    if runner_type == "local":
        if not local_allowed:
            raise errors.Invalid(
                "the app's runner type is `local`, which runs the app's code on the server's own host: this server does not allow it; "
                "its operator can, by EXCLAVE_ALLOW_LOCAL_PLATFORM=true"
            )
        return
    if aws_region is None and azure_location is None:
        raise errors.Invalid("give aws_account (with region) or azure_account (with location)")
    needed = cloud_of(runner_type)
    if (needed == "aws" and aws_region is None) or (needed == "azure" and azure_location is None):
        raise errors.Invalid(f"the app's runner type is {runner_type!r}: give {needed}_account")


def cloud_of(runner_type: str) -> str:
    """The cloud of a runner type (`aws`, `aws-ecs`, `azure`, `azure-aks`, `local` …): aws, azure or unknown."""
    for cloud in ("aws", "azure"):
        if runner_type == cloud or runner_type.startswith(f"{cloud}-"):
            return cloud
    return "unknown"


def has_stack(runner_type: str) -> bool:
    """Does the customer apply a stack before there is a runner?"""
    return cloud_of(runner_type) != "unknown"


def composite_component_status(statuses: Iterable[str]) -> tuple[str, str]:
    """Sum up the statuses of an install's components, with a sentence."""
    found = list(statuses)
    if not found:
        return "pending", "No active components"
    if "error" in found:
        return "error", "A component is in an error state"
    if all(status == "active" for status in found):
        return "active", "All components have been deployed"
    return "pending", "Waiting on components"


def may_teardown(status: str) -> bool:
    """Is there something of the component to tear down?"""
    return status not in ("inactive", "deleted")
