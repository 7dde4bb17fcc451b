"""Provision: runner, stack, sandbox, secrets, then every component of a new install."""

from exclave.domain.workflows import blocks
from exclave.domain.workflows.view import View
from exclave.engine.definition import Group, StepSpec


def groups(view: View) -> list[Group]:
    """Make everything of an install, from its runner to its last component."""
    found = [
        blocks.state(),
        Group((StepSpec("runner.provision", "provision runner service account"),)),
        blocks.stack(),
        blocks.await_runner("await runner health"),
        blocks.lifecycle(view, "pre-provision"),
        blocks.sandbox(view, "provision", apply_name="provision sandbox apply plan", applies=False),
    ]
    if view.plan_only:
        return found
    return [
        *found,
        *blocks.secrets(view),
        blocks.dns("provision"),
        *blocks.deploy_all(view),
        blocks.lifecycle(view, "post-provision"),
    ]
