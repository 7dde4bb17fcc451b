"""The app's side of actions: their names, triggers and steps, on both generations of paths."""

from exclave.api.pages import actions_config as pages
from exclave.api.route import Page, Routes
from exclave.domain.actions import configs as service
from exclave.domain.actions.models import ActionWorkflow
from exclave.domain.apps import service as apps
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import actions as wire

route = Routes("actions")

SCOPED = "/v1/apps/{app_id}/actions/{action_id}"
OLD = "/v1/action-workflows/{action_workflow_id}"


async def _of_path(ctx: Ctx, app_id: str, ref: str) -> ActionWorkflow:
    app = await apps.get(ctx, app_id) if app_id else None
    return await service.get(ctx, ref, app.id if app else None)


@route.get("/v1/apps/{app_id}/actions", deprecated=["/v1/apps/{app_id}/action-workflows"])
async def get_app_actions(ctx: Ctx, app_id: str, page: Page, q: str = "") -> list[wire.ActionWorkflow]:
    """List the actions of an app with the newest config of each."""
    app = await apps.get(ctx, app_id)
    rows = await every(ctx.db, service.of_app(ctx.actor, app.id, q).offset(page.offset).limit(page.fetch))
    return await pages.actions(ctx, page.cut(rows))


@route.post("/v1/apps/{app_id}/actions")
async def create_app_action(ctx: Ctx, app_id: str, body: wire.CreateAppActionRequest) -> wire.ActionWorkflow:
    """Create an action."""
    return pages.flat(await service.create(ctx, await apps.get(ctx, app_id), body.name))


@route.post("/v1/apps/{app_id}/action-workflows")
async def create_app_action_workflow(ctx: Ctx, app_id: str, body: wire.CreateAppActionWorkflowRequest) -> wire.ActionWorkflow:
    """Create an action."""
    return pages.flat(await service.create(ctx, await apps.get(ctx, app_id), body.name))


@route.get(SCOPED, deprecated=["/v1/apps/{app_id}/action-workflows/{action_workflow_id}"])
async def get_app_action(ctx: Ctx, app_id: str, action_id: str, action_workflow_id: str) -> wire.ActionWorkflow:
    """Read one action of an app, by id or name."""
    row = await _of_path(ctx, app_id, action_id or action_workflow_id)
    return (await pages.actions(ctx, [row], sources=True))[0]


@route.get(OLD)
async def get_action_workflow(ctx: Ctx, action_workflow_id: str) -> wire.ActionWorkflow:
    """Read one action."""
    return (await pages.actions(ctx, [await _of_path(ctx, "", action_workflow_id)], sources=True))[0]


@route.patch(SCOPED, deprecated=[OLD])
async def update_app_action(
    ctx: Ctx, app_id: str, action_id: str, action_workflow_id: str, body: wire.UpdateActionWorkflowRequest
) -> wire.ActionWorkflow:
    """Rename an action."""
    row = await service.rename(ctx, await _of_path(ctx, app_id, action_id or action_workflow_id), body.name)
    return (await pages.actions(ctx, [row], sources=True))[0]


@route.delete("/v1/actions/{action_id}", deprecated=[SCOPED, OLD])
async def delete_action(ctx: Ctx, app_id: str, action_id: str, action_workflow_id: str) -> bool:
    """Remove an action; what ran stays."""
    await service.delete(ctx, await _of_path(ctx, app_id, action_id or action_workflow_id))
    return True


@route.post(f"{SCOPED}/configs", deprecated=[f"{OLD}/configs"])
async def create_action_config(
    ctx: Ctx, app_id: str, action_id: str, action_workflow_id: str, body: wire.CreateActionWorkflowConfigRequest
) -> wire.ActionWorkflowConfig:
    """Give an action its triggers and steps in one config of the app."""
    row = await service.configure(ctx, await _of_path(ctx, app_id, action_id or action_workflow_id), body)
    return (await pages.configs(ctx, [row], sources=True))[0]


@route.get("/v1/apps/{app_id}/action/{action_id}/configs", deprecated=[f"{SCOPED}/configs", f"{OLD}/configs"])
async def get_app_action_configs(
    ctx: Ctx, app_id: str, action_id: str, action_workflow_id: str, page: Page
) -> list[wire.ActionWorkflowConfig]:
    """List the config versions of an action, newest first."""
    action = await _of_path(ctx, app_id, action_id or action_workflow_id)
    rows = await every(ctx.db, service.configs_of(ctx.actor, action.id).offset(page.offset).limit(page.fetch))
    return await pages.configs(ctx, page.cut(rows))


@route.get(f"{SCOPED}/latest-config", deprecated=[f"{OLD}/latest-config"])
async def get_action_latest_config(ctx: Ctx, app_id: str, action_id: str, action_workflow_id: str) -> wire.ActionWorkflowConfig:
    """Read the newest config of an action."""
    action = await _of_path(ctx, app_id, action_id or action_workflow_id)
    return (await pages.configs(ctx, [await service.latest_config(ctx, action.id)], sources=True))[0]


@route.get(
    f"{SCOPED}/configs/{{action_config_id}}",
    deprecated=["/v1/apps/{app_id}/actions/configs/{action_config_id}", "/v1/action-workflows/configs/{action_workflow_config_id}"],
)
async def get_app_action_config(
    ctx: Ctx, app_id: str, action_id: str, action_config_id: str, action_workflow_config_id: str
) -> wire.ActionWorkflowConfig:
    """Read one config of an action."""
    config_id = action_config_id or action_workflow_config_id
    row = await service.config(ctx, config_id)
    app = await apps.get(ctx, app_id) if app_id else None
    action = await service.get(ctx, action_id, row.app_id) if action_id else None
    if (app is not None and app.id != row.app_id) or (action is not None and action.id != row.action_workflow_id):
        raise errors.NotFound(f"action config {config_id!r} not found there")
    return (await pages.configs(ctx, [row], sources=True))[0]
