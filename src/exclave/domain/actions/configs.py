"""The app's side of actions: what they are called, when they run, and their steps (spec domain.md 1.6, api.md)."""

from datetime import timedelta

from sqlalchemy import Select, select

from exclave.domain.actions import service
from exclave.domain.actions.models import (
    ActionWorkflow,
    ActionWorkflowConfig,
    ActionWorkflowStepConfig,
    ActionWorkflowTriggerConfig,
    InstallActionWorkflow,
)
from exclave.domain.apps import configs as app_configs
from exclave.domain.apps import rules as checks
from exclave.domain.apps import service as apps
from exclave.domain.apps import sources
from exclave.domain.apps.models import App
from exclave.domain.audit import service as audit
from exclave.domain.components import service as components
from exclave.domain.components.models import Component
from exclave.kit import errors
from exclave.kit.context import Actor, Ctx
from exclave.kit.db import every, first, one
from exclave.kit.ids import is_id
from exclave.kit.time import nanoseconds, now
from exclave.wire.public import actions as wire

DEFAULT_TIMEOUT = nanoseconds(timedelta(minutes=5))
LONGEST_TIMEOUT = nanoseconds(timedelta(hours=1))
OF_COMPONENT = ("pre-deploy-component", "post-deploy-component", "pre-teardown-component", "post-teardown-component")


def visible_to(actor: Actor) -> Select[ActionWorkflow]:
    return select(ActionWorkflow).where(ActionWorkflow.org_id == actor.org_id, ActionWorkflow.deleted_at == 0)


def of_app(actor: Actor, app_id: str, q: str = "") -> Select[ActionWorkflow]:
    """Actions of an app, newest first."""
    found = visible_to(actor).where(ActionWorkflow.app_id == app_id).order_by(ActionWorkflow.created_at.desc())
    return found.where(ActionWorkflow.name.icontains(q, autoescape=True)) if q else found


def configs_of(actor: Actor, action_id: str) -> Select[ActionWorkflowConfig]:
    """Configs of an action, newest first."""
    return (
        select(ActionWorkflowConfig)
        .where(
            ActionWorkflowConfig.org_id == actor.org_id,
            ActionWorkflowConfig.action_workflow_id == action_id,
            ActionWorkflowConfig.deleted_at == 0,
        )
        .order_by(ActionWorkflowConfig.created_at.desc())
    )


async def create(ctx: Ctx, app: App, name: str) -> ActionWorkflow:
    """Create an action. Every install of the app gets it."""
    _check_name(name)
    if await first(ctx.db, of_app(ctx.actor, app.id).where(ActionWorkflow.name == name)) is not None:
        raise errors.Invalid(f"duplicate key: the app has an action named {name!r} already")
    action = ActionWorkflow(
        org_id=app.org_id,
        created_by_id=ctx.actor.account_id,
        app_id=app.id,
        name=name,
        status="active",
        status_description="action is active",
    )
    ctx.db.add(action)
    await ctx.db.flush()
    await service.action_added(ctx, action)
    await audit.record(ctx, "create", action, name=name)
    return action


async def get(ctx: Ctx, ref: str, app_id: str | None = None) -> ActionWorkflow:
    """Return an action by id or name; names are unique within an app."""
    wanted = visible_to(ctx.actor).where(ActionWorkflow.id == ref if is_id(ref) else ActionWorkflow.name == ref)
    if app_id is not None:
        wanted = wanted.where(ActionWorkflow.app_id == app_id)
    found: ActionWorkflow = await one(
        ctx.db, wanted.order_by(ActionWorkflow.created_at.desc()), or_raise=errors.NotFound(f"action {ref!r} not found")
    )
    return found


async def rename(ctx: Ctx, action: ActionWorkflow, name: str) -> ActionWorkflow:
    """Give an action another name; an empty name changes nothing."""
    if name and name != action.name:
        _check_name(name)
        if await first(ctx.db, of_app(ctx.actor, action.app_id).where(ActionWorkflow.name == name)) is not None:
            raise errors.Invalid(f"duplicate key: the app has an action named {name!r} already")
        action.name = name
    action.updated_at = now()
    await audit.record(ctx, "update", action, name=action.name)
    return action


async def delete(ctx: Ctx, action: ActionWorkflow) -> None:
    """Delete an action; what ran stays."""
    moment = int(now().timestamp())
    for row in await every(
        ctx.db,
        select(InstallActionWorkflow).where(InstallActionWorkflow.action_workflow_id == action.id, InstallActionWorkflow.deleted_at == 0),
    ):
        row.deleted_at = moment
    action.status, action.status_description, action.deleted_at = "delete_queued", "action is deleted", moment
    await audit.record(ctx, "delete", action, name=action.name)


async def configure(ctx: Ctx, action: ActionWorkflow, body: wire.CreateActionWorkflowConfigRequest) -> ActionWorkflowConfig:
    """Give an action its triggers and steps in one config of the app. A config has each action once."""
    app = await apps.get(ctx, action.app_id)
    checks.present({"app_config_id": body.app_config_id})
    await app_configs.check_open(ctx, app, body.app_config_id)
    check(body)
    known = configs_of(ctx.actor, action.id).where(ActionWorkflowConfig.app_config_id == body.app_config_id)
    if await first(ctx.db, known) is not None:
        raise errors.Invalid(f"duplicate key: the action {action.name!r} is configured in this app config already")
    config = ActionWorkflowConfig(
        org_id=app.org_id,
        created_by_id=ctx.actor.account_id,
        app_id=app.id,
        app_config_id=body.app_config_id,
        action_workflow_id=action.id,
        timeout=body.timeout or DEFAULT_TIMEOUT,
        component_dependency_ids=[(await _component(ctx, app, ref, "dependencies")).id for ref in body.dependencies or []],
        references=list(body.references or []),
        break_glass_role_arn=body.break_glass_role_arn,
    )
    ctx.db.add(config)
    await ctx.db.flush()
    shared = {
        "org_id": app.org_id,
        "created_by_id": ctx.actor.account_id,
        "app_id": app.id,
        "app_config_id": body.app_config_id,
        "action_workflow_config_id": config.id,
    }
    for at, trigger in enumerate(body.triggers):
        component_id = ""
        if trigger.component_name:
            component_id = (await _component(ctx, app, trigger.component_name, f"triggers.{at}.component_name")).id
        ctx.db.add(
            ActionWorkflowTriggerConfig(
                **shared, type=trigger.type, index=trigger.index, cron_schedule=trigger.cron_schedule.strip(), component_id=component_id
            )
        )
    previous = ""
    for at, step in enumerate(body.steps):
        row = ActionWorkflowStepConfig(
            **shared,
            name=step.name,
            idx=at,
            previous_step_id=previous,
            references=list(step.references or []),
            env_vars=step.env_vars or {},
            command=step.command,
            inline_contents=step.inline_contents,
        )
        ctx.db.add(row)
        await ctx.db.flush()
        await sources.keep(ctx, row, step.public_git_vcs_config, step.connected_github_vcs_config, required=False)
        previous = row.id
    await audit.record(ctx, "create", config, name=action.name)
    return config


async def config(ctx: Ctx, config_id: str) -> ActionWorkflowConfig:
    """Return one config of an action."""
    wanted = select(ActionWorkflowConfig).where(
        ActionWorkflowConfig.id == config_id, ActionWorkflowConfig.org_id == ctx.org_id, ActionWorkflowConfig.deleted_at == 0
    )
    found: ActionWorkflowConfig = await one(ctx.db, wanted, or_raise=errors.NotFound(f"action config {config_id!r} not found"))
    return found


async def latest_config(ctx: Ctx, action_id: str) -> ActionWorkflowConfig:
    """Return the newest config of an action, or 404."""
    found: ActionWorkflowConfig = await one(
        ctx.db, configs_of(ctx.actor, action_id).limit(1), or_raise=errors.NotFound("the action has no config yet")
    )
    return found


def check(body: wire.CreateActionWorkflowConfigRequest) -> None:
    """Raise unless an action can run: a timeout within an hour, one cron at most, named steps that do something."""
    if body.timeout < 0 or body.timeout > LONGEST_TIMEOUT:
        raise errors.Invalid("timeout: an action runs for one hour at most")
    if sum(trigger.type == "cron" for trigger in body.triggers) > 1:
        raise errors.Invalid("triggers: an action has one cron trigger at most")
    seen: set[tuple[str, str]] = set()
    for at, trigger in enumerate(body.triggers):
        where = f"triggers.{at}"
        checks.checked_cron(trigger.cron_schedule, f"{where}.cron_schedule")
        if trigger.type in OF_COMPONENT and not trigger.component_name:
            raise errors.Invalid(f"{where}.component_name: the trigger {trigger.type} needs the component that it is about")
        if trigger.type not in OF_COMPONENT and trigger.component_name:
            raise errors.Invalid(f"{where}.component_name: the trigger {trigger.type} is not about a component")
        if (trigger.type, trigger.component_name) in seen:
            raise errors.Invalid(f"{where}: the trigger {trigger.type} is there twice")
        seen.add((trigger.type, trigger.component_name))
    names = [step.name for step in body.steps]
    for at, step in enumerate(body.steps):
        checks.present({f"steps.{at}.name": step.name})
        if names.count(step.name) > 1:
            raise errors.Invalid(f"steps.{at}.name: two steps are named {step.name!r}")
        if not (step.command or step.inline_contents or step.public_git_vcs_config or step.connected_github_vcs_config):
            raise errors.Invalid(f"steps.{at}: the step {step.name!r} has neither a command, inline contents nor a source")


async def _component(ctx: Ctx, app: App, ref: str, field: str) -> Component:
    try:
        return await components.get(ctx, ref, app.id)
    except errors.NotFound as error:
        raise errors.Invalid(f"{field}: the app has no component {ref!r}") from error


def _check_name(name: str) -> None:
    if not name or len(name) > 255:
        raise errors.Invalid("name: an action needs a name of at most 255 characters")
    if is_id(name):
        raise errors.Invalid(f"name: {name!r} looks like an id (26 letters and digits): choose a shorter or longer one")
