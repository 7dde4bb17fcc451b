"""Runners read the app config that their install is on, and the org that they belong to."""

from exclave.api.pages import apps as pages
from exclave.api.pages import orgs as org_pages
from exclave.api.route import Routes
from exclave.domain.apps import service
from exclave.domain.installs import service as installs
from exclave.domain.orgs import service as orgs
from exclave.kit.context import Ctx
from exclave.wire.public import apps as wire
from exclave.wire.public import orgs as org_wire

route = Routes("apps", audience="runner")


@route.get("/v1/apps/{app_id}/config/{app_config_id}")
async def get_runner_app_config(ctx: Ctx, app_id: str, app_config_id: str) -> wire.AppConfig:
    """Read an app config with everything that belongs to it."""
    app = await service.get(ctx, app_id)
    await installs.require_app(ctx, app.id)
    return await pages.config_tree(ctx, await service.config(ctx, app_config_id, app_id=app.id))


@route.get("/v1/orgs/current")
async def get_org(ctx: Ctx) -> org_wire.Org:
    """Read the runner's org."""
    return await org_pages.org(ctx, await orgs.current(ctx))
