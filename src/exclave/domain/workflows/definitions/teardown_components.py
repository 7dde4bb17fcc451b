"""Tear down every component."""

from exclave.domain.workflows import blocks
from exclave.domain.workflows.view import View
from exclave.engine.definition import Group


def groups(view: View) -> list[Group]:
    """Tear down every component, each after all that need it."""
    return blocks.teardown_all(view)
