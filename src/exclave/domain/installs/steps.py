"""Step handlers of installs: `state.generate` (hidden) and `install.forget` (hidden, the end of a DELETE)."""

from exclave.domain.installs import service
from exclave.engine.definition import Done, Outcome, Plain, StepSpec
from exclave.engine.models import WorkflowStep
from exclave.kit import errors
from exclave.kit.context import Ctx


class GenerateState(Plain):
    """Keep a version of the state document. The step's target is that version."""

    target = "install_states"

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        if step.step_target_id:
            return Done()
        state = await service.refresh_state(ctx, step.owner_id, by_id=step.install_workflow_id, by_type="install_workflows")
        step.step_target_id, step.step_target_type = state.id, self.target
        return Done()


class Forget(Plain):
    """Drop the install whose deprovision just ended well."""

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        try:
            install = await service.get(ctx, step.owner_id)
        except errors.NotFound:
            return Done("forgotten already")
        await service.forget(ctx, install)
        return Done("forgotten")


def generate_state() -> StepSpec:
    return StepSpec("state.generate", "generate install state", execution_type="hidden", skippable=False)


def forget() -> StepSpec:
    """The last step of a deprovision that a DELETE started (workflow metadata `delete_install` = "true")."""
    return StepSpec("install.forget", "forget install", execution_type="hidden", skippable=False)
