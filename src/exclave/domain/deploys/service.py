"""Deploys as rows: open, move, end, and start one by hand. How a deploy runs is in `steps`."""

from dataclasses import dataclass

from exclave.domain.audit import service as audit
from exclave.domain.builds import service as builds
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components import service as components
from exclave.domain.components.models import Component
from exclave.domain.deploys import queries, rules
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs import service as installs
from exclave.domain.installs import statuses
from exclave.domain.installs.models import Install, InstallComponent
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.jobs.service import JobOutputs, JobResult
from exclave.domain.logs import service as logs
from exclave.domain.logs.models import LogStream
from exclave.domain.runners.models import Runner
from exclave.domain.states import service as states
from exclave.engine.models import Workflow
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, first
from exclave.kit.prepared import by_id


@dataclass(frozen=True)
class Started:
    """A deploy asked for by hand, and the workflow that makes it."""

    deploy: InstallDeploy
    workflow: Workflow


@dataclass(frozen=True)
class Made:
    """The deploy that a step made, its job, and what that delivered."""

    deploy: InstallDeploy
    job: RunnerJob | None
    result: JobResult | None


@dataclass(frozen=True)
class ToApply:
    """A deploy with a plan, and what its apply needs; the job and its outputs are those of the step that applies."""

    deploy: InstallDeploy
    stream: LogStream | None
    runner: Runner | None
    job: RunnerJob | None
    outputs: JobOutputs | None


async def start(
    ctx: Ctx, install: Install, build_id: str, *, component_id: str = "", plan_only: bool = False, dependents: bool = False
) -> Started:
    """Deploy one build to an install, alone or with everything that depends on its component.

    Raises `Invalid` for a build of another app, of another component than named, or one that has failed.
    """
    if not build_id:
        raise errors.Invalid("build_id: name the build to deploy")
    build = await builds.get(ctx, build_id)
    component = await components.get(ctx, build.component_id)
    if component.app_id != install.app_id:
        raise errors.Invalid(f"build_id: {build_id} is a build of another app")
    if component_id and component.id != component_id:
        raise errors.Invalid(f"build_id: {build_id} is a build of the component {component.name!r}")
    if build.status == "error":
        raise errors.Invalid(f"build_id: {build_id} has failed ({build.status_description}): build the component again")
    row = await installs.component(ctx, install, component.id)
    deploy = await _opened(ctx, install, row, build_id=build.id, kind="apply", plan_only=plan_only)
    workflow = await installs.start(
        ctx,
        install,
        "manual_deploy",
        plan_only=plan_only,
        metadata={
            "workflow-name-suffix": component.name,
            "install_deploy_id": deploy.id,
            "deploy_dependents": "true" if dependents else "false",
        },
    )
    deploy.install_workflow_id = workflow.id
    await ctx.db.flush()
    return Started(deploy, workflow)


async def open_deploy(
    ctx: Ctx, install: Install, row: InstallComponent, build: ComponentBuild, *, kind: str, key: str, workflow: Workflow, adopt: str = ""
) -> InstallDeploy:
    """Make the deploy of a step that has none yet (`by_key`); `adopt` names one that was made beforehand and has no step yet."""
    if adopt:
        waiting = await get(ctx, adopt)
        if waiting.step_key is None:
            waiting.step_key = key
            return waiting
    deploy = await _opened(ctx, install, row, build_id=build.id, kind=kind, plan_only=workflow.plan_only)
    deploy.step_key, deploy.install_workflow_id = key, workflow.id
    return deploy


async def _opened(ctx: Ctx, install: Install, row: InstallComponent, *, build_id: str, kind: str, plan_only: bool) -> InstallDeploy:
    deploy = InstallDeploy(
        org_id=install.org_id,
        created_by_id=ctx.actor.account_id,
        install_id=install.id,
        build_id=build_id,
        install_component_id=row.id,
        component_id=row.component_id,
        install_deploy_type=kind,
        plan_only=plan_only,
    )
    statuses.move(deploy, "queued", "waiting to be deployed to install", by=ctx.actor.account_id)
    ctx.db.add(deploy)
    await audit.record(ctx, "create", deploy, type=kind)
    return deploy


async def get(ctx: Ctx, deploy_id: str) -> InstallDeploy:
    """Return a deploy, or raise `NotFound`."""
    found = await by_id(ctx.db, InstallDeploy, deploy_id, org_id=ctx.org_id)
    if found is None:
        raise errors.NotFound(f"no deploy {deploy_id}")
    return found


async def by_key(ctx: Ctx, key: str) -> Made | None:
    """Return the deploy that a step made, if it did."""
    found = await queries.BY_KEY.first(ctx.db, org=ctx.org_id, key=key)
    if found is None:
        return None
    deploy, job, result, *_ = found
    return Made(deploy, job, await jobs.opened_result(ctx, result) if result is not None else None)


async def planned_by(ctx: Ctx, step_ids: list[str], *, key: str) -> ToApply | None:
    """Return the deploy whose plan one of these steps made; `key` is that of the step that applies it."""
    found = await queries.PLANNED_BY.first(ctx.db, org=ctx.org_id, steps=list(step_ids), key=key)
    if found is None:
        return None
    deploy, stream, runner, job, outputs, shown, *_ = found
    return ToApply(
        deploy=deploy,
        stream=stream,
        runner=runner,
        job=job,
        outputs=await jobs.opened_outputs(ctx, outputs, shown) if outputs is not None else None,
    )


async def newest(ctx: Ctx, install_component_id: str, *, status: str = "") -> InstallDeploy | None:
    """Return the newest deploy of a component of an install, or the newest in one status."""
    wanted = queries.newest_of(ctx.actor, install_component_id)
    if status:
        wanted = wanted.where(InstallDeploy.status == status)
    found: InstallDeploy | None = await first(ctx.db, wanted.limit(1))
    return found


async def move(ctx: Ctx, deploy: InstallDeploy, status: str, description: str, *, mirrored: bool = False) -> None:
    """Give a deploy another status; `mirrored`: the install's component takes it too (from the apply on only)."""
    statuses.move(deploy, status, description, by=ctx.actor.account_id)
    if mirrored:
        row = await row_of(ctx, deploy)
        statuses.move(row, status, description, by=ctx.actor.account_id)


async def end(
    ctx: Ctx, deploy: InstallDeploy, status: str, description: str, *, mirrored: bool = False, stream: LogStream | None = None
) -> None:
    """Give a deploy its last status and close its log; `stream`: the log, where the caller has it."""
    await move(ctx, deploy, status, description, mirrored=mirrored)
    if stream is not None:
        logs.close(ctx, stream)
    else:
        await logs.close_of(ctx, deploy)


async def abandon(ctx: Ctx, workflow_id: str) -> None:
    """Cancel the deploys of a cancelled workflow that no step has taken up: nobody else ever ends them."""
    waiting = queries.visible_to(ctx.actor).where(InstallDeploy.install_workflow_id == workflow_id, InstallDeploy.step_key.is_(None))
    for deploy in await every(ctx.db, waiting.where(InstallDeploy.status == "queued")):
        await move(ctx, deploy, "cancelled", "the workflow was cancelled before it came to this deploy")


async def row_of(ctx: Ctx, deploy: InstallDeploy) -> InstallComponent:
    """Return the install's row of the component that a deploy is of."""
    found = await by_id(ctx.db, InstallComponent, deploy.install_component_id, org_id=deploy.org_id)
    if found is None:
        raise errors.NotFound(f"no install component {deploy.install_component_id}")
    return found


async def keep_outputs(ctx: Ctx, deploy: InstallDeploy, component: Component, outputs: JobOutputs | None) -> None:
    """Write the component's branch of the state document after an apply, and keep a version of the document."""
    branch = f"components/{component.name}"
    told: states.Branches = {}
    if deploy.install_deploy_type == "teardown":
        await states.drop(ctx, deploy.install_id, branch)
    else:
        value = {
            "status": rules.settled_status(deploy.install_deploy_type),
            "build_id": deploy.build_id,
            "component_id": component.id,
            "install_component_id": deploy.install_component_id,
            "outputs": outputs.values if outputs else {},
        }
        told = {branch: (value, outputs.sensitive if outputs else ())}
    await states.generate(ctx, deploy.install_id, told, by_id=deploy.id, by_type=InstallDeploy.__tablename__, org_id=deploy.org_id)
