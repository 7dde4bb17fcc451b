"""Actions in installs: which run when, and runs by hand (spec domain.md 3.2, 3.4, 4.12). How a run runs is in `steps`."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from exclave.domain.actions import queries, rules
from exclave.domain.actions.models import (
    ActionWorkflow,
    ActionWorkflowConfig,
    ActionWorkflowTriggerConfig,
    InstallActionWorkflow,
    InstallActionWorkflowRun,
    InstallActionWorkflowRunStep,
)
from exclave.domain.audit import service as audit
from exclave.domain.components.models import Component
from exclave.domain.installs import service as installs
from exclave.domain.installs.events import InstallCreated
from exclave.domain.installs.models import Install
from exclave.domain.runners import service as runners
from exclave.engine.definition import StepSpec
from exclave.engine.models import Workflow, WorkflowStep
from exclave.kit import errors, ids
from exclave.kit.context import Ctx
from exclave.kit.db import every, one

KIND = "action.run"


async def ensure(ctx: Ctx, install: Install) -> None:
    """Give an install its row of every action of its app. Twice is once."""
    missing = await queries.MISSING.all(ctx.db, install=install.id, app=install.app_id, org=install.org_id)
    if not missing:
        return
    owned = {"org_id": install.org_id, "created_by_id": ctx.actor.account_id, "install_id": install.id}
    # Two may find the same one missing at once: the database keeps one.
    rows = [{**owned, "id": ids.new_id(InstallActionWorkflow.prefix), "action_workflow_id": action_id} for action_id in missing]
    wanted = insert(InstallActionWorkflow).values(rows)
    await ctx.db.execute(wanted.on_conflict_do_nothing(index_elements=["install_id", "action_workflow_id", "deleted_at"]))


async def on_install_created(ctx: Ctx, event: InstallCreated) -> None:
    """Subscriber: a new install has the actions of its app from the first moment."""
    await ensure(ctx, await installs.get(ctx, event.install_id))


async def action_added(ctx: Ctx, action: ActionWorkflow) -> None:
    """Give every install of the app its row of a new action."""
    of_app = select(Install).where(Install.app_id == action.app_id, Install.org_id == action.org_id, Install.deleted_at == 0)
    for install in await every(ctx.db, of_app):
        await ensure(ctx, install)


# Which actions run when.


@dataclass(frozen=True)
class Lifecycles:
    """The actions of one install, ready to be asked at every trigger of a workflow without another statement."""

    workflow_id: str
    workflow_type: str
    triggers: tuple[rules.Trigger, ...]

    def steps(self, kind: str, *, component_id: str = "", component_name: str = "") -> tuple[StepSpec, ...]:
        """Return one step for each action with this trigger: of the workflow, or of the one component that is named."""
        if component_id:
            environment = rules.component_environment(kind, component_id=component_id, component_name=component_name)
        else:
            environment = rules.flow_environment(kind, workflow_id=self.workflow_id, workflow_type=self.workflow_type)
        return tuple(
            StepSpec(
                KIND,
                rules.step_name(each.action_name, kind),
                args={
                    "install_action_workflow_id": each.install_action_workflow_id,
                    "action_workflow_config_id": each.config_id,
                    "trigger_type": kind,
                    "triggered_by_id": self.workflow_id,
                    "triggered_by_type": kind,
                    "run_env_vars": environment,
                },
            )
            for each in rules.matching(self.triggers, kind, component_id)
        )


async def lifecycles(ctx: Ctx, install: Install, workflow: Workflow) -> Lifecycles:
    """Read every trigger of an install's actions, as the app config says that the install pins."""
    await ensure(ctx, install)
    rows = await queries.TRIGGERS.all(ctx.db, install=install.id, app_config=install.app_config_id)
    return Lifecycles(workflow.id, workflow.type, tuple(rules.Trigger(*row) for row in rows))


async def lifecycle_steps(ctx: Ctx, install: Install, trigger: str, component_id: str = "", *, workflow: Workflow) -> tuple[StepSpec, ...]:
    """Return the steps of one trigger. A definition that asks for several takes `lifecycles` once and asks that."""
    found = await lifecycles(ctx, install, workflow)
    name = ""
    if component_id:
        name = (await ctx.db.execute(select(Component.name).where(Component.id == component_id))).scalar() or ""
    return found.steps(trigger, component_id=component_id, component_name=name)


async def manual_steps(ctx: Ctx, workflow: Workflow) -> tuple[StepSpec, ...]:
    """Return the one step of a workflow `action_workflow_run`, from what `run` left in its metadata."""
    metadata = workflow.workflow_metadata
    install = await installs.get(ctx, workflow.owner_id)
    for needed in ("install_action_workflow_id", "triggerred_by_id"):
        if not metadata.get(needed):
            raise errors.Invalid(f"the workflow names no {needed}")
    statement = select(InstallActionWorkflow).where(
        InstallActionWorkflow.id == metadata["install_action_workflow_id"], InstallActionWorkflow.install_id == install.id
    )
    action: InstallActionWorkflow = await one(ctx.db, statement, or_raise=errors.NotFound("the install has no such action any more"))
    config_id = metadata.get("action_workflow_config_id") or await _pinned_config_id(ctx, install, action.action_workflow_id)
    return (
        StepSpec(
            KIND,
            "manual action workflow run",
            args={
                "install_action_workflow_id": action.id,
                "action_workflow_config_id": config_id,
                "trigger_type": "manual",
                "triggered_by_id": str(metadata["triggerred_by_id"]),
                "triggered_by_type": "manual",
                "run_env_vars": rules.manual_environment(metadata),
            },
        ),
    )


async def _pinned_config_id(ctx: Ctx, install: Install, action_workflow_id: str) -> str:
    statement = select(ActionWorkflowConfig.id).where(
        ActionWorkflowConfig.action_workflow_id == action_workflow_id, ActionWorkflowConfig.app_config_id == install.app_config_id
    )
    found: str | None = (await ctx.db.execute(statement)).scalar()
    if found is None:
        raise errors.Invalid("the install's app config has no config of this action")
    return found


# Runs.


async def run(ctx: Ctx, install: Install, config_id: str, environment: Mapping[str, str]) -> Workflow:
    """Run an action by hand. The config must be the one that the install's app config has, with a `manual` trigger."""
    found = (await ctx.db.execute(queries.config_by_id(ctx.actor.org_id, config_id))).first()
    if found is None:
        raise errors.NotFound(f"no action config {config_id!r}")
    config, action = found
    if config.app_config_id != install.app_config_id:
        raise errors.Invalid(f"the config of the action {action.name!r} does not belong to the app config that the install has")
    triggers = select(ActionWorkflowTriggerConfig.type).where(
        ActionWorkflowTriggerConfig.action_workflow_config_id == config.id, ActionWorkflowTriggerConfig.deleted_at == 0
    )
    if "manual" not in (await ctx.db.execute(triggers)).scalars().all():
        raise errors.Invalid(f"the action {action.name!r} has no manual trigger: add one to its config to run it by hand")
    await ensure(ctx, install)
    row, _ = (await ctx.db.execute(queries.by_ref(ctx.actor, install.id, action.id))).one()
    workflow = await installs.start(
        ctx,
        install,
        "action_workflow_run",
        metadata={
            **{f"{rules.RUN_ENV}{name}": value for name, value in environment.items()},
            "install_action_workflow_id": row.id,
            "install_action_workflow_name": action.name,
            "action_workflow_config_id": config.id,
            "triggerred_by_id": ctx.actor.account_id,
        },
    )
    await audit.record(ctx, "run", row, workflow_id=workflow.id, name=action.name)
    return workflow


async def get_run(ctx: Ctx, install_id: str, run_ref: str) -> InstallActionWorkflowRun:
    """Return a run by its id, or the newest one of a workflow by the workflow's id."""
    statement = queries.runs_of(ctx.actor, install_id).where(
        (InstallActionWorkflowRun.id == run_ref) | (InstallActionWorkflowRun.install_workflow_id == run_ref)
    )
    found: InstallActionWorkflowRun = await one(ctx.db, statement.limit(1), or_raise=errors.NotFound(f"no action run {run_ref!r}"))
    return found


async def get_run_step(ctx: Ctx, run: InstallActionWorkflowRun, step_ref: str) -> InstallActionWorkflowRunStep:
    """Return a step of a run by its own id or the id of its config."""
    for step in await every(ctx.db, queries.run_steps(run.id)):
        if step_ref in (step.id, step.step_id):
            return step  # type: ignore[no-any-return]
    raise errors.NotFound(f"the run {run.id} has no step {step_ref!r}")


async def report_step(
    ctx: Ctx, install_id: str, run_ref: str, step_ref: str, *, status: str, execution_duration: int
) -> InstallActionWorkflowRunStep:
    """Take a step's status from the install's own runner. Raises `Stale` once the run is over.

    The step says which run it is of: official runners name the action where the run is expected.
    """
    of_run = (await ctx.db.execute(queries.run_of_step(ctx.actor, step_ref))).scalar_one_or_none()
    run = await require_own_run(ctx, install_id, of_run or run_ref)
    if run.status in rules.FINAL:
        raise errors.Stale(f"the run {run.id} is {run.status}: its steps are settled")
    step = await get_run_step(ctx, run, step_ref)
    step.status = rules.check_step_status(status)
    step.execution_duration = max(execution_duration, 0)
    await ctx.db.flush()
    return step


async def require_own_run(ctx: Ctx, install_id: str, run_ref: str) -> InstallActionWorkflowRun:
    """Return a run, if the caller is a person or the runner of that run's install; it exists for no other runner."""
    run = await get_run(ctx, install_id, run_ref)
    if ctx.actor.scope or (ctx.actor.runner_id and (await runners.of_install(ctx, run.install_id)).id != ctx.actor.runner_id):
        raise errors.NotFound(f"no action run {run_ref!r}")
    return run


async def link_to_sandbox_run(ctx: Ctx, workflow_id: str, run_id: str) -> None:
    """Tell the actions that this workflow ran so far that they ran around this sandbox run: call it when the run opens."""
    await ctx.db.execute(
        update(InstallActionWorkflowRun)
        .where(
            InstallActionWorkflowRun.install_workflow_id == workflow_id,
            InstallActionWorkflowRun.sandbox_run_id == "",
            InstallActionWorkflowRun.trigger_type.in_(rules.AROUND_SANDBOX),
        )
        .values(sandbox_run_id=run_id)
        .execution_options(synchronize_session=False)
    )


async def config_in(ctx: Ctx, config_id: str) -> tuple[ActionWorkflowConfig, ActionWorkflow]:
    """Return an action config with its action. Raises `NotFound`."""
    found = (await ctx.db.execute(queries.config_by_id(ctx.actor.org_id, config_id))).first()
    if found is None:
        raise errors.NotFound(f"no action config {config_id!r}")
    return found[0], found[1]


async def sandbox_run_of(ctx: Ctx, workflow_id: str) -> str:
    """Return the newest sandbox run that a step of this workflow made; empty before the first."""
    statement = (
        select(WorkflowStep.step_target_id)
        .where(
            WorkflowStep.install_workflow_id == workflow_id,
            WorkflowStep.step_target_type == "install_sandbox_runs",
            WorkflowStep.step_target_id != "",
        )
        .order_by(WorkflowStep.group_idx.desc(), WorkflowStep.group_retry_idx.desc(), WorkflowStep.idx.desc())
        .limit(1)
    )
    return (await ctx.db.execute(statement)).scalar() or ""
