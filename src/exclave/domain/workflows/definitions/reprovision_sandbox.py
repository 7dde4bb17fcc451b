"""Reprovision the sandbox, then deploy every component. Under plan-only (a drift run) it ends with the plan of the sandbox."""

from exclave.domain.workflows import blocks
from exclave.domain.workflows.view import View
from exclave.engine.definition import Group


def groups(view: View) -> list[Group]:
    """Plan and apply the sandbox again, then deploy every component in the order of its dependencies."""
    found = [
        blocks.state(),
        blocks.await_runner("await runner health"),
        blocks.lifecycle(view, "pre-reprovision-sandbox"),
        blocks.sandbox(view, "reprovision", apply_name="reprovision sandbox apply", applies=False),
    ]
    if view.plan_only:
        return found
    return [
        *found,
        *blocks.secrets(view),
        blocks.dns("reprovision"),
        *blocks.deploy_all(view),
        blocks.lifecycle(view, "post-reprovision-sandbox"),
    ]
