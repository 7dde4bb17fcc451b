"""The steps of the customer's stack: `stack.generate`, `stack.await`, `stack.outputs`.

On the platform `local` there is no stack: its runner runs beside the server, and the steps are done at once.
"""

from exclave.domain.installs import service as installs
from exclave.engine.definition import Done, Fail, Outcome, Plain
from exclave.engine.models import WorkflowStep
from exclave.kit.context import Ctx

NONE = "the install's platform needs no stack"
PLANNED = "customer stacks for aws and azure are planned (docs/status.md): use the runner type `local`"


class _Stack(Plain):
    """A step that concerns the stack of an install, where it has one."""

    target = "install_stack_versions"

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        if await installs.stack(ctx, step.owner_id) is None:
            return Done(NONE)
        return Fail(PLANNED)


class Generate(_Stack):
    """Render the template that the customer applies in their account."""


class Await(_Stack):
    """Wait until the customer has applied it and it phoned home."""


class Outputs(_Stack):
    """Take over what it phoned home."""
