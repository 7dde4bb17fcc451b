"""Builds of components."""

from exclave.api.pages import builds as pages
from exclave.api.public.components import OLD, SCOPED, of_path
from exclave.api.route import Page, Routes
from exclave.domain.apps import service as apps
from exclave.domain.builds import queries, service
from exclave.domain.components import service as components
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import components as wire

route = Routes("components")


@route.post(f"{SCOPED}/builds", deprecated=[f"{OLD}/builds"])
async def create_app_component_build(
    ctx: Ctx, app_id: str, component_id: str, body: wire.CreateComponentBuildRequest
) -> wire.ComponentBuild:
    """Start a build of the newest config of a component, at a ref or at the head of its branch."""
    if not body.git_ref and not body.use_latest:
        raise errors.Invalid("git_ref: give a git_ref, or use_latest")
    row = await of_path(ctx, app_id, component_id)
    return pages.flat(await service.create_latest(ctx, row, git_ref=body.git_ref))


@route.post("/v1/apps/{app_id}/components/build-all")
async def build_all_components(ctx: Ctx, app_id: str, body: wire.BuildAllComponentsRequest) -> list[wire.ComponentBuild]:
    """Start a build of every component of an app."""
    return [pages.flat(row) for row in await service.build_all(ctx, await apps.get(ctx, app_id))]


@route.get(f"{SCOPED}/builds")
async def get_app_component_builds(ctx: Ctx, app_id: str, component_id: str, page: Page) -> list[wire.ComponentBuild]:
    """List the builds of a component, newest first."""
    row = await of_path(ctx, app_id, component_id)
    rows = await every(ctx.db, queries.of_component(ctx.actor, row.id).offset(page.offset).limit(page.fetch))
    return await pages.builds(ctx, page.cut(rows))


@route.get("/v1/builds")
async def get_component_builds(ctx: Ctx, page: Page, app_id: str = "", component_id: str = "") -> list[wire.ComponentBuild]:
    """List the builds of a component or of an app, newest first."""
    if component_id:
        row = await components.get(ctx, component_id)
        wanted = queries.of_component(ctx.actor, row.id)
    elif app_id:
        wanted = queries.of_app(ctx.actor, (await apps.get(ctx, app_id)).id)
    else:
        raise errors.Invalid("give component_id or app_id")
    rows = await every(ctx.db, wanted.offset(page.offset).limit(page.fetch))
    return await pages.builds(ctx, page.cut(rows), people=bool(component_id))


@route.get(f"{SCOPED}/builds/latest", deprecated=[f"{OLD}/builds/latest"])
async def get_app_component_latest_build(ctx: Ctx, app_id: str, component_id: str) -> wire.ComponentBuild:
    """Read the newest build of a component."""
    row = await of_path(ctx, app_id, component_id)
    return (await pages.builds(ctx, [await service.latest(ctx, row.id)], config=False, people=False))[0]


@route.get(f"{SCOPED}/builds/{{build_id}}", deprecated=[f"{OLD}/builds/{{build_id}}"])
async def get_app_component_build(ctx: Ctx, app_id: str, component_id: str, build_id: str) -> wire.ComponentBuild:
    """Read one build of a component."""
    row = await of_path(ctx, app_id, component_id)
    return await pages.build(ctx, await service.get(ctx, build_id, component_id=row.id))


@route.get("/v1/components/builds/{build_id}")
async def get_build(ctx: Ctx, build_id: str) -> wire.ComponentBuild:
    """Read one build."""
    return await pages.build(ctx, await service.get(ctx, build_id))
