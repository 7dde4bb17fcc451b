"""Deprovision: tear down every component, then the sandbox. The customer's stack is left to the customer."""

from exclave.domain.installs.operations import DELETE
from exclave.domain.installs.steps import forget
from exclave.domain.workflows import blocks, view
from exclave.domain.workflows.view import View
from exclave.engine.definition import Group
from exclave.engine.models import Workflow
from exclave.kit.context import Ctx


async def define(ctx: Ctx, workflow: Workflow) -> list[Group]:
    """Destroy what the install made; after a DELETE the install itself is forgotten at the end, when all of it went well."""
    forgotten = workflow.workflow_metadata.get(DELETE) == "true" and not workflow.plan_only
    return groups(await view.of(ctx, workflow), forgotten=forgotten)


def groups(view: View, *, forgotten: bool = False) -> list[Group]:
    """Tear down all components in reverse order, then destroy the sandbox."""
    found = [
        blocks.state(),
        blocks.await_runner(),
        blocks.lifecycle(view, "pre-deprovision"),
        *blocks.teardown_all(view),
        blocks.sandbox(view, "deprovision", apply_name="deprovision sandbox apply"),
        blocks.lifecycle(view, "post-deprovision"),
    ]
    return [*found, Group((forget(),))] if forgotten else found
