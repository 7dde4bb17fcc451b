"""What can be said about an app only once all of it is known: names, references, order, rules of several keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exclave.config.checks import access, actions, components, inputs, roles, sandbox, templates
from exclave.config.directory import Directory
from exclave.config.places import Ledger

if TYPE_CHECKING:
    from exclave.config import model
    from exclave.config.reading import Template


def run(app: model.App, directory: Directory, ledger: Ledger, found: list[Template]) -> None:
    """Check an app, and report to the ledger."""
    sandbox.check(app, ledger)
    inputs.check(app, ledger)
    access.check(app, directory, ledger)
    components.check(app, ledger)
    actions.check(app, ledger)
    roles.check(app, ledger)
    templates.check(app, ledger, found)
