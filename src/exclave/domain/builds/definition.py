"""The hidden workflow `build`: one group, one step. Builds of one component follow one another (its serial key)."""

from exclave.engine.definition import Group, StepSpec
from exclave.engine.models import Workflow
from exclave.kit.context import Ctx


async def build(_ctx: Ctx, workflow: Workflow) -> list[Group]:
    """Build the component build that owns the workflow."""
    return [Group((StepSpec(kind="build.run", name="build", args={"build_id": workflow.owner_id}),))]
