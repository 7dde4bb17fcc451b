"""Deprovision the sandbox alone."""

from exclave.domain.workflows import blocks
from exclave.domain.workflows.view import View
from exclave.engine.definition import Group


def groups(view: View) -> list[Group]:
    """Destroy the sandbox and leave the components to it."""
    return [
        blocks.state(),
        blocks.await_runner(),
        blocks.lifecycle(view, "pre-deprovision-sandbox"),
        blocks.sandbox(view, "deprovision", apply_name="deprovision sandbox apply plan"),
        blocks.lifecycle(view, "post-deprovision-sandbox"),
    ]
