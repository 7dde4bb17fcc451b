"""Deploys of an install's components: ask for one, list them, read one and what it put out."""

from typing import Any

import msgspec
from sqlalchemy import select

from exclave.api.pages import deploy as pages
from exclave.api.route import Page, Reply, Routes
from exclave.domain.deploys import queries
from exclave.domain.deploys import service as deploys
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs import service as installs
from exclave.domain.installs.models import Install, InstallComponent
from exclave.domain.states import service as states
from exclave.kit.context import Ctx
from exclave.wire.public import deploys as wire

route = Routes("installs")


@route.post("/v1/installs/{install_id}/deploys")
async def create_deploy(ctx: Ctx, install_id: str, body: wire.CreateInstallDeployRequest, reply: Reply) -> wire.InstallDeploy:
    """Deploy a build to an install."""
    return await _create(ctx, await installs.get(ctx, install_id), "", body, reply)


@route.post("/v1/installs/{install_id}/components/{component_id}/deploys")
async def create_component_deploy(
    ctx: Ctx, install_id: str, component_id: str, body: wire.CreateInstallComponentDeployRequest, reply: Reply
) -> wire.InstallDeploy:
    """Deploy a build of one component to an install."""
    install = await installs.get(ctx, install_id)
    return await _create(ctx, install, await _component_id(ctx, install, component_id), body, reply)


async def _create(
    ctx: Ctx,
    install: Install,
    component_id: str,
    body: wire.CreateInstallDeployRequest | wire.CreateInstallComponentDeployRequest,
    reply: Reply,
) -> wire.InstallDeploy:
    started = await deploys.start(
        ctx, install, body.build_id, component_id=component_id, plan_only=body.plan_only, dependents=body.deploy_dependents
    )
    reply.workflow(started.workflow.id)
    return await pages.deploy(ctx, queries.by_id(ctx.actor, started.deploy.id))


@route.get("/v1/installs/{install_id}/components/deploys", deprecated=["/v1/installs/{install_id}/deploys"])
async def list_deploys(ctx: Ctx, install_id: str, page: Page) -> list[wire.InstallDeploy]:
    """Return the deploys of an install, newest first."""
    install = await installs.get(ctx, install_id)
    return page.cut(await pages.of_install(ctx, install.id, offset=page.offset, fetch=page.fetch))


@route.get("/v1/installs/{install_id}/components/{component_id}/deploys")
async def list_component_deploys(ctx: Ctx, install_id: str, component_id: str, page: Page) -> list[wire.InstallDeploy]:
    """Return the deploys of one component of an install, newest first."""
    wanted = await _of_component(ctx, install_id, component_id)
    return page.cut(await pages.of_component(ctx, wanted.offset(page.offset).limit(page.fetch), fetch=page.fetch))


@route.get("/v1/installs/{install_id}/components/{component_id}/deploys/latest")
async def latest_component_deploy(ctx: Ctx, install_id: str, component_id: str) -> wire.InstallDeploy:
    """Return the newest deploy of one component of an install."""
    return await pages.deploy(ctx, (await _of_component(ctx, install_id, component_id)).limit(1))


@route.get("/v1/installs/{install_id}/deploys/latest")
async def latest_deploy(ctx: Ctx, install_id: str) -> wire.InstallDeploy:
    """Return the newest deploy of an install."""
    install = await installs.get(ctx, install_id)
    return await pages.deploy(ctx, queries.of_install(ctx.actor, install.id).limit(1))


@route.get("/v1/installs/{install_id}/deploys/{deploy_id}")
async def get_deploy(ctx: Ctx, install_id: str, deploy_id: str) -> wire.InstallDeploy:
    """Return one deploy of an install."""
    install = await installs.get(ctx, install_id)
    return await pages.deploy(ctx, queries.of_install(ctx.actor, install.id).where(InstallDeploy.id == deploy_id))


@route.get("/v1/installs/{install_id}/components/{component_id}/deploys/{deploy_id}")
async def get_component_deploy(ctx: Ctx, install_id: str, component_id: str, deploy_id: str) -> wire.InstallDeploy:
    """Return one deploy of a component of an install."""
    wanted = await _of_component(ctx, install_id, component_id)
    return await pages.deploy(ctx, wanted.where(InstallDeploy.id == deploy_id))


@route.get("/v1/installs/{install_id}/components/{component_id}/outputs")
async def get_component_outputs(ctx: Ctx, install_id: str, component_id: str) -> msgspec.Raw:
    """Return what a component of an install put out, with its sensitive values masked; an empty object before its first deploy."""
    install = await installs.get(ctx, install_id)
    component = await installs.component_by_ref(ctx, install, component_id)
    shown: dict[str, Any] = (await states.shown(ctx, install.id))["components"]
    return msgspec.Raw(msgspec.json.encode(shown.get(component.name, {}).get("outputs", {})))


async def _of_component(ctx: Ctx, install_ref: str, component_ref: str) -> Any:
    install = await installs.get(ctx, install_ref)
    component_id = await _component_id(ctx, install, component_ref)
    return queries.of_install(ctx.actor, install.id).where(InstallDeploy.component_id == component_id)


async def _component_id(ctx: Ctx, install: Install, ref: str) -> str:
    """The component that a path names: by its id or name, or by the id of the install's own row."""
    own = select(InstallComponent.component_id).where(InstallComponent.id == ref, InstallComponent.install_id == install.id)
    found: str | None = (await ctx.db.execute(own)).scalar()
    return found or (await installs.component_by_ref(ctx, install, ref)).id
