"""Decisions about jobs as pure functions on values: groups, timeouts, and which status may follow which (spec runner.md 2)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

RUNNING = ("pending", "initializing", "in-progress", "cleaning-up")  # of an execution, in their order
EXECUTION_FINAL = frozenset({"finished", "failed", "timed-out", "not-attempted", "cancelled", "unknown"})

OPEN = ("queued", "available", "in-progress")  # of a job
JOB_FINAL = frozenset({"finished", "failed", "timed-out", "not-attempted", "cancelled", "unknown"})

# What a job becomes when its execution says so. A time-out that the runner itself reports is a failure of the job.
_JOB_AFTER = {"finished": "finished", "cancelled": "cancelled"}

QUEUE_TIMEOUT = timedelta(hours=24)
AVAILABLE_TIMEOUT = timedelta(seconds=30)

_MINUTES = {
    "docker-build": 60,
    "container-image-build": 15,
    "oci-sync": 15,
    "terraform-deploy": 60,
    "helm-chart-deploy": 15,
    "kubernetes-manifest-deploy": 15,
    "job-deploy": 15,
    "sandbox-terraform": 60,
    "runner-terraform": 15,
}

_GROUPS = {
    "docker-build": "build",
    "container-image-build": "build",
    "terraform-module-build": "build",
    "helm-chart-build": "build",
    "noop-build": "build",
    "oci-sync": "sync",
    "noop-sync": "sync",
    "terraform-deploy": "deploy",
    "helm-chart-deploy": "deploy",
    "kubernetes-manifest-deploy": "deploy",
    "job-deploy": "deploy",
    "noop-deploy": "deploy",
    "sandbox-terraform": "sandbox",
    "sandbox-terraform-plan": "sandbox",
    "sandbox-sync-secrets": "sandbox",
    "actions-workflow": "actions",
    "health-check": "operations",
    "shut-down": "operations",
    "update-version": "operations",
    "noop": "operations",
    "mng-vm-shut-down": "management",
    "mng-shut-down": "management",
    "mng-runner-update-version": "management",
    "mng-runner-restart": "management",
    "runner-helm": "runner",
    "runner-terraform": "runner",
    "runner-local": "runner",
}

MOST_CLAIMS = 5  # of one job, when its claims are never heard of again

MASK = "********"


def group_of(job_type: str) -> str:
    """Which loop of a runner takes jobs of this type; empty for a type that nobody knows."""
    return _GROUPS.get(job_type, "")


_PLANS = {"build": "build_plan", "sync": "sync_oci_plan", "deploy": "deploy_plan", "actions": "action_workflow_run_plan"}


def plan_kind(job_type: str) -> str:
    """The name of a job's plan among those of a composite plan; empty for jobs without one."""
    if job_type == "sandbox-sync-secrets":
        return "sync_secrets_plan"
    return "sandbox_run_plan" if job_type.startswith("sandbox-terraform") else _PLANS.get(group_of(job_type), "")


def execution_timeout_of(job_type: str) -> timedelta:
    """How long an execution of this type may take when its owner does not say."""
    return timedelta(minutes=_MINUTES.get(job_type, 5))


def overall_timeout(execution: timedelta, executions: int = 1) -> timedelta:
    return QUEUE_TIMEOUT + executions * (AVAILABLE_TIMEOUT + execution)


def is_final(status: str) -> bool:
    """May a job of this status still change?"""
    return status in JOB_FINAL


def is_failure(status: str) -> bool:
    """Did a job of this final status fail, for whoever waits for it?"""
    return status in JOB_FINAL and status != "finished"


def may_precede(status: str) -> tuple[str, ...]:
    """From which statuses an execution may come to this one: forward only, a running one may end at any point.

    The same status again is allowed while it runs: the stages of a job share statuses.
    """
    if status in EXECUTION_FINAL:
        return RUNNING
    if status in RUNNING:
        return RUNNING[: RUNNING.index(status) + 1]
    return ()


def may_go_again(status: str, renewed_by: str, executions: int) -> bool:
    """May a job whose lease ended be given out again, since its runner cannot have begun?

    Our runner runs no program before its first status is acknowledged. Official runners do not promise that. What is lost again and
    again is given up.
    """
    return status == RUNNING[0] and renewed_by == "lease" and executions < MOST_CLAIMS


def job_after(execution_status: str) -> str:
    """What becomes of a job when its execution ends like this."""
    return _JOB_AFTER.get(execution_status, "failed")


def workspace_of(plan: object) -> str:
    """Name the Terraform workspace that a plan works on, or nothing."""
    document = msgspec.to_builtins(plan)
    if not isinstance(document, Mapping):
        return ""
    terraform = document.get("terraform")
    for part in (document, terraform if isinstance(terraform, Mapping) else {}):
        backend = part.get("terraform_backend")
        if isinstance(backend, Mapping):
            return str(backend.get("workspaceID", ""))
    return ""


def masked_outputs(outputs: bytes, sensitive: frozenset[str]) -> bytes:
    """Return what people may see of outputs: every other value byte for byte, sensitive ones as asterisks."""
    if not sensitive:
        return outputs
    values = msgspec.json.decode(outputs, type=dict[str, msgspec.Raw])
    hidden = msgspec.Raw(msgspec.json.encode(MASK))
    return msgspec.json.encode({name: hidden if name in sensitive else value for name, value in values.items()})


_SECRET_KEYS = frozenset(
    {"password", "secret_access_key", "session_token", "access_key_id", "kube_config", "apply_plan_contents", "apply_plan_display", "token"}
)


def masked_plan(plan: Any) -> Any:
    """Return a plan document as people may see it: no credential, no sensitive variable, no plan file (architecture rule 7)."""
    secrets = sorted({str(text) for text in _secrets(plan) if text}, key=len, reverse=True)
    return _masked(plan, secrets)


def secret_variables(plan: Any) -> list[Any]:
    """The values of the variables that a plan calls secret, wherever they stand in it."""
    if isinstance(plan, list):
        return [value for part in plan for value in secret_variables(part)]
    if not isinstance(plan, dict):
        return []
    given, named = plan.get("vars"), plan.get("sensitive_vars") or ()
    mine = [given[name] for name in named if name in given] if isinstance(given, dict) else []
    return [*mine, *(value for part in plan.values() for value in secret_variables(part))]


def _secrets(plan: Any) -> list[Any]:
    """The texts that an action's plan itself calls secret: they stand in its rendered commands, too."""
    return list(plan.get("sensitive_values") or ()) if isinstance(plan, dict) else []


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_masked(item, secrets) for item in value]
    if isinstance(value, str):
        for secret in secrets:  # the longest first: one may hold another
            value = value.replace(secret, MASK)
        return value
    if not isinstance(value, dict):
        return value
    named = frozenset(str(name) for name in value.get("sensitive_vars") or ())
    shown: dict[str, Any] = {}
    for key, item in value.items():
        if key.lower() in _SECRET_KEYS:
            shown[key] = MASK if item else item
        elif key == "sensitive_values":
            shown[key] = [MASK for _ in item or ()]
        elif key in ("env_vars", "override_env_vars", "interpolated_env_vars", "envVars") and isinstance(item, dict):
            # Nothing tells which of these are secret, and interpolated texts often are.
            shown[key] = {name: MASK if text else text for name, text in item.items()}
        elif key == "vars" and isinstance(item, dict):
            shown[key] = {name: MASK if name in named else inner for name, inner in item.items()}
        elif key == "vars_files" and named:
            shown[key] = [MASK for _ in item or ()]
        elif key == "state":
            shown[key] = MASK if item else item
        elif key == "url" and isinstance(item, str):
            shown[key] = _without_user(item)
        else:
            shown[key] = _masked(item, secrets)
    return shown


def _without_user(url: str) -> str:
    """A URL without the credentials in it: `https://user:token@host/x` becomes `https://host/x`."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return scheme + separator + host.rpartition("@")[2] + slash + path if separator else url
