"""Journeys: the few steps that lead a new account to its first install (spec domain.md 5.8)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from exclave.kit import errors
from exclave.kit.time import rfc3339

EVALUATION = "evaluation"

_EVALUATION_STEPS = (
    ("account_created", "Create your account"),
    ("org_created", "Create your org"),
    ("cli_installed", "Install the command line"),
    ("app_created", "Create your first app"),
    ("app_synced", "Sync your app's config"),
    ("install_created", "Create your first install"),
)

# Programs whose first call shows that somebody works from a terminal (spec domain.md 5.3), and our own.
_TERMINALS = ("exclave", "nuon-cli", "nuon/", "go-http-client", "curl", "wget", "postman")

Journeys = list[dict[str, Any]]


def evaluation(moment: datetime) -> Journeys:
    """Return the journeys of a new account: the first step is done by having one."""
    steps = [_step(name, title) for name, title in _EVALUATION_STEPS]
    fresh = [{"name": EVALUATION, "title": "Getting Started", "steps": steps}]
    return marked(fresh, "account_created", moment, method="auto", source="system")


def journey(name: str, title: str, steps: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return a journey of which nothing is done yet."""
    return {"name": name, "title": title, "steps": [_step(step, text) for step, text in steps]}


def marked(journeys: Journeys, step: str, moment: datetime, *, method: str, source: str) -> Journeys:
    """Return the journeys with the step done wherever it is still open; what was done keeps its time."""
    done = {"complete": True, "completed_at": rfc3339(moment), "completion_method": method, "completion_source": source}
    return [
        {**one, "steps": [{**each, **done} if each["name"] == step and not each.get("complete") else each for each in one["steps"]]}
        for one in journeys
    ]


def with_step(journeys: Journeys, name: str, step: str, *, complete: bool, moment: datetime) -> Journeys:
    """Return the journeys with one step of one journey set. Raises when journey or step is unknown."""
    chosen = named(journeys, name)
    if all(each["name"] != step for each in chosen["steps"]):
        raise errors.NotFound(f"the journey {name!r} has no step {step!r}")
    return [_set(one, lambda each: each["name"] == step, complete, moment) if one is chosen else one for one in journeys]


def with_all_steps(journeys: Journeys, name: str, *, complete: bool, moment: datetime) -> Journeys:
    """Return the journeys with every step of one journey set."""
    chosen = named(journeys, name)
    return [_set(one, lambda _: True, complete, moment) if one is chosen else one for one in journeys]


def named(journeys: Journeys, name: str) -> dict[str, Any]:
    """Return the journey of that name, or raise."""
    for one in journeys:
        if one["name"] == name:
            return one
    raise errors.NotFound(f"the account has no journey {name!r}")


def is_terminal(user_agent: str) -> bool:
    """Does this user agent show that the caller works from a terminal?"""
    agent = user_agent.lower()
    return any(word in agent for word in _TERMINALS)


def _step(name: str, title: str) -> dict[str, Any]:
    return {"name": name, "title": title, "complete": False}


def _set(one: Mapping[str, Any], which: Any, complete: bool, moment: datetime) -> dict[str, Any]:
    steps = []
    for each in one["steps"]:
        if not which(each) or bool(each.get("complete")) == complete:
            steps.append(each)
        elif complete:
            done = {"complete": True, "completed_at": rfc3339(moment), "completion_method": "manual", "completion_source": "api"}
            steps.append({**each, **done})
        else:
            steps.append({key: value for key, value in each.items() if not key.startswith("complet")} | {"complete": False})
    return {**one, "steps": steps}
