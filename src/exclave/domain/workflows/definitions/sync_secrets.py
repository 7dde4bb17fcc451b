"""Copy the customer's secrets into the install's cluster."""

from exclave.domain.workflows import blocks
from exclave.domain.workflows.view import View
from exclave.engine.definition import Group


def groups(view: View) -> list[Group]:
    """Sync secrets, with the actions around it."""
    return blocks.secrets(view)
