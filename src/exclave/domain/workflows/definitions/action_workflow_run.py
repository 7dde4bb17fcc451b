"""Run one action by hand."""

from exclave.domain.actions import service as actions
from exclave.domain.workflows import blocks
from exclave.engine.definition import Group
from exclave.engine.models import Workflow
from exclave.kit.context import Ctx


async def define(ctx: Ctx, workflow: Workflow) -> list[Group]:
    """The action and its environment are named by the workflow's metadata."""
    return [blocks.state(), Group(await actions.manual_steps(ctx, workflow))]
