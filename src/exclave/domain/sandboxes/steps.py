"""The steps of a sandbox: `sandbox.plan`, `sandbox.apply`, `sandbox.dns`. What is applied is the plan that was approved."""

from typing import Any

from exclave.domain.installs import approvals, statuses
from exclave.domain.jobs import endings
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.jobs.service import JobResult
from exclave.domain.logs import service as logs
from exclave.domain.logs.models import LogStream
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner
from exclave.domain.sandboxes import plans, rules, service
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.states import service as states
from exclave.engine.definition import Ask, Done, Fail, Observe, Outcome, Plain, Replan, Skip, Wait, step_key
from exclave.engine.models import Workflow, WorkflowStep
from exclave.kit import errors
from exclave.kit.context import Ctx

JOB = "sandbox-terraform"
TARGET = InstallSandboxRun.__tablename__


class Plan:
    """Plan the sandbox and ask for approval. `args`: {"run_type": provision | reprovision | deprovision}."""

    target = TARGET

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        run_type = step.args["run_type"]
        place = await plans.place_of(ctx, step.owner_id, key=step_key(step))
        if place.job is not None:
            return await self.then(ctx, step)
        run = place.run
        if run is None:
            sandbox, workflow_id = place.sandbox, step.install_workflow_id
            run = await service.open_run(ctx, place.install, sandbox, run_type, key=step_key(step), workflow_id=workflow_id)
        step.step_target_id, step.step_target_type = run.id, TARGET
        try:
            plan = await plans.plan(ctx, place, run)
        except errors.Invalid as problem:
            await service.end(ctx, run, "error", problem.description)
            return Fail(problem.description)
        stream = logs.begin(ctx, run) if place.run is None else await logs.open_stream(ctx, run)
        job = await _submit(ctx, run, place.runner, stream, operation=rules.operation(run_type), plan=plan, key=step_key(step))
        await service.move(ctx, run, "deprovisioning" if run_type == "deprovision" else "planning", "creating plan")
        return Wait(job.id, description="the runner makes the plan")

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        made = await service.by_key(ctx, step_key(step))
        if made is None or made.job is None:
            return Fail(made.run.status_description if made is not None else "the sandbox run of this step is gone")
        run, job, result = made.run, made.job, made.result
        step.step_target_id, step.step_target_type = run.id, TARGET
        if not jobs.is_final(job.status):
            return Wait(job.id, description="the runner makes the plan")
        if jobs.failed(job):
            return await _failed(ctx, run, job, mirrored=False)
        if result is None or not result.contents_digest:
            reason = "the runner finished the plan job without a plan"
            await service.end(ctx, run, "error", reason)
            return Fail(reason)
        run.plan_job_id, run.plan_digest = job.id, result.contents_digest
        return await self._look(ctx, step, run, job, result)

    async def _look(self, ctx: Ctx, step: WorkflowStep, run: InstallSandboxRun, job: RunnerJob, result: JobResult) -> Outcome:
        noop, counts = rules.is_noop(result.display), rules.summary(result.display)
        workflow: Workflow | None = await ctx.db.get(Workflow, step.install_workflow_id)
        if workflow is not None and workflow.plan_only:
            return Observe(changed=not noop)
        if noop:
            sandbox = await service.sandbox_of(ctx, run)
            if rules.is_settled(run.run_type, sandbox.status):
                return Skip(rules.words("auto-skipped"))
            await service.move(ctx, run, rules.underway(run.run_type), "no changes to approve")
            return Done("no changes to approve: the plan is applied to read the outputs")
        await service.move(ctx, run, "pending-approval", "waiting for the approval of the plan")
        return Ask(
            "terraform_plan",
            owner_id=run.id,
            owner_type=TARGET,
            runner_job_id=job.id,
            plan_digest=run.plan_digest,
            summary=counts,
            description=rules.in_words(counts),
        )

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        if how == "approved":
            return  # the apply goes on with the run
        await jobs.cancel_by_key(ctx, step_key(step), f"the step was {how}")
        made = await service.by_key(ctx, step_key(step))
        if made is not None and made.run.status not in rules.FINAL:
            await service.end(ctx, made.run, "cancelled" if how == "user-skipped" else how, rules.words(how))


class Apply:
    """Apply the plan of the step before, and nothing else; then keep the outputs. A stale plan is planned and asked again."""

    target = TARGET

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        found = await service.planned_by(ctx, step.after, key=step_key(step))
        if found is None:
            return Fail("no plan was made for this step: plan the sandbox again")
        run = found.run
        step.step_target_id, step.step_target_type = run.id, TARGET
        if found.job is not None:
            return await self._settle(ctx, found, found.job)
        if run.status in rules.FINAL:  # another step failed before this one could begin, and was retried
            return Replan("the plan was discarded meanwhile")
        planned = await approvals.planned(ctx, run.plan_job_id, step.after) if run.plan_job_id else None
        if planned is None or not planned.result.contents:
            return await _refused(ctx, run, "the plan that was made is not there any more: nothing is applied, plan again")
        reason = approvals.refusal(planned, digest=run.plan_digest, noop=rules.is_noop(planned.result.display))
        if reason:
            return await _refused(ctx, run, reason)
        await service.move(ctx, run, rules.underway(run.run_type), "applying the plan", mirrored=True)
        runner = found.runner if found.runner is not None else await runners.of_install(ctx, run.install_id)
        stream = found.stream if found.stream is not None else logs.begin(ctx, run)
        plan = plans.apply(run, planned)
        job = await _submit(ctx, run, runner, stream, operation="apply-plan", plan=plan, key=step_key(step))
        await service.move(ctx, run, "applying", "applying the plan")
        return Wait(job.id, description="the runner applies the plan")

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        found = await service.planned_by(ctx, step.after, key=step_key(step))
        if found is None or found.job is None:
            return Fail(found.run.status_description if found is not None else "the sandbox run of this step is gone")
        return await self._settle(ctx, found, found.job)

    async def _settle(self, ctx: Ctx, found: service.ToApply, job: RunnerJob) -> Outcome:
        run = found.run
        if not jobs.is_final(job.status):
            return Wait(job.id, description="the runner applies the plan")
        if jobs.failed(job):
            return await _failed(ctx, run, job, mirrored=True)
        if run.status not in rules.FINAL:
            await service.keep_outputs(ctx, found)
            await service.end(ctx, run, rules.settled_status(run.run_type), "finished", mirrored=True, stream=found.stream)
        return Done()

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        await jobs.cancel_by_key(ctx, step_key(step), f"the step was {how}")
        found = await service.planned_by(ctx, step.after, key=step_key(step))
        if found is None or found.run.status in rules.FINAL:
            return
        run = found.run
        await service.end(ctx, run, "cancelled" if how == "user-skipped" else how, rules.words(how))
        if step.attempt:
            # What was applied until then is not known: the sandbox is in doubt until the next apply.
            statuses.move(await service.sandbox_of(ctx, run), "error", f"the apply was {how}", by=ctx.actor.account_id)


class Dns(Plain):
    """Delegate the install's public domain, when its sandbox asks for it."""

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        outputs = (await states.document(ctx, step.owner_id))["sandbox"]["outputs"]
        wanted: Any = outputs.get("nuon_dns") if isinstance(outputs, dict) else None
        if not isinstance(wanted, dict) or wanted.get("enabled") not in (True, "true"):
            return Done("DNS is not enabled by the sandbox")
        return Done("the sandbox enables DNS, but this server has no root domain: delegate the domain yourself")


async def _submit(
    ctx: Ctx, run: InstallSandboxRun, runner: Runner, stream: LogStream, *, operation: str, plan: object, key: str
) -> RunnerJob:
    return await jobs.submit(
        ctx,
        runner=runner,
        owner=run,
        type=JOB,
        operation=operation,
        plan=plan,
        log_stream_id=stream.id,
        key=key,
        looked=True,
        metadata={"install_id": run.install_id, "sandbox_run_id": run.id, "sandbox_run_type": run.run_type},
    )


async def _refused(ctx: Ctx, run: InstallSandboxRun, reason: str) -> Outcome:
    await service.end(ctx, run, "error", reason)
    return Fail(reason)


async def _failed(ctx: Ctx, run: InstallSandboxRun, job: RunnerJob, *, mirrored: bool) -> Outcome:
    failure = await endings.failure(ctx, job)
    if mirrored and failure.code == endings.STALE_PLAN:
        return Replan(failure.reason)
    if run.status not in rules.FINAL:
        await service.end(ctx, run, "error", failure.reason, mirrored=mirrored)
    return Fail(failure.reason, metadata=failure.metadata)
