"""Decisions about actions, as pure functions on values (spec domain.md 3.2, 3.4, 4.12)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exclave.config import template
from exclave.kit import errors

FINAL = ("finished", "error", "timed-out", "cancelled")
FINAL_STEPS = ("finished", "error", "timed-out")
STEP_STATUSES = ("pending", "in-progress", *FINAL_STEPS)

# Actions with these triggers run around the sandbox run of their workflow.
AROUND_SANDBOX = tuple(
    f"{when}-{what}"
    for what in ("provision", "reprovision", "deprovision", "reprovision-sandbox", "deprovision-sandbox")
    for when in ("pre", "post")
)

RUN_ENV = "RUNENV_"  # metadata of a workflow that carries the environment of a manual run

# The words of the contract for a composite status; ours where they are the same.
_COMPOSITE = {"finished": "success", "timed-out": "error", "unknown": "error"}


def composite_word(status: str) -> str:
    return _COMPOSITE.get(status, status)


@dataclass(frozen=True)
class Trigger:
    """One trigger of an action that an install has, from the app config that the install pins."""

    action_name: str
    action_workflow_id: str
    install_action_workflow_id: str
    config_id: str
    type: str
    index: int = 0
    component_id: str = ""


def matching(triggers: Iterable[Trigger], kind: str, component_id: str = "") -> list[Trigger]:
    """Return what runs at a trigger, ordered by index, then name. A trigger of a component runs around that component only."""
    found = [each for each in triggers if each.type == kind and each.component_id == component_id]
    return sorted(found, key=lambda each: (each.index, each.action_name))


def step_name(action_name: str, kind: str) -> str:
    return f"{action_name} Action Run ({kind})"


def flow_environment(kind: str, *, workflow_id: str, workflow_type: str) -> dict[str, str]:
    """The environment of an action that a workflow runs at its own start or end."""
    return {
        "TRIGGER_TYPE": kind,
        "FLOW_TYPE": workflow_type,
        "FLOW_ID": workflow_id,
        "INSTALL_WORKFLOW_TYPE": workflow_type,
        "INSTALL_WORKFLOW_ID": workflow_id,
    }


def component_environment(kind: str, *, component_id: str, component_name: str) -> dict[str, str]:
    """The environment of an action that runs around one component."""
    return {"TRIGGER_TYPE": kind, "COMPONENT_ID": component_id, "COMPONENT_NAME": component_name}


def manual_environment(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a manual run, as its workflow carries it."""
    given = {key.removeprefix(RUN_ENV): str(value) for key, value in metadata.items() if key.startswith(RUN_ENV)}
    return {**given, "TRIGGER_TYPE": "manual"}


@dataclass(frozen=True)
class StepTexts:
    """What a vendor wrote for one step of an action."""

    name: str
    command: str = ""
    inline_contents: str = ""
    env_vars: Mapping[str, Any] = field(default_factory=dict)


def render_step(action: str, step: StepTexts, state: Mapping[str, Any]) -> StepTexts:
    """Render the templates of a step with the state document. A problem names the action, the step, the key and what is missing."""

    def rendered(key: str, text: str) -> str:
        return render(text, state, where=f"action {action!r}, step {step.name!r}, {key}")

    return StepTexts(
        name=step.name,
        command=rendered("command", step.command),
        inline_contents=rendered("inline_contents", step.inline_contents),
        env_vars={name: rendered(f"env_vars.{name}", str(text or "")) for name, text in step.env_vars.items()},
    )


def render(text: str, state: Mapping[str, Any], *, where: str) -> str:
    """Render one text; a missing key raises `TemplateError`, an `Invalid` that names `where`, line and column."""
    return template.render(text, state, name=where)


def check_step_status(status: str) -> str:
    if status not in STEP_STATUSES:
        raise errors.Invalid(f"status is one of {', '.join(STEP_STATUSES)}, not {status!r}")
    return status


def failure_reason(action: str, *, description: str, metadata: Mapping[str, Any]) -> str:
    """Say why an action failed, in words that a step can show."""
    found = str(metadata.get("message") or metadata.get("error") or description or "the runner gave no reason")
    return f"action {action!r} failed: {found}"
