"""The steps of a component: `deploy.plan`, `deploy.apply`, `teardown.plan`, `teardown.apply`, `image.sync`.

Plan and apply belong together: what is applied is the plan that was approved, of the deploy that the plan step opened.
"""

from dataclasses import dataclass

from exclave.domain.builds import rules as build_rules
from exclave.domain.builds import service as builds
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components import service as components
from exclave.domain.components.models import Component
from exclave.domain.deploys import plans, rules, service
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs import approvals, statuses
from exclave.domain.installs import service as installs
from exclave.domain.installs.models import Install
from exclave.domain.jobs import endings
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.jobs.service import JobResult
from exclave.domain.logs import service as logs
from exclave.domain.runners import service as runners
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
        install = await installs.get(ctx, step.owner_id)
        component = await components.get(ctx, step.args["component_id"])
        deploy = await self._opened(ctx, step, install, component)
        if isinstance(deploy, NoBuild):
            return deploy.outcome
        step.step_target_id, step.step_target_type = deploy.id, TARGET
        if (job := await jobs.by_key(ctx, step_key(step))) is not None:
            return await self._settle(ctx, step, deploy, job)
        try:
            job_type = await _job_type(ctx, deploy, component)
            connection = await components.connection(ctx, (await builds.get(ctx, deploy.build_id)).component_config_connection_id)
            typed = await components.typed(ctx, connection)
            artifact = await plans.copy_artifact(ctx, deploy)
            plan = await plans.plan(ctx, install, component, typed, await service.row_of(ctx, deploy), deploy, artifact)
        except errors.Invalid as problem:
            await service.end(ctx, deploy, "error", problem.description)
            return Fail(problem.description)
        operation = rules.operation(deploy.install_deploy_type)
        job = await _submit(ctx, install, deploy, component, job_type, operation=operation, plan=plan, key=step_key(step))
        await service.move(ctx, deploy, "planning", "creating plan")
        return Wait(job.id, description="the runner makes the plan")

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        deploy = await service.by_key(ctx, step_key(step))
        job = await jobs.by_key(ctx, step_key(step))
        if deploy is None or job is None:
            if deploy is not None and deploy.status in rules.FINAL:
                return Fail(deploy.status_description)
            return await self.run(ctx, step)  # it waited for a build
        return await self._settle(ctx, step, deploy, job)

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        if how == "approved":
            return  # the apply goes on with the deploy
        await jobs.cancel_by_key(ctx, step_key(step), f"the step was {how}")
        deploy = await service.by_key(ctx, step_key(step))
        if deploy is None and how in ("cancelled", "discarded", "user-skipped") and step.args.get("deploy_id"):
            deploy = await service.get(ctx, step.args["deploy_id"])
        if deploy is not None and deploy.status not in rules.FINAL:
            await service.end(ctx, deploy, "cancelled" if how == "user-skipped" else how, rules.words(how))

    async def _opened(self, ctx: Ctx, step: WorkflowStep, install: Install, component: Component) -> InstallDeploy | NoBuild:
        """Return the step's deploy, made as soon as there is a build of the config that the install has."""
        known = await service.by_key(ctx, step_key(step))
        if known is not None:
            return known
        build = await self._build(ctx, step, install, component)
        if isinstance(build, NoBuild):
            return build
        row = await installs.component(ctx, install, component.id)
        workflow = await _workflow_of(ctx, step)
        adopt = str(step.args.get("deploy_id") or "")
        return await service.open_deploy(ctx, install, row, build, kind=self.kind, key=step_key(step), workflow=workflow, adopt=adopt)

    async def _build(self, ctx: Ctx, step: WorkflowStep, install: Install, component: Component) -> ComponentBuild | NoBuild:
        if deploy_id := step.args.get("deploy_id"):
            build = await builds.get(ctx, (await service.get(ctx, deploy_id)).build_id)
        else:
            usable = await builds.usable(ctx, component.id, install.app_config_id)
            newest = usable or await builds.newest_for(ctx, component.id, install.app_config_id)
            if newest is None:
                return NoBuild(Fail(f"component {component.name!r} has no build of the app config that the install has: build it"))
            build = newest
        if build.status == "active":
            return build
        if build.status in build_rules.FINAL:
            return NoBuild(Fail(f"build {build.id} of component {component.name!r} is not deployable: {build.status_description}"))
        return NoBuild(Wait(build.id, description=f"waiting for build {build.id}"))

    async def _settle(self, ctx: Ctx, step: WorkflowStep, deploy: InstallDeploy, job: RunnerJob) -> Outcome:
        if not jobs.is_final(job.status):
            return Wait(job.id, description="the runner makes the plan")
        if jobs.failed(job):
            return await _failed(ctx, deploy, job, mirrored=False)
        result = await jobs.result_of(ctx, job.id)
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

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        install = await installs.get(ctx, step.owner_id)
        row = await installs.component(ctx, install, step.args["component_id"])
        known = await service.by_key(ctx, step_key(step))
        if known is None and await _deployed(ctx, row.id) is None:
            return Skip("the component was never deployed to the install")
        return await super().run(ctx, step)

    async def _build(self, ctx: Ctx, step: WorkflowStep, install: Install, component: Component) -> ComponentBuild | NoBuild:
        row = await installs.component(ctx, install, component.id)
        last = await _deployed(ctx, row.id)
        assert last is not None
        return await builds.get(ctx, last.build_id)


async def _deployed(ctx: Ctx, install_component_id: str) -> InstallDeploy | None:
    """The deploy whose build is to be torn down: the newest that was applied, else the newest at all."""
    return await service.newest(ctx, install_component_id, status="active") or await service.newest(ctx, install_component_id)


class Apply:
    """Apply the plan of the step before, and nothing else; then keep the outputs. A stale plan is planned and asked again."""

    target = TARGET

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        deploy = await service.planned_by(ctx, step.after)
        if deploy is None:
            return Fail("no plan was made for this step: plan the component again")
        step.step_target_id, step.step_target_type = deploy.id, TARGET
        if await jobs.by_key(ctx, step_key(step)) is not None:
            return await self.then(ctx, step)
        planned = await jobs.result_of(ctx, deploy.plan_job_id) if deploy.plan_job_id else None
        if planned is None or not planned.contents:
            return await _refused(ctx, deploy, "the plan that was made is not there any more: nothing is applied, plan again")
        noop = rules.is_noop(await _type_of(ctx, deploy), planned.display)
        reason = await approvals.refusal(ctx, step.after, digest=deploy.plan_digest, stored=planned.contents_digest, noop=noop)
        if reason:
            return await _refused(ctx, deploy, reason)
        install, component = await installs.get(ctx, step.owner_id), await components.get(ctx, deploy.component_id)
        await service.move(ctx, deploy, "executing", "applying the plan", mirrored=True)
        plan, job_type = await plans.apply(ctx, deploy, planned), await _job_type(ctx, deploy, component)
        job = await _submit(ctx, install, deploy, component, job_type, operation="apply-plan", plan=plan, key=step_key(step))
        return Wait(job.id, description="the runner applies the plan")

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        deploy, job = await service.planned_by(ctx, step.after), await jobs.by_key(ctx, step_key(step))
        if deploy is None or job is None:
            return Fail(deploy.status_description if deploy is not None else "the deploy of this step is gone")
        if not jobs.is_final(job.status):
            return Wait(job.id, description="the runner applies the plan")
        if jobs.failed(job):
            return await _failed(ctx, deploy, job, mirrored=True)
        if deploy.status not in rules.FINAL:
            component = await components.get(ctx, deploy.component_id)
            await service.keep_outputs(ctx, deploy, component, await jobs.outputs_of(ctx, job.id))
            said = "successfully torn down" if deploy.install_deploy_type == "teardown" else "finished"
            await service.end(ctx, deploy, rules.settled_status(deploy.install_deploy_type), said, mirrored=True)
        return Done()

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        await jobs.cancel_by_key(ctx, step_key(step), f"the step was {how}")
        deploy = await service.planned_by(ctx, step.after)
        if deploy is None or deploy.status in rules.FINAL:
            return
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


async def _job_type(ctx: Ctx, deploy: InstallDeploy, component: Component) -> str:
    return rules.job_type(await _type_of(ctx, deploy), component.name)


async def _submit(
    ctx: Ctx, install: Install, deploy: InstallDeploy, component: Component, job_type: str, *, operation: str, plan: object, key: str
) -> RunnerJob:
    stream = await logs.open_stream(ctx, deploy)
    return await jobs.submit(
        ctx,
        runner=await runners.of_install(ctx, install.id),
        owner=deploy,
        type=job_type,
        operation=operation,
        plan=plan,
        log_stream_id=stream.id,
        key=key,
        looked=True,
        metadata={
            "install_id": install.id,
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
