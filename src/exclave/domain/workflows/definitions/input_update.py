"""Inputs have changed: bring up to date what uses them."""

from exclave.domain.workflows import blocks, view
from exclave.domain.workflows.definitions import reprovision_sandbox
from exclave.domain.workflows.view import View
from exclave.engine.definition import Group
from exclave.engine.models import Workflow
from exclave.kit.context import Ctx

_KINDS = ("inputs", "install_inputs")


async def define(ctx: Ctx, workflow: Workflow) -> list[Group]:
    """The changed inputs are named by the workflow's metadata `inputs`, separated by commas."""
    names = str(workflow.workflow_metadata.get("inputs") or "")
    return groups(await view.of(ctx, workflow), frozenset(name for name in names.split(",") if name))


def groups(view: View, changed: frozenset[str]) -> list[Group]:
    """Reprovision the sandbox when it uses a changed input, else deploy the components that do and everything after them."""
    if any(_uses(reference, changed) for reference in view.sandbox_references):
        between = reprovision_sandbox.groups(view)
    else:
        using = [each.id for each in view.components if any(_uses(reference, changed) for reference in each.references)]
        between = blocks.deploys(view, view.with_dependents(using), after=(blocks.READY,))
    return [
        blocks.state(),
        blocks.lifecycle(view, "pre-update-inputs", key=blocks.READY if not any(group.key == blocks.READY for group in between) else ""),
        *between,
        blocks.lifecycle(view, "post-update-inputs"),
    ]


def _uses(reference: str, changed: frozenset[str]) -> bool:
    """Is a reference (`type|name|value|input`) one to a changed input?"""
    kind, _, rest = reference.partition("|")
    return kind in _KINDS and rest.partition("|")[0] in changed
