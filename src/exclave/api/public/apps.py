"""Apps and the life of their configs."""

import msgspec

from exclave.api.pages import apps as pages
from exclave.api.route import Page, Routes, json_object
from exclave.domain.apps import configs, queries, service
from exclave.domain.components import rules as graphs
from exclave.domain.components import service as components
from exclave.domain.installs import pins
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import apps as wire

route = Routes("apps")


@route.get("/v1/apps")
async def get_apps(ctx: Ctx, page: Page, q: str = "") -> list[wire.App]:
    """List the org's apps by name."""
    rows = await every(ctx.db, queries.by_name(ctx.actor, q).offset(page.offset).limit(page.fetch))
    return await pages.apps(ctx, page.cut(rows))


@route.post("/v1/apps")
async def create_app(ctx: Ctx, body: wire.CreateAppRequest) -> wire.App:
    """Create an app."""
    return await pages.created(ctx, await service.create(ctx, body))


@route.get("/v1/apps/{app_id}")
async def get_app(ctx: Ctx, app_id: str) -> wire.App:
    """Read one app, by id or name."""
    return await pages.app(ctx, await service.get(ctx, app_id))


@route.patch("/v1/apps/{app_id}")
async def update_app(ctx: Ctx, app_id: str, body: wire.UpdateAppRequest) -> wire.App:
    """Change an app's name, texts and notifications."""
    app = await service.update(ctx, await service.get(ctx, app_id), body)
    return await pages.created(ctx, app)


@route.delete("/v1/apps/{app_id}")
async def delete_app(ctx: Ctx, app_id: str) -> bool:
    """Delete an app without installs and components."""
    await service.delete(ctx, await service.get(ctx, app_id))
    return True


@route.post("/v1/apps/{app_id}/configs", deprecated=["/v1/apps/{app_id}/config"])
async def create_app_config(ctx: Ctx, app_id: str, body: wire.CreateAppConfigRequest) -> wire.AppConfig:
    """Open the next version of an app's config."""
    return pages.config(await configs.create(ctx, await service.get(ctx, app_id), body))


@route.get("/v1/apps/{app_id}/configs")
async def get_app_configs(ctx: Ctx, app_id: str, page: Page) -> list[wire.AppConfig]:
    """List the config versions of an app, newest first."""
    app = await service.get(ctx, app_id)
    rows = await every(ctx.db, queries.configs(ctx.actor, app.id).offset(page.offset).limit(page.fetch))
    return [pages.config(row) for row in page.cut(rows)]


@route.get("/v1/apps/{app_id}/latest-config")
async def get_app_latest_config(ctx: Ctx, app_id: str, recurse: bool = False) -> wire.AppConfig:
    """Read the newest config of an app."""
    app = await service.get(ctx, app_id)
    row = await service.latest_config(ctx, app.id)
    return await pages.config_tree(ctx, row) if recurse else pages.config(row)


@route.get("/v1/apps/{app_id}/configs/{config_id}", deprecated=["/v1/apps/{app_id}/config/{app_config_id}"])
async def get_app_config(ctx: Ctx, app_id: str, config_id: str, app_config_id: str, recurse: bool = False) -> wire.AppConfig:
    """Read one config of an app; `recurse=true` with everything that belongs to it."""
    app = await service.get(ctx, app_id)
    row = await service.config(ctx, config_id or app_config_id, app_id=app.id)
    return await pages.config_tree(ctx, row) if recurse else pages.config(row)


@route.patch("/v1/apps/{app_id}/configs/{config_id}", deprecated=["/v1/apps/{app_id}/config/{app_config_id}"])
async def update_app_config(ctx: Ctx, app_id: str, config_id: str, app_config_id: str, body: wire.UpdateAppConfigRequest) -> wire.AppConfig:
    """Set status, state and components of a config; an active one must have a whole graph."""
    app = await service.get(ctx, app_id)
    row = await configs.update(ctx, await service.config(ctx, config_id or app_config_id, app_id=app.id), body)
    if body.status == "active":
        await ctx.db.flush()
        await components.check_graph(ctx, row)
    return pages.config(row)


@route.get("/v1/apps/{app_id}/configs/{config_id}/graph", deprecated=["/v1/apps/{app_id}/config/{app_config_id}/graph"])
async def get_app_config_graph(ctx: Ctx, app_id: str, config_id: str, app_config_id: str) -> str:
    """Read the dependency graph of a config in the language of Graphviz."""
    app = await service.get(ctx, app_id)
    row = await service.config(ctx, config_id or app_config_id, app_id=app.id)
    return graphs.graph_as_dot((await components.graph(ctx, row.id)).nodes)


@route.post(
    "/v1/apps/{app_id}/configs/{config_id}/update-installs",
    deprecated=["/v1/apps/{app_id}/config/{app_config_id}/update-installs"],
)
async def update_app_config_installs(
    ctx: Ctx, app_id: str, config_id: str, app_config_id: str, body: wire.UpdateAppConfigInstallsRequest, raw: bytes
) -> str:
    """Move all or some installs to a config. Starts no workflow."""
    app = await service.get(ctx, app_id)
    row = await service.config(ctx, config_id or app_config_id, app_id=app.id)
    # The original's clients spell these two keys in three ways (spec config.md 4.2, domain.md 4.2).
    spelled = {key.lower(): value for key, value in json_object(raw).items()}
    body = msgspec.convert({"updateAll": spelled.get("updateall") or False, "installIDs": spelled.get("installids")}, type(body))
    await pins.repin(ctx, app, row, all_installs=body.update_all, refs=body.install_ids or ())
    return "ok"
