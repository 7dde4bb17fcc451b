"""Components, and the config of each of the six kinds."""

from exclave.api.pages import components as pages
from exclave.api.route import Page, Routes
from exclave.domain.apps import service as apps
from exclave.domain.components import configs, queries, service
from exclave.domain.components.models import Component
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import components as wire

route = Routes("components")

SCOPED = "/v1/apps/{app_id}/components/{component_id}"
OLD = "/v1/components/{component_id}"


async def of_path(ctx: Ctx, app_id: str, component_id: str) -> Component:
    """Find the component that a path names: within its app on the newer paths."""
    app = await apps.get(ctx, app_id) if app_id else None
    return await service.get(ctx, component_id, app.id if app else None)


@route.post("/v1/apps/{app_id}/components")
async def create_component(ctx: Ctx, app_id: str, body: wire.CreateComponentRequest) -> wire.Component:
    """Create a component."""
    app = await apps.get(ctx, app_id)
    row = await service.create(ctx, app, body.name, var_name=body.var_name, dependencies=body.dependencies)
    return (await pages.components(ctx, [row]))[0]


@route.get("/v1/apps/{app_id}/components")
async def get_app_components(
    ctx: Ctx, app_id: str, page: Page, q: str = "", types: str = "", component_ids: str = ""
) -> list[wire.Component]:
    """List the components of an app's newest config, by name; before any config all of the app."""
    app = await apps.get(ctx, app_id)
    wanted = queries.filtered(queries.of_app(ctx.actor, app.id), q=q, types=types, component_ids=component_ids)
    newest = await apps.newest_config(ctx, app.id)
    if newest is not None and newest.component_ids:
        wanted = wanted.where(Component.id.in_(newest.component_ids))
    rows = await every(ctx.db, wanted.offset(page.offset).limit(page.fetch))
    return await pages.components(ctx, page.cut(rows))


@route.get("/v1/components")
async def get_org_components(ctx: Ctx, page: Page, component_ids: str = "") -> list[wire.Component]:
    """List the components of the org, newest first."""
    found = queries.visible_to(ctx.actor).order_by(Component.created_at.desc())
    wanted = queries.filtered(found, q="", types="", component_ids=component_ids)
    rows = await every(ctx.db, wanted.offset(page.offset).limit(page.fetch))
    return [pages.flat(ctx, row) for row in page.cut(rows)]


@route.get("/v1/apps/{app_id}/component/{component_name_or_id}")
async def get_app_component(ctx: Ctx, app_id: str, component_name_or_id: str) -> wire.Component:
    """Read one component of an app, by name or id."""
    return await pages.component(ctx, await of_path(ctx, app_id, component_name_or_id))


@route.get(OLD)
async def get_component(ctx: Ctx, component_id: str) -> wire.Component:
    """Read one component."""
    return await pages.component(ctx, await of_path(ctx, "", component_id))


@route.patch(SCOPED, deprecated=[OLD])
async def update_app_component(ctx: Ctx, app_id: str, component_id: str, body: wire.UpdateComponentRequest) -> wire.Component:
    """Change name, variable name or dependencies of a component."""
    row = await of_path(ctx, app_id, component_id)
    await service.update(ctx, row, body.name, var_name=body.var_name, dependencies=body.dependencies)
    return (await pages.components(ctx, [row]))[0]


@route.delete(SCOPED, deprecated=[OLD])
async def delete_app_component(ctx: Ctx, app_id: str, component_id: str) -> bool:
    """Delete a component that is not in use."""
    await service.delete(ctx, await of_path(ctx, app_id, component_id))
    return True


@route.get(f"{SCOPED}/dependencies", deprecated=[f"{OLD}/dependencies"])
async def get_app_component_dependencies(ctx: Ctx, app_id: str, component_id: str) -> list[wire.Component]:
    """List the components that this one needs.

    The original answers the ids of its dependents here, which no typed client can read: the documented shape and meaning win.
    """
    row = await of_path(ctx, app_id, component_id)
    edges = await every(ctx.db, queries.dependencies(ctx.actor, [row.id]))
    needed = queries.of_app(ctx.actor, row.app_id).where(Component.id.in_([edge.dependency_id for edge in edges]))
    return await pages.components(ctx, await every(ctx.db, needed))


@route.get(f"{SCOPED}/dependents", deprecated=[f"{OLD}/dependents"])
async def get_app_component_dependents(ctx: Ctx, app_id: str, component_id: str) -> wire.ComponentChildren:
    """List the components that need this one, directly or not."""
    row = await of_path(ctx, app_id, component_id)
    config = await apps.newest_config(ctx, row.app_id)
    rows = await service.dependents(ctx, config.id, row.id) if config is not None else []
    return wire.ComponentChildren(children=[pages.flat(ctx, each) for each in rows])


@route.get(f"{SCOPED}/configs", deprecated=[f"{OLD}/configs"])
async def get_app_component_configs(ctx: Ctx, app_id: str, component_id: str, page: Page) -> list[wire.ComponentConfigConnection]:
    """List the config versions of a component, newest first."""
    row = await of_path(ctx, app_id, component_id)
    rows = await every(ctx.db, queries.connections(ctx.actor, row.id).offset(page.offset).limit(page.fetch))
    return await pages.connections(ctx, page.cut(rows))


@route.get(f"{SCOPED}/configs/latest", deprecated=[f"{OLD}/configs/latest"])
async def get_app_component_latest_config(ctx: Ctx, app_id: str, component_id: str) -> wire.ComponentConfigConnection:
    """Read the newest config of a component."""
    row = await of_path(ctx, app_id, component_id)
    return (await pages.connections(ctx, [await service.latest_connection(ctx, row.id)]))[0]


@route.get(f"{SCOPED}/configs/{{config_id}}", deprecated=[f"{OLD}/configs/{{config_id}}"])
async def get_app_component_config(ctx: Ctx, app_id: str, component_id: str, config_id: str) -> wire.ComponentConfigConnection:
    """Read one config of a component."""
    row = await of_path(ctx, app_id, component_id)
    return (await pages.connections(ctx, [await service.connection(ctx, config_id, component_id=row.id)]))[0]


@route.post(f"{SCOPED}/configs/terraform-module", deprecated=[f"{OLD}/configs/terraform-module"])
async def create_terraform_module_config(
    ctx: Ctx, app_id: str, component_id: str, body: wire.CreateTerraformModuleComponentConfigRequest
) -> wire.TerraformModuleComponentConfig:
    """Configure a Terraform module, and build it."""
    row = await of_path(ctx, app_id, component_id)
    return await pages.typed_block(ctx, await configs.create_terraform_module(ctx, row, body), wire.TerraformModuleComponentConfig)


@route.post(f"{SCOPED}/configs/helm", deprecated=[f"{OLD}/configs/helm"])
async def create_helm_config(
    ctx: Ctx, app_id: str, component_id: str, body: wire.CreateHelmComponentConfigRequest
) -> wire.HelmComponentConfig:
    """Configure a Helm chart, and build it."""
    row = await of_path(ctx, app_id, component_id)
    return await pages.typed_block(ctx, await configs.create_helm(ctx, row, body), wire.HelmComponentConfig)


@route.post(f"{SCOPED}/configs/docker-build", deprecated=[f"{OLD}/configs/docker-build"])
async def create_docker_build_config(
    ctx: Ctx, app_id: str, component_id: str, body: wire.CreateDockerBuildComponentConfigRequest
) -> wire.DockerBuildComponentConfig:
    """Configure an image that is built from a Dockerfile, and build it."""
    row = await of_path(ctx, app_id, component_id)
    return await pages.typed_block(ctx, await configs.create_docker_build(ctx, row, body), wire.DockerBuildComponentConfig)


@route.post(f"{SCOPED}/configs/external-image", deprecated=[f"{OLD}/configs/external-image"])
async def create_external_image_config(
    ctx: Ctx, app_id: str, component_id: str, body: wire.CreateExternalImageComponentConfigRequest
) -> wire.ExternalImageComponentConfig:
    """Configure an image that exists, and copy it."""
    row = await of_path(ctx, app_id, component_id)
    return await pages.typed_block(ctx, await configs.create_external_image(ctx, row, body), wire.ExternalImageComponentConfig)


@route.post(f"{SCOPED}/configs/job", deprecated=[f"{OLD}/configs/job"])
async def create_job_config(
    ctx: Ctx, app_id: str, component_id: str, body: wire.CreateJobComponentConfigRequest
) -> wire.JobComponentConfig:
    """Configure an image that runs to its end."""
    row = await of_path(ctx, app_id, component_id)
    return await pages.typed_block(ctx, await configs.create_job(ctx, row, body), wire.JobComponentConfig)


@route.post(f"{SCOPED}/configs/kubernetes-manifest", deprecated=[f"{OLD}/configs/kubernetes-manifest"])
async def create_kubernetes_manifest_config(
    ctx: Ctx, app_id: str, component_id: str, body: wire.CreateKubernetesManifestComponentConfigRequest
) -> wire.KubernetesManifestComponentConfig:
    """Configure a Kubernetes manifest."""
    row = await of_path(ctx, app_id, component_id)
    return await pages.typed_block(ctx, await configs.create_kubernetes_manifest(ctx, row, body), wire.KubernetesManifestComponentConfig)
