"""The steps that concern the runner of an install: `runner.provision`, `runner.reprovision`, `runner.await_healthy`."""

from exclave.domain.runners import service as runners
from exclave.engine.definition import Done, Outcome, Plain, Wait
from exclave.engine.models import WorkflowStep
from exclave.kit.context import Ctx


class ProvisionRunner(Plain):
    """Give the install's runner its service account. Doing it again keeps what is there."""

    target = "runners"

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        runner = await runners.of_install(ctx, step.owner_id)
        step.step_target_id, step.step_target_type = runner.id, self.target
        await runners.provision(ctx, runner)
        return Done()


class AwaitHealthy(Plain):
    """Wait until the install's runner beats; the event `RunnerHealthy` wakes the step."""

    target = "runners"

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        runner = await runners.of_install(ctx, step.owner_id)
        step.step_target_id, step.step_target_type = runner.id, self.target
        if runner.status == "active":
            return Done()
        return Wait(
            runner.id, description=f"the runner is {runner.status}: {runner.status_description or 'waiting for its first heartbeat'}"
        )
