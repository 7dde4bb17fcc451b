"""Tear down one component."""

from exclave.domain.workflows import blocks, view
from exclave.domain.workflows.view import Component, View
from exclave.engine.definition import Group
from exclave.engine.models import Workflow
from exclave.kit.context import Ctx


async def define(ctx: Ctx, workflow: Workflow) -> list[Group]:
    """The component is named by the workflow's metadata `component_id`."""
    seen = await view.of(ctx, workflow)
    return groups(seen, seen.component(str(workflow.workflow_metadata.get("component_id", ""))))


def groups(view: View, component: Component) -> list[Group]:
    """Destroy what the last deploy of a component made."""
    ready = blocks.await_runner("await runner healthy", *view.actions("pre-teardown-component", component))
    after = view.actions("post-teardown-component", component)
    if component.is_image:
        reason = f"component {component.name} is an image: nothing runs to tear down"
        return [ready, Group((blocks.skipped(f"skipped image teardown {component.name}", reason), *after))]
    pair = blocks.teardown_pair(
        view, component, plan_name=f"teardown sync and plan {component.name}", apply_name=f"teardown apply plan {component.name}"
    )
    return [ready, Group((*pair, *after))]
