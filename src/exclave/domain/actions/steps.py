"""The step `action.run`: one action in one install, from its run row to its outputs in the state document."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from exclave.domain.actions import plans, queries, rules, service
from exclave.domain.actions.models import InstallActionWorkflowRun, InstallActionWorkflowRunStep
from exclave.domain.audit import service as audit
from exclave.domain.installs import service as installs
from exclave.domain.installs.models import Install
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.logs import service as logs
from exclave.domain.runners import service as runners
from exclave.domain.states import rules as state_rules
from exclave.domain.states import service as states
from exclave.engine.definition import Done, Fail, Outcome, Wait, step_key
from exclave.engine.models import WorkflowStep
from exclave.engine.status import composite, moved
from exclave.kit import errors, time
from exclave.kit.context import Ctx
from exclave.kit.db import every, first

JOB = "actions-workflow"
TAIL_LINES = 20
TAIL_LIMIT = 4_000  # characters
# What the engine decides over a step, and how the run is called then.
_SETTLED = {"cancelled": "cancelled", "discarded": "cancelled", "user-skipped": "cancelled"}


class RunAction:
    """Run an action on the install's runner. Args as `service.Lifecycles.steps` and `service.manual_steps` make them."""

    target = "install_action_workflow_runs"

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        existing = await _run_of(ctx, step)
        if existing is not None:
            return await self.then(ctx, step)
        install = await installs.get(ctx, step.owner_id)
        opened = await open_run(ctx, install, step)
        step.step_target_id, step.step_target_type = opened.run.id, self.target
        stream = await logs.open_stream(ctx, opened.run)
        try:
            plan = await plans.build(ctx, install, opened)
        except errors.Invalid as problem:
            await end(ctx, opened.run, "error", problem.description)
            logs.close(ctx, stream)
            return Fail(problem.description)
        job = await jobs.submit(
            ctx,
            runner=await runners.of_install(ctx, install.id),
            owner=opened.run,
            type=JOB,
            operation="exec",
            plan=plan,
            log_stream_id=stream.id,
            key=step_key(step),
            execution_timeout=time.from_nanoseconds(opened.config.timeout) + timedelta(minutes=1),
            metadata={
                "install_id": install.id,
                "action_workflow_id": opened.action.id,
                "action_workflow_name": opened.action.name,
                "install_action_workflow_run_id": opened.run.id,
                "trigger_type": opened.run.trigger_type,
            },
        )
        return Wait(job.id, description=f"running action {opened.action.name}")

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        run = await _run_of(ctx, step)
        job = await jobs.by_key(ctx, step_key(step))
        if run is None or job is None:
            return Fail("the run of this action is gone") if run is None else Fail(run.status_description or "the action did not start")
        if not jobs.is_final(job.status):
            return Wait(job.id, description="waiting for the runner")
        _, action = await service.config_in(ctx, run.action_workflow_config_id)
        if run.status in rules.FINAL:
            return Done() if run.status == "finished" else Fail(run.status_description)
        if jobs.failed(job):
            failure = await _failure(ctx, action.name, job)
            await end(ctx, run, "timed-out" if job.status == "timed-out" else "error", failure.reason)
            await _close(ctx, run)
            return failure
        outputs = await jobs.outputs_of(ctx, job.id)
        await end(ctx, run, "finished", "action finished")
        branch = {"id": run.id, "status": "finished", "outputs": outputs.values if outputs else {}}
        told = {f"{state_rules.ACTIONS}{action.name}": (branch, outputs.sensitive if outputs else ())}
        await states.generate(ctx, run.install_id, told, by_id=run.id, by_type=self.target, org_id=run.org_id)
        await _close(ctx, run)
        return Done()

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        status = _SETTLED.get(how)
        run = await _run_of(ctx, step)
        if status is None or run is None or run.status in rules.FINAL:
            return
        await jobs.cancel_by_key(ctx, step_key(step), f"the step was {how}")
        await end(ctx, run, status, f"the step was {how}")
        await _close(ctx, run)


async def _run_of(ctx: Ctx, step: WorkflowStep) -> InstallActionWorkflowRun | None:
    found: InstallActionWorkflowRun | None = await first(ctx.db, queries.run_by_key(step_key(step)))
    return found


async def open_run(ctx: Ctx, install: Install, step: WorkflowStep) -> plans.Opened:
    """Make the run and its steps, all pending, under the key of the workflow step."""
    args: dict[str, Any] = step.args
    config, action = await service.config_in(ctx, args["action_workflow_config_id"])
    around = await service.sandbox_run_of(ctx, step.install_workflow_id) if args["trigger_type"] in rules.AROUND_SANDBOX else ""
    run = InstallActionWorkflowRun(
        org_id=install.org_id,
        created_by_id=ctx.actor.account_id,
        install_id=install.id,
        install_action_workflow_id=args["install_action_workflow_id"],
        action_workflow_config_id=config.id,
        trigger_type=args["trigger_type"],
        triggered_by_id=args.get("triggered_by_id", ""),
        triggered_by_type=args.get("triggered_by_type", ""),
        run_env_vars=dict(args.get("run_env_vars", {})),
        install_workflow_id=step.install_workflow_id,
        sandbox_run_id=around,
        status="in-progress",
        status_v2=moved(composite("queued", by=ctx.actor.account_id), "in-progress", by=ctx.actor.account_id),
        step_key=step_key(step),
    )
    ctx.db.add(run)
    await ctx.db.flush()
    configs = await every(ctx.db, queries.steps_of(config.id))
    run_steps = [
        InstallActionWorkflowRunStep(
            org_id=install.org_id,
            created_by_id=ctx.actor.account_id,
            install_action_workflow_run_id=run.id,
            step_id=each.id,
            idx=index,
        )
        for index, each in enumerate(configs)
    ]
    ctx.db.add_all(run_steps)
    await ctx.db.flush()
    await audit.record(ctx, "create", run, name=action.name, trigger=run.trigger_type)
    return plans.Opened(run=run, action=action, config=config, step_configs=configs, run_steps=run_steps)


async def end(ctx: Ctx, run: InstallActionWorkflowRun, status: str, description: str) -> None:
    """Settle a run; steps that did not get that far share its fate."""
    run.status, run.status_description = status, description
    run.status_v2 = moved(run.status_v2, rules.composite_word(status), description, by=ctx.actor.account_id)
    if status != "finished":
        await ctx.db.execute(
            update(InstallActionWorkflowRunStep)
            .where(
                InstallActionWorkflowRunStep.install_action_workflow_run_id == run.id,
                InstallActionWorkflowRunStep.status.not_in(rules.FINAL_STEPS),
            )
            .values(status="timed-out" if status == "timed-out" else "error")
            .execution_options(synchronize_session="fetch")
        )
    await ctx.db.flush()


async def _close(ctx: Ctx, run: InstallActionWorkflowRun) -> None:
    logs.close(ctx, await logs.open_stream(ctx, run))


async def _failure(ctx: Ctx, action: str, job: RunnerJob) -> Fail:
    """Say why the runner failed: its sentence, its own word for it, and the last lines of the log."""
    result = await jobs.result_of(ctx, job.id)
    told = result.error_metadata if result else {}
    described = job.status_description or f"the job is {job.status}"
    tail = str(told.get("tail") or "")
    if not tail and job.log_stream_id:
        page = await logs.page(ctx, job.log_stream_id, newest_first=True, limit=TAIL_LINES)
        tail = "\n".join(record.body for record in reversed(page.records))
    metadata = {"code": str(told.get("reason") or ""), "tail": tail[-TAIL_LIMIT:]}
    reason = rules.failure_reason(action, description=described, metadata=told)
    return Fail(reason, {key: value for key, value in metadata.items() if value})
