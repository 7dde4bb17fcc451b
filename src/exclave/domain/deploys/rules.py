"""Decisions about deploys, as pure functions on values (spec domain.md 1.4, 3.7, 4.8)."""

from typing import Any

import msgspec

from exclave.domain.workspaces import changes
from exclave.kit import errors

FINAL = frozenset(
    {
        "active",
        "inactive",
        "error",
        "noop",
        "cancelled",
        "approval-denied",
        "auto-skipped",
        "drifted",
        "no-drift",
        "discarded",
    }
)
IMAGES = ("docker_build", "external_image")
JOBS = {
    "terraform_module": "terraform-deploy",
    "helm_chart": "helm-chart-deploy",
    "kubernetes_manifest": "kubernetes-manifest-deploy",
}
_APPROVALS = {
    "terraform_module": "terraform_plan",
    "helm_chart": "helm_approval",
    "kubernetes_manifest": "kubernetes_manifest_approval",
}
_UNCHANGED = ("unchanged", 0)  # official runners count the kinds of difference from 0
_SETTLED = {
    "auto-skipped": "No changes found in plan, skipping deployment.",
    "approval-denied": "the plan was denied",
    "discarded": "the plan was discarded",
    "cancelled": "cancelled",
    "user-skipped": "skipped by a user",
    "drifted": "Drift detected",
    "no-drift": "No drift detected",
}


def is_image(component_type: str) -> bool:
    return component_type in IMAGES


def job_type(component_type: str, name: str) -> str:
    """The job that plans and applies a component of this type. Raises `Invalid` for types that cannot be deployed yet."""
    if component_type not in JOBS:
        raise errors.Invalid(f"component {name!r} is of the type {component_type!r}, whose deploys are planned (docs/status.md)")
    return JOBS[component_type]


def approval_type(component_type: str) -> str:
    return _APPROVALS.get(component_type, "noop")


def is_deployed(status: str) -> bool:
    """Is there something of the component in the install? `status` is that of its install component."""
    return status not in ("", "inactive", "deleted")


def is_settled(deploy_type: str, component_status: str) -> bool:
    """Is the component known to be what such a deploy makes of it? Only then may a plan without changes be skipped."""
    return component_status == ("inactive" if deploy_type == "teardown" else "active")


def settled_status(deploy_type: str) -> str:
    return "inactive" if deploy_type == "teardown" else "active"


def operation(deploy_type: str) -> str:
    """The job operation that plans such a deploy."""
    return "create-teardown-plan" if deploy_type == "teardown" else "create-apply-plan"


def words(how: str) -> str:
    """Describe what the engine decided over a deploy."""
    return _SETTLED.get(how, how)


def is_noop(component_type: str, display: bytes) -> bool:
    """Would applying the plan change nothing (spec domain.md 3.7)? A document that is not there says nothing, so it is a change."""
    if not display:
        return False
    match component_type:
        case "terraform_module":
            return changes.is_noop(display)
        case "helm_chart":
            return not _listed(display, "helm_content_diff")
        case "kubernetes_manifest":
            found = _listed(display, "k8s_content_diff", "content_diff")
            return all(isinstance(entry, dict) and entry.get("type") in _UNCHANGED for entry in found)
        case _:
            raise errors.Invalid(f"no rule tells whether a plan of the type {component_type!r} changes something")


def summary(component_type: str, display: bytes) -> dict[str, int]:
    """Count what a plan would do."""
    match component_type:
        case "terraform_module":
            return changes.summary(display)
        case "helm_chart":
            return {"change": len(_listed(display, "helm_content_diff"))}
        case _:
            return {"change": len(_listed(display, "k8s_content_diff", "content_diff"))}


def _listed(display: bytes, *keys: str) -> list[Any]:
    try:
        document = msgspec.json.decode(display) if display else {}
    except msgspec.DecodeError:
        return []
    for key in keys:
        found = document.get(key) if isinstance(document, dict) else None
        if isinstance(found, list):
            return found
    return []
