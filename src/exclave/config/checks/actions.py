"""Actions and runbooks: triggers, steps, roles, and the names they use."""

from __future__ import annotations

from exclave.config import durations, model
from exclave.config.checks import names
from exclave.config.documents import Path
from exclave.config.places import Ledger
from exclave.config.rules.actions import COMPONENT_TRIGGERS, REFUSED_TRIGGERS, UNUSED_TRIGGERS

HOUR = 3600 * durations.SECOND


def check(app: model.App, ledger: Ledger) -> None:
    """Check what runs inside an install."""
    names.unique(app.actions, "action", ("actions",), ledger)
    names.unique(app.runbooks, "runbook", ("runbooks",), ledger)
    components = [component.name for component in app.components]
    for i, action in enumerate(app.actions):
        path: Path = ("actions", i)
        _timeout(action.timeout, (*path, "timeout"), ledger)
        for j, name in enumerate(action.dependencies):
            names.known(name, components, "component", "EX-C041", (*path, "dependencies", j), ledger)
        _triggers(action, path, components, ledger)
        names.unique(action.steps, "step", (*path, "steps"), ledger)
        for j, step in enumerate(action.steps):
            if not step.command and not step.inline_contents and not _written(("inline_contents", "command"), (*path, "steps", j), ledger):
                at = ledger.origin((*path, "steps", j))
                ledger.say("EX-C061", f'the step "{step.name}" does nothing', "add command or inline_contents", at=at, on="key")
    _runbooks(app, components, ledger)


def _written(keys: tuple[str, ...], path: Path, ledger: Ledger) -> bool:
    from exclave.config.places import find

    origin = ledger.origin(path)
    data = find(origin.document.data, origin.path) if origin else None
    return isinstance(data, dict) and any(data.get(key) for key in keys)


def _timeout(text: str, path: Path, ledger: Ledger) -> None:
    try:
        long = bool(text) and durations.nanoseconds(text) > HOUR
    except ValueError:
        return
    if long:
        ledger.say("EX-C024", f"{text} is longer than one hour", 'write "1h" or less', at=ledger.origin(path))


def _triggers(action: model.Action, path: Path, components: list[str], ledger: Ledger) -> None:
    seen: dict[tuple[str, str], int] = {}
    for j, trigger in enumerate(action.triggers):
        here = (*path, "triggers", j)
        at = ledger.origin((*here, "type"))
        needs = trigger.type in COMPONENT_TRIGGERS
        if needs and not trigger.component_name:
            hint = 'add component_name = "..."'
            ledger.say("EX-C047", f'the trigger "{trigger.type}" names no component', hint, at=at)
        elif needs:
            names.known(trigger.component_name, components, "component", "EX-C041", (*here, "component_name"), ledger)
        elif trigger.component_name and trigger.type:
            where = ledger.origin((*here, "component_name"))
            ledger.say("EX-C047", f'the trigger "{trigger.type}" takes no component', "remove component_name", at=where, on="key")
        if trigger.type == "cron" and not trigger.cron_schedule and not _written(("cron_schedule", "schedule"), here, ledger):
            hint = 'add cron_schedule = "0 2 * * *"'
            ledger.say("EX-C048", "the trigger cron has no schedule", hint, at=at)
        elif trigger.cron_schedule and trigger.type not in ("cron", ""):
            where = ledger.origin((*here, "cron_schedule"))
            ledger.say("EX-C048", f'the trigger "{trigger.type}" takes no schedule', "remove cron_schedule", at=where, on="key")
        if trigger.type in UNUSED_TRIGGERS and at is not None:
            ledger.say_once("EX-C020", trigger.type, f'the trigger "{trigger.type}" is kept, and nothing acts on it yet', at=at)
        if trigger.type in REFUSED_TRIGGERS:
            ledger.say("EX-C062", f'other servers refuse the trigger "{trigger.type}"', at=at)
        same = (trigger.type, trigger.component_name)
        if trigger.type and same in seen:
            code = "EX-C049" if trigger.type == "cron" else "EX-C040"
            what = "a second cron trigger" if trigger.type == "cron" else f'the trigger "{trigger.type}" is given twice'
            ledger.say(code, what, "an action has each trigger once", at=at)
        seen[same] = j


def _runbooks(app: model.App, components: list[str], ledger: Ledger) -> None:
    actions = [action.name for action in app.actions]
    for i, runbook in enumerate(app.runbooks):
        for j, step in enumerate(runbook.steps):
            here: Path = ("runbooks", i, "steps", j)
            if step.action_name:
                names.known(step.action_name, actions, "action", "EX-C050", (*here, "action_name"), ledger)
            if step.component_name:
                names.known(step.component_name, components, "component", "EX-C041", (*here, "component_name"), ledger)
            missing = {"action": "action_name", "component_deploy": "component_name", "component_teardown": "component_name"}
            name = missing.get(step.type)
            own = step.type == "action" and (step.command or step.inline_contents)
            if name and not getattr(step, name) and not own:
                ledger.say("EX-C014", f'"{name}" is missing', f"a step of type {step.type} needs it", at=ledger.origin(here), on="key")
