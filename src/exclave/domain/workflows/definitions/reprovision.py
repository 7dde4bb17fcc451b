"""Reprovision: the same as a provision, on what is there."""

from exclave.domain.workflows import blocks
from exclave.domain.workflows.view import View
from exclave.engine.definition import Group, StepSpec


def groups(view: View) -> list[Group]:
    """Bring everything of an install up to date: runner, stack, sandbox, secrets, every component."""
    found = [
        blocks.state(),
        Group((StepSpec("runner.reprovision", "reprovision runner service account"),)),
        blocks.stack(),
        blocks.await_runner("await runner health"),
        blocks.lifecycle(view, "pre-reprovision"),
        blocks.sandbox(view, "reprovision", apply_name="reprovision sandbox apply plan", applies=False),
    ]
    if view.plan_only:
        return found
    return [
        *found,
        *blocks.secrets(view),
        blocks.dns("reprovision"),
        *blocks.deploy_all(view),
        blocks.lifecycle(view, "post-reprovision"),
    ]
