"""Decisions about sandbox runs, as pure functions on values (spec domain.md 3.7, 4.7)."""

from collections.abc import Mapping
from typing import Any

from exclave.domain.workspaces import changes

RUN_TYPES = ("provision", "reprovision", "deprovision")
FINAL = frozenset(
    {"active", "deprovisioned", "error", "cancelled", "approval-denied", "auto-skipped", "drifted", "no-drift", "discarded", "empty"}
)

_UNDERWAY = {"provision": "provisioning", "reprovision": "reprovisioning", "deprovision": "deprovisioning"}
_SETTLED = {
    "auto-skipped": "no changes found in plan, the sandbox stays as it is",
    "approval-denied": "the plan was denied",
    "discarded": "the plan was discarded",
    "cancelled": "cancelled",
    "user-skipped": "skipped by a user",
    "drifted": "drift detected",
    "no-drift": "no drift detected",
}


is_noop = changes.is_noop
summary = changes.summary
in_words = changes.in_words


def underway(run_type: str) -> str:
    """What a sandbox is while a run of this type applies its plan."""
    return _UNDERWAY[run_type]


def settled_status(run_type: str) -> str:
    """What a sandbox is after a run of this type."""
    return "deprovisioned" if run_type == "deprovision" else "active"


def is_settled(run_type: str, sandbox_status: str) -> bool:
    """Is the sandbox known to be what a run of this type makes of it? Only then may a plan without changes be skipped: otherwise
    its outputs were never read, or a failed apply left it in doubt."""
    return sandbox_status == settled_status(run_type)


def words(how: str) -> str:
    """Describe what the engine decided over a run."""
    return _SETTLED.get(how, how)


def operation(run_type: str) -> str:
    """The job operation that plans a run of this type."""
    return "create-teardown-plan" if run_type == "deprovision" else "create-apply-plan"


def builtin_variables(document: Mapping[str, Any], install_id: str) -> dict[str, Any]:
    """Return the variables that every sandbox on AWS is given (spec domain.md 4.7); none elsewhere."""
    aws = (document.get("cloud_account") or {}).get("aws")
    if not aws:
        return {}
    stack = document["install_stack"].get("outputs") or {}
    root = str(stack.get("root_domain") or "")
    domains = {"public_root_domain": f"{install_id}.{root}", "internal_root_domain": f"{install_id}.internal.{root}"} if root else {}
    roles = {f"{role}_iam_role_arn": stack.get(f"{role}_iam_role_arn", "") for role in ("provision", "maintenance", "deprovision")}
    return {
        "nuon_id": install_id,
        "region": aws.get("region", ""),
        "vpc_id": stack.get("vpc_id", ""),
        **domains,
        **roles,
        "tags": {"NUON_INSTALL_ID": install_id},
    }
