"""Deploy one build of a component, alone or with everything that depends on it. A drift run is the same, only planning."""

from exclave.domain.deploys import service as deploys
from exclave.domain.workflows import blocks, view
from exclave.domain.workflows.view import Component, View
from exclave.engine.definition import Group, StepSpec
from exclave.engine.models import Workflow
from exclave.kit.context import Ctx


async def define(ctx: Ctx, workflow: Workflow) -> list[Group]:
    """The deploy is named by the workflow's metadata `install_deploy_id`."""
    metadata = workflow.workflow_metadata
    deploy = await deploys.get(ctx, str(metadata.get("install_deploy_id", "")))
    seen = await view.of(ctx, workflow)
    return groups(seen, seen.component(deploy.component_id), deploy_id=deploy.id, dependents=metadata.get("deploy_dependents") == "true")


def groups(view: View, component: Component, *, deploy_id: str, dependents: bool) -> list[Group]:
    """Plan and apply the build that was asked for, then deploy what depends on the component."""
    if component.is_image:
        steps: tuple[StepSpec, ...] = (blocks.sync_image(component, deploy_id=deploy_id),)
    else:
        steps = blocks.plan_and_apply(view, component, deploy_id=deploy_id)
    after = view.actions("post-deploy-component", component)
    others = [each for each in view.with_dependents([component.id]) if each.id != component.id] if dependents else []
    return [
        blocks.state(),
        blocks.await_runner("await runner healthy", *view.actions("pre-deploy-component", component)),
        Group((*steps, *after), key=blocks.READY),
        *blocks.deploys(view, others, after=(blocks.READY,)),
    ]
