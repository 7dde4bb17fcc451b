"""What this runner can do, by job type. A handler takes a job, returns an outcome or raises; imports happen on first use."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import cast

from exclave.runner.job import Job, Outcome

Handler = Callable[[Job], Awaitable[Outcome]]

# Job type: (module of this package, function). Modules are loaded when needed, which keeps an idle runner small.
_HANDLERS: dict[str, tuple[str, str]] = {
    "sandbox-terraform": ("terraform", "run_sandbox"),
    "terraform-deploy": ("terraform", "run_deploy"),
    "terraform-module-build": ("build", "build_terraform_module"),
    "noop-build": ("simple", "succeed"),
    "noop-sync": ("simple", "succeed"),
    "noop-deploy": ("simple", "succeed"),
    "job-deploy": ("simple", "succeed"),
    "noop": ("simple", "succeed"),
    "oci-sync": ("sync", "sync_artifact"),
    "sandbox-sync-secrets": ("sync", "sync_secrets"),
    "actions-workflow": ("actions", "run_action"),
    "health-check": ("simple", "check_health"),
    "shut-down": ("simple", "shut_down"),
    "update-version": ("simple", "shut_down"),
}


def known() -> list[str]:
    """List the job types that this runner can do."""
    return sorted(_HANDLERS)


def name_of(job_type: str) -> str:
    """Return the name of the handler of a job type, for error metadata."""
    module, function = _HANDLERS.get(job_type, ("none", ""))
    return f"{module}.{function}" if function else module


def find(job_type: str) -> Handler | None:
    """Return the handler of a job type, or None."""
    if job_type not in _HANDLERS:
        return None
    module, function = _HANDLERS[job_type]
    return cast(Handler, getattr(import_module(f"{__name__}.{module}"), function))
