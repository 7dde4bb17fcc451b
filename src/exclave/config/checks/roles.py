"""Whether the roles that actions, runbooks and operations name are roles of the app. Only a warning: a role may be the customer's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from exclave.config import model
from exclave.config.checks import names
from exclave.config.documents import Path
from exclave.config.places import Ledger

_SPACE = re.compile(r"(?<=\{\{)\s+|\s+(?=\}\})")


def check(app: model.App, ledger: Ledger) -> None:
    """Report every role that is named and not there."""
    emergency = {_plain(role.name) for role in app.break_glass}
    for i, action in enumerate(app.actions):
        if action.break_glass_role and _plain(action.break_glass_role) not in emergency:
            _unknown(action.break_glass_role, emergency, "break-glass role", ("actions", i, "break_glass_role"), ledger)
    if not app.permissions or names.incomplete("role", ledger) or names.incomplete("break-glass role", ledger):
        return
    every = emergency | {_plain(role.name) for role in app.permissions} | {role.type for role in app.permissions if role.type != "custom"}
    for path, role in _named(app):
        if role and _plain(role) not in every:
            _unknown(role, every, "role", path, ledger)


def _named(app: model.App) -> Iterator[tuple[Path, str]]:
    for i, action in enumerate(app.actions):
        yield ("actions", i, "role"), action.role
    for i, runbook in enumerate(app.runbooks):
        for j, step in enumerate(runbook.steps):
            yield ("runbooks", i, "steps", j, "role"), step.role
    for i, component in enumerate(app.components):
        for j, operation in enumerate(component.operation_roles):
            yield ("components", i, "operation_roles", j, "role"), operation.role
    for j, operation in enumerate(app.sandbox.operation_roles):
        yield ("sandbox", "operation_roles", j, "role"), operation.role
    for i, rule in enumerate(app.operation_roles):
        yield ("operation_roles", i, "role"), rule.role


def _unknown(role: str, known: set[str], noun: str, path: Path, ledger: Ledger) -> None:
    if not names.incomplete(noun, ledger):
        hint = names.suggestion(_plain(role), sorted(known), noun, ledger)
        ledger.say("EX-C056", f'there is no {noun} "{role}"', hint, at=ledger.origin(path))


def _plain(name: str) -> str:
    # `{{ .nuon.install.id }}` and `{{.nuon.install.id}}` are the same name.
    return _SPACE.sub("", name)
