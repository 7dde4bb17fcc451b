"""What an app and its configs may hold (spec domain.md 4.2, api.md "Validation of request bodies")."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from exclave.config import cron
from exclave.kit import errors
from exclave.wire.public import access as access_wire
from exclave.wire.public import apps as wire

# To be matched in full: `$` also matches before a line feed at the end.
_ENTITY = re.compile(r"[a-z0-9_-]+")
_INTERPOLATED = re.compile(r"[a-z0-9_{}.]+")
_COMPONENT = re.compile(r"(?!\.{1,2}\Z)[a-z0-9_{}.-]+")  # no name may be a step of a path
_HOSTNAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*")
NAME_LIMIT = 255  # names are found by index, and an entry of an index has an end
INPUT_TYPES = ("string", "number", "bool", "list", "json")
AZURE_RUNNERS = ("azure", "azure-aks", "azure-acs")
AWS_RUNNERS = ("aws", "aws-ecs", "aws-eks")


def checked_entity_name(name: str) -> str:
    """Return a name of lower case letters, digits, '-' and '_', or raise."""
    _check_length(name, "name")
    if not _ENTITY.fullmatch(name):
        raise errors.Invalid(f"name: {name!r} may hold lower case letters, digits, '-' and '_' only, and must not be empty")
    return name


def checked_app_name(name: str) -> str:
    """Return a name that an app may have, or raise."""
    checked_entity_name(name)
    if len(name) == 26 and name.isalnum():
        raise errors.Invalid(f"name: {name!r} looks like an id (26 letters and digits): choose a shorter or longer one")
    return name


def checked_name(name: str, field: str, *, empty: bool = False) -> str:
    """Return a name of an input or secret, or raise."""
    _check_length(name, field)
    if not (empty and not name) and not _INTERPOLATED.fullmatch(name):
        raise errors.Invalid(f"{field}: {name!r} may hold lower case letters, digits, '_', '.', '{{' and '}}' only, and must not be empty")
    return name


def checked_component_name(name: str) -> str:
    """Return a name that a component may have, or raise. Other servers refuse '-', real apps use it (spec config.md 7)."""
    _check_length(name, "name")
    if not _COMPONENT.fullmatch(name):
        allowed = "lower case letters, digits, '_', '-', '.', '{' and '}' only"
        raise errors.Invalid(f"name: {name!r} may hold {allowed}, and must neither be empty nor a path")
    return name


def _check_length(name: str, field: str) -> None:
    if len(name) > NAME_LIMIT:
        raise errors.Invalid(f"{field}: a name has at most {NAME_LIMIT} characters, this one has {len(name)}")


def checked_cron(schedule: str, field: str) -> str:
    """Return a schedule of five fields (or a word such as `@daily`), or raise; none at all is fine."""
    text = schedule.strip()
    if text and (problem := cron.problem(text)):
        raise errors.Invalid(f"{field}: {schedule!r}: {problem}")
    return text


def cloud_platform(runner_type: str) -> str:
    """Return the cloud that a runner type means."""
    return "aws" if runner_type in AWS_RUNNERS else "azure" if runner_type in AZURE_RUNNERS else "unknown"


def check_inputs(body: wire.CreateAppInputConfigRequest) -> None:
    """Raise unless every input has a good name, type, default and a group that exists."""
    for name, given in body.inputs.items():
        where = f"inputs.{name}"
        checked_name(name, where)
        if given.group not in body.groups:
            known = ", ".join(sorted(body.groups)) or "none"
            raise errors.Invalid(f"{where}: the group {given.group!r} is not declared (declared: {known})")
        if given.type and given.type not in INPUT_TYPES:
            raise errors.Invalid(f"{where}: the type {given.type!r} is not one of {', '.join(INPUT_TYPES)}")
        if given.type == "json" and given.default:
            check_json(given.default, f"{where}.default")


def check_json(text: str, field: str) -> None:
    """Raise unless the text is empty or JSON."""
    if not text:
        return
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise errors.Invalid(f"{field}: not valid JSON: {error}") from error


def check_role(role: access_wire.AppAWSIAMRoleConfigRequest, field: str) -> None:
    """Raise unless an IAM role is named, described and has a policy."""
    for key in ("name", "display_name", "description"):
        if not getattr(role, key):
            raise errors.Invalid(f"{field}.{key}: is required")
    check_json(role.permissions_boundary, f"{field}.permissions_boundary")
    if not role.policies:
        raise errors.Invalid(f"{field}.policies: at least one policy is required")
    for at, policy in enumerate(role.policies):
        check_json(policy.contents, f"{field}.policies.{at}.contents")


def check_secret(secret: access_wire.AppSecretConfigRequest, field: str) -> None:
    """Raise unless a secret is named, described and synced to a name that Kubernetes takes."""
    checked_name(secret.name, f"{field}.name")
    for key in ("display_name", "description"):
        if not getattr(secret, key):
            raise errors.Invalid(f"{field}.{key}: is required")
    if (
        secret.kubernetes_secret_name
        and "{" not in secret.kubernetes_secret_name
        and not _HOSTNAME.fullmatch(secret.kubernetes_secret_name)
    ):
        raise errors.Invalid(f"{field}.kubernetes_secret_name: {secret.kubernetes_secret_name!r} is not a name that Kubernetes takes")
    if secret.format not in ("", "base64"):
        raise errors.Invalid(f"{field}.format: {secret.format!r} is neither empty nor base64")


def present(values: Mapping[str, object]) -> None:
    """Raise for the first field without a value."""
    for name, value in values.items():
        if value in ("", None):
            raise errors.Invalid(f"{name}: is required")


def references(given: Sequence[str] | None) -> list[str]:
    """Return the references of a config: absent and null are none."""
    return list(given or [])
