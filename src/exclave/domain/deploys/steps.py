"""The steps of a component: `deploy.plan`, `deploy.apply`, `teardown.plan`, `teardown.apply`, `image.sync`.

Plan and apply belong together: what is applied is the plan that was approved, of the deploy that the plan step opened.
"""

from dataclasses import dataclass

from exclave.domain.artifacts import service as artifacts
from exclave.domain.builds import rules as build_rules
from exclave.domain.builds import service as builds
from exclave.domain.builds.service import Built
from exclave.domain.components import service as components
from exclave.domain.components.models import Component
from exclave.domain.deploys import plans, rules, service
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs import approvals, statuses
from exclave.domain.installs import service as installs
from exclave.domain.installs.models import Install, InstallComponent
from exclave.domain.jobs import endings
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.jobs.service import JobResult
from exclave.domain.logs import service as logs
from exclave.domain.logs.models import LogStream
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner
from exclave.domain.workspaces import changes
from exclave.engine.definition import Ask, Done, Fail, Observe, Outcome, Plain, Replan, Skip, Wait, step_key
from exclave.engine.models import Workflow, WorkflowStep
from exclave.kit import errors
from exclave.kit.context import Ctx

TARGET = InstallDeploy.__tablename__


@dataclass(frozen=True)
class NoBuild:
    """Why there is no build to deploy (yet)."""

    outcome: Outcome


class Plan:
    """Plan a component and ask for approval. `args`: {"component_id": …, "deploy_id": … of a deploy that was asked for by hand}."""

    target = TARGET
    kind = "apply"

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        place = await plans.place_of(ctx, step.owner_id, step.args["component_id"], key=step_key(step))
        if place.job is not None:
            return await self.then(ctx, step)
        built = await self._built(ctx, step, place)
        if isinstance(built, NoBuild):
            return built.outcome
        component = place.component
        row = place.row if place.row is not None else await installs.component(ctx, place.install, component.id)
        deploy = place.deploy
        if deploy is None:
            deploy = await self._opened(ctx, step, place.install, row, built)
        step.step_target_id, step.step_target_type = deploy.id, TARGET
        try:
            job_type = rules.job_type(built.connection.type, component.name)
            typed = built.typed if built.typed is not None else await components.typed(ctx, built.connection)
            plan = await plans.plan(ctx, place, typed, row, deploy, built)
        except errors.Invalid as problem:
            await service.end(ctx, deploy, "error", problem.description)
            return Fail(problem.description)
        stream = logs.begin(ctx, deploy) if deploy in ctx.db.new else await logs.open_stream(ctx, deploy)
        operation = rules.operation(deploy.install_deploy_type)
        job = await _submit(ctx, deploy, component, place.runner, stream, job_type, operation=operation, plan=plan, key=step_key(step))
        await service.move(ctx, deploy, "planning", "creating plan")
        return Wait(job.id, description="the runner makes the plan")

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        made = await service.by_key(ctx, step_key(step))
        if made is None or made.job is None:
            if made is not None and made.deploy.status in rules.FINAL:
                return Fail(made.deploy.status_description)
            return await self.run(ctx, step)  # it waited for a build
        step.step_target_id, step.step_target_type = made.deploy.id, TARGET
        return await self._settle(ctx, step, made.deploy, made.job, made.result)

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        if how == "approved":
            return  # the apply goes on with the deploy
        await jobs.cancel_by_key(ctx, step_key(step), f"the step was {how}")
        made = await service.by_key(ctx, step_key(step))
        deploy = made.deploy if made is not None else None
        if deploy is None and how in ("cancelled", "discarded", "user-skipped") and step.args.get("deploy_id"):
            deploy = await service.get(ctx, step.args["deploy_id"])
        if deploy is not None and deploy.status not in rules.FINAL:
            await service.end(ctx, deploy, "cancelled" if how == "user-skipped" else how, rules.words(how))

    async def _opened(self, ctx: Ctx, step: WorkflowStep, install: Install, row: InstallComponent, built: Built) -> InstallDeploy:
        """Make the step's deploy, with the artifact of the build; a manifest has none, it is its own config."""
        workflow, adopt = await _workflow_of(ctx, step), str(step.args.get("deploy_id") or "")
        deploy = await service.open_deploy(
            ctx, install, row, built.build, kind=self.kind, key=step_key(step), workflow=workflow, adopt=adopt
        )
        if built.artifact is not None:
            artifacts.copy(ctx, built.artifact, deploy, tag=deploy.id)
        return deploy

    async def _built(self, ctx: Ctx, step: WorkflowStep, place: plans.Place) -> Built | NoBuild:
        """Return the build to deploy: that of the step's deploy, else of the config that the install has, as soon as there is one."""
        if place.deploy is not None:
            return await builds.built(ctx, place.deploy.build_id)
        if deploy_id := step.args.get("deploy_id"):
            return _deployable(await builds.built(ctx, (await service.get(ctx, deploy_id)).build_id), place.component)
        newest = await builds.newest_for(ctx, place.component.id, place.install.app_config_id)
        if newest is None:
            return NoBuild(Fail(f"component {place.component.name!r} has no build of the app config that the install has: build it"))
        return _deployable(newest, place.component)

    async def _settle(self, ctx: Ctx, step: WorkflowStep, deploy: InstallDeploy, job: RunnerJob, result: JobResult | None) -> Outcome:
        if not jobs.is_final(job.status):
            return Wait(job.id, description="the runner makes the plan")
        if jobs.failed(job):
            return await _failed(ctx, deploy, job, mirrored=False)
        if result is None or not result.contents_digest:
            reason = "the runner finished the plan job without a plan"
            await service.end(ctx, deploy, "error", reason)
            return Fail(reason)
        deploy.plan_job_id, deploy.plan_digest = job.id, result.contents_digest
        return await self._look(ctx, step, deploy, job, result)

    async def _look(self, ctx: Ctx, step: WorkflowStep, deploy: InstallDeploy, job: RunnerJob, result: JobResult) -> Outcome:
        kind = await _type_of(ctx, deploy)
        noop, counts = rules.is_noop(kind, result.display), rules.summary(kind, result.display)
        if (await _workflow_of(ctx, step)).plan_only:
            return Observe(changed=not noop)
        if noop:
            row = await service.row_of(ctx, deploy)
            if rules.is_settled(deploy.install_deploy_type, row.status):
                return Skip(rules.words("auto-skipped"))
            await service.move(ctx, deploy, "executing", "no changes to approve")
            return Done("no changes to approve: the plan is applied to read the outputs")
        await service.move(ctx, deploy, "pending-approval", "waiting for the approval of the plan")
        return Ask(
            rules.approval_type(kind),
            owner_id=deploy.id,
            owner_type=TARGET,
            runner_job_id=job.id,
            plan_digest=deploy.plan_digest,
            summary=counts,
            description=changes.in_words(counts),
        )


class TeardownPlan(Plan):
    """Plan to destroy what the last deploy made. A component that was never deployed is skipped."""

    kind = "teardown"

    async def _built(self, ctx: Ctx, step: WorkflowStep, place: plans.Place) -> Built | NoBuild:
        if place.deploy is not None:
            return await builds.built(ctx, place.deploy.build_id)
        row = place.row if place.row is not None else await installs.component(ctx, place.install, place.component.id)
        last = await _deployed(ctx, row.id)
        if last is None:
            return NoBuild(Skip("the component was never deployed to the install"))
        return _deployable(await builds.built(ctx, last.build_id), place.component)


def _deployable(built: Built, component: Component) -> Built | NoBuild:
    build = built.build
    if build.status == "active":
        return built
    if build.status in build_rules.FINAL:
        return NoBuild(Fail(f"build {build.id} of component {component.name!r} is not deployable: {build.status_description}"))
    return NoBuild(Wait(build.id, description=f"waiting for build {build.id}"))


async def _deployed(ctx: Ctx, install_component_id: str) -> InstallDeploy | None:
    """The deploy whose build is to be torn down: the newest that was applied, else the newest at all."""
    return await service.newest(ctx, install_component_id, status="active") or await service.newest(ctx, install_component_id)


class Apply:
    """Apply the plan of the step before, and nothing else; then keep the outputs. A stale plan is planned and asked again."""

    target = TARGET

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        found = await service.planned_by(ctx, step.after, key=step_key(step))
        if found is None:
            return Fail("no plan was made for this step: plan the component again")
        deploy = found.deploy
        step.step_target_id, step.step_target_type = deploy.id, TARGET
        if found.job is not None:
            return await self._settle(ctx, found, found.job)
        if deploy.status in rules.FINAL:  # another step failed before this one could begin, and was retried
            return Replan("the plan was discarded meanwhile")
        planned = await approvals.planned(ctx, deploy.plan_job_id, step.after) if deploy.plan_job_id else None
        if planned is None or not planned.result.contents:
            return await _refused(ctx, deploy, "the plan that was made is not there any more: nothing is applied, plan again")
        kind = await _type_of(ctx, deploy)
        reason = approvals.refusal(planned, digest=deploy.plan_digest, noop=rules.is_noop(kind, planned.result.display))
        if reason:
            return await _refused(ctx, deploy, reason)
        component = await components.get(ctx, deploy.component_id)
        await service.move(ctx, deploy, "executing", "applying the plan", mirrored=True)
        runner = found.runner if found.runner is not None else await runners.of_install(ctx, deploy.install_id)
        stream = found.stream if found.stream is not None else logs.begin(ctx, deploy)
        plan, job_type = plans.apply(deploy, planned), rules.job_type(kind, component.name)
        job = await _submit(ctx, deploy, component, runner, stream, job_type, operation="apply-plan", plan=plan, key=step_key(step))
        return Wait(job.id, description="the runner applies the plan")

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        found = await service.planned_by(ctx, step.after, key=step_key(step))
        if found is None or found.job is None:
            return Fail(found.deploy.status_description if found is not None else "the deploy of this step is gone")
        return await self._settle(ctx, found, found.job)

    async def _settle(self, ctx: Ctx, found: service.ToApply, job: RunnerJob) -> Outcome:
        deploy = found.deploy
        if not jobs.is_final(job.status):
            return Wait(job.id, description="the runner applies the plan")
        if jobs.failed(job):
            return await _failed(ctx, deploy, job, mirrored=True)
        if deploy.status not in rules.FINAL:
            component = await components.get(ctx, deploy.component_id)
            await service.keep_outputs(ctx, deploy, component, found.outputs)
            said = "successfully torn down" if deploy.install_deploy_type == "teardown" else "finished"
            status = rules.settled_status(deploy.install_deploy_type)
            await service.end(ctx, deploy, status, said, mirrored=True, stream=found.stream)
        return Done()

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        await jobs.cancel_by_key(ctx, step_key(step), f"the step was {how}")
        found = await service.planned_by(ctx, step.after, key=step_key(step))
        if found is None or found.deploy.status in rules.FINAL:
            return
        deploy = found.deploy
        await service.end(ctx, deploy, "cancelled" if how == "user-skipped" else how, rules.words(how))
        if step.attempt:
            # What was applied until then is not known: the component is in doubt until the next apply.
            statuses.move(await service.row_of(ctx, deploy), "error", f"the apply was {how}", by=ctx.actor.account_id)


class SyncImage(Plain):
    """Copy an image into the install's registry."""

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        component = await components.get(ctx, step.args["component_id"])
        return Fail(f"component {component.name!r} is an image: copying images into an install's registry is planned (docs/status.md)")


async def _workflow_of(ctx: Ctx, step: WorkflowStep) -> Workflow:
    found = await ctx.db.get(Workflow, step.install_workflow_id)
    if found is None:
        raise errors.NotFound(f"no workflow {step.install_workflow_id}")
    return found


async def _type_of(ctx: Ctx, deploy: InstallDeploy) -> str:
    build = await builds.get(ctx, deploy.build_id)
    return (await components.connection(ctx, build.component_config_connection_id)).type


async def _submit(
    ctx: Ctx,
    deploy: InstallDeploy,
    component: Component,
    runner: Runner,
    stream: LogStream,
    job_type: str,
    *,
    operation: str,
    plan: object,
    key: str,
) -> RunnerJob:
    return await jobs.submit(
        ctx,
        runner=runner,
        owner=deploy,
        type=job_type,
        operation=operation,
        plan=plan,
        log_stream_id=stream.id,
        key=key,
        looked=True,
        metadata={
            "install_id": deploy.install_id,
            "deploy_id": deploy.id,
            "install_component_id": deploy.install_component_id,
            "component_id": component.id,
            "component_name": component.name,
            "operation": operation,
        },
    )


async def _refused(ctx: Ctx, deploy: InstallDeploy, reason: str) -> Outcome:
    await service.end(ctx, deploy, "error", reason)
    return Fail(reason)


async def _failed(ctx: Ctx, deploy: InstallDeploy, job: RunnerJob, *, mirrored: bool) -> Outcome:
    failure = await endings.failure(ctx, job)
    if mirrored and failure.code == endings.STALE_PLAN:
        return Replan(failure.reason)
    if deploy.status not in rules.FINAL:
        await service.end(ctx, deploy, "error", failure.reason, mirrored=mirrored)
    return Fail(failure.reason, metadata=failure.metadata)
