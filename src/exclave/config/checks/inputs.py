"""Inputs, groups, secrets, and the installs that fill them."""

from __future__ import annotations

import re

from exclave.config import model
from exclave.config.checks import names
from exclave.config.places import Ledger


def check(app: model.App, ledger: Ledger) -> None:
    """Check what is filled in."""
    names.unique(app.groups, "group", ("groups",), ledger)
    names.unique(app.inputs, "input", ("inputs",), ledger)
    names.unique(app.secrets, "secret", ("secrets",), ledger)
    names.unique(app.installs, "install", ("installs",), ledger)
    groups = [group.name for group in app.groups]
    for i, item in enumerate(app.inputs):
        if item.group:
            names.known(item.group, groups, "group", "EX-C045", ("inputs", i, "group"), ledger)
        wrong = _default(item)
        if wrong:
            ledger.say("EX-C059", f'the default of "{item.name}" {wrong}', at=ledger.origin(("inputs", i, "default")))
    for i, secret in enumerate(app.secrets):
        _secret(secret, i, ledger)
    for i, install in enumerate(app.installs):
        _install(install, i, app, ledger)


def _default(item: model.Input) -> str:
    value = item.default
    if value is None or value == "":
        return ""
    match item.type:
        case "json":
            return "" if is_json(value) else "is not JSON"
        case "bool":
            return "" if value in ("true", "false") else "is neither true nor false"
        case "number":
            return "" if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value) else "is not a number"
        case _:
            return ""


def is_json(text: str) -> bool:
    """Say whether a text is JSON."""
    import json

    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _secret(secret: model.Secret, i: int, ledger: Ledger) -> None:
    given = [name for name in ("required", "auto_generate", "default") if getattr(secret, name)]
    if len(given) > 1:
        at = ledger.origin(("secrets", i, given[1]))
        ledger.say("EX-C054", f"{' and '.join(given)} exclude one another", "keep one of them", at=at, on="key")
    if secret.kubernetes_sync and not secret.kubernetes_sync_targets:
        for name in ("kubernetes_secret_namespace", "kubernetes_secret_name"):
            if not getattr(secret, name):
                at = ledger.origin(("secrets", i, "kubernetes_sync"))
                ledger.say("EX-C055", f'"{name}" is missing', "it is needed with kubernetes_sync = true", at=at, on="key")


def _install(install: model.Install, i: int, app: model.App, ledger: Ledger) -> None:
    declared = {item.name: item for item in app.inputs}
    for name in install.inputs:
        if name not in declared and not names.incomplete("input", ledger):
            at = ledger.origin(("installs", i))
            if at is not None:
                value = next((v for k, v in at.document.data.items() if k.lower() == "inputs"), None)
                index = next((n for n, row in enumerate(value) if name in row), 0) if isinstance(value, list) else None
                at = at.below("inputs", name) if index is None else at.below("inputs", index, name)
            hint = names.suggestion(name, list(declared), "input", ledger)
            ledger.say("EX-C057", f'there is no input "{name}"', hint, at=at, on="key")
    for item in app.inputs:
        expected = item.required and item.default is None and not item.sensitive and not item.user_configurable
        if expected and not install.inputs.get(item.name):
            at = ledger.origin(("installs", i, "name"))
            ledger.say("EX-C058", f'the required input "{item.name}" is not set', f"add {item.name} below [inputs]", at=at)
