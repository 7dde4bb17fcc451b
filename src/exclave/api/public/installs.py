"""Installs: create, list, read, change, and the verbs that start a workflow."""

from exclave.api.pages import install as pages
from exclave.api.route import Page, Reply, Routes
from exclave.domain.apps import service as apps
from exclave.domain.installs import operations, queries
from exclave.domain.installs import service as installs
from exclave.engine.models import Workflow
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import deploys as wire_deploys
from exclave.wire.public import installs as wire

route = Routes("installs")


@route.post("/v1/installs")
async def create_install(ctx: Ctx, body: wire.CreateInstallV2Request, reply: Reply) -> wire.Install:
    """Create an install and start provisioning it."""
    return await _create(ctx, body.app_id, body, reply)


@route.post("/v1/apps/{app_id}/installs")
async def create_app_install(ctx: Ctx, app_id: str, body: wire.CreateInstallRequest, reply: Reply) -> wire.Install:
    """Create an install of an app and start provisioning it."""
    return await _create(ctx, app_id, body, reply)


async def _create(ctx: Ctx, app_ref: str, body: wire.CreateInstallRequest | wire.CreateInstallV2Request, reply: Reply) -> wire.Install:
    created = await installs.create(
        ctx,
        await apps.get(ctx, app_ref),
        name=body.name,
        inputs=body.inputs or {},
        account=installs.Account(
            aws_region=body.aws_account.region if body.aws_account else None,
            azure_location=body.azure_account.location if body.azure_account else None,
        ),
        approval_option=(body.install_config.approval_option or "") if body.install_config else "",
        managed_by=body.metadata.managed_by if body.metadata else "",
    )
    reply.workflow(created.workflow.id)
    return await pages.install(ctx, created.install.id, created=True)


@route.get("/v1/installs")
async def list_installs(ctx: Ctx, page: Page, q: str = "") -> list[wire.Install]:
    """Return the installs of the org by name."""
    rows = await every(ctx.db, queries.listed(ctx.actor, q=q).offset(page.offset).limit(page.fetch))
    return await pages.org_list(ctx, page.cut(rows))


@route.get("/v1/apps/{app_id}/installs")
async def list_app_installs(ctx: Ctx, app_id: str, page: Page, q: str = "") -> list[wire.Install]:
    """Return the installs of an app by name."""
    app = await apps.get(ctx, app_id)
    rows = await every(ctx.db, queries.listed(ctx.actor, app_id=app.id, q=q).offset(page.offset).limit(page.fetch))
    return await pages.app_list(ctx, page.cut(rows))


@route.get("/v1/installs/{install_id}")
async def get_install(ctx: Ctx, install_id: str, include_drifted_objects: bool = False) -> wire.Install:
    """Return an install by id or name. What drifted is always in it, asked for or not."""
    return await pages.install(ctx, (await installs.get(ctx, install_id)).id)


@route.patch("/v1/installs/{install_id}")
async def update_install(ctx: Ctx, install_id: str, body: wire.UpdateInstallRequest) -> wire.Install:
    """Rename an install, say who manages it, or change how its workflows are approved."""
    install = await installs.get(ctx, install_id)
    await installs.update(
        ctx,
        install,
        name=body.name,
        managed_by=body.metadata.managed_by if body.metadata else None,
        approval_option=(body.install_config.approval_option or "") if body.install_config else "",
    )
    return await pages.install(ctx, install.id)


@route.delete("/v1/installs/{install_id}")
async def delete_install(ctx: Ctx, install_id: str, reply: Reply) -> bool:
    """Deprovision an install, then forget it. It stays when its deprovision fails."""
    workflow = await operations.delete(ctx, await installs.get(ctx, install_id))
    reply.workflow(workflow.id)
    return True


@route.post("/v1/installs/{install_id}/forget")
async def forget_install(ctx: Ctx, install_id: str, body: wire.ForgetInstallRequest) -> bool:
    """Drop an install from the database at once; nothing in the cloud is touched."""
    await operations.forget(ctx, await installs.get(ctx, install_id))
    return True


# What starts a workflow: 201, the word "ok", and the workflow's id in a header.


def _started(reply: Reply, workflow: Workflow) -> str:
    reply.workflow(workflow.id)
    return "ok"


@route.post("/v1/installs/{install_id}/reprovision")
async def reprovision(ctx: Ctx, install_id: str, body: wire.ReprovisionInstallRequest, reply: Reply) -> str:
    """Apply everything of an install again."""
    return _started(reply, await operations.reprovision(ctx, await installs.get(ctx, install_id), plan_only=body.plan_only))


@route.post("/v1/installs/{install_id}/reprovision-sandbox")
async def reprovision_sandbox(ctx: Ctx, install_id: str, body: wire.ReprovisionInstallSandboxRequest, reply: Reply) -> str:
    """Apply the sandbox again, then every component."""
    return _started(reply, await operations.reprovision_sandbox(ctx, await installs.get(ctx, install_id), plan_only=body.plan_only))


@route.post("/v1/installs/{install_id}/deprovision")
async def deprovision(ctx: Ctx, install_id: str, body: wire.DeprovisionInstallRequest, reply: Reply) -> str:
    """Tear down every component, then the sandbox."""
    return _started(reply, await operations.deprovision(ctx, await installs.get(ctx, install_id), plan_only=body.plan_only))


@route.post("/v1/installs/{install_id}/deprovision-sandbox")
async def deprovision_sandbox(ctx: Ctx, install_id: str, body: wire.DeprovisionInstallSandboxRequest, reply: Reply) -> str:
    """Tear down the sandbox alone."""
    return _started(reply, await operations.deprovision_sandbox(ctx, await installs.get(ctx, install_id), plan_only=body.plan_only))


@route.post("/v1/installs/{install_id}/sync-secrets")
async def sync_secrets(ctx: Ctx, install_id: str, body: wire.SyncSecretsRequest, reply: Reply) -> str:
    """Copy the customer's secrets into the install's cluster."""
    return _started(reply, await operations.sync_secrets(ctx, await installs.get(ctx, install_id), plan_only=body.plan_only))


@route.post("/v1/installs/{install_id}/components/deploy-all")
async def deploy_all(ctx: Ctx, install_id: str, body: wire_deploys.DeployInstallComponentsRequest, reply: Reply) -> str:
    """Deploy every component."""
    return _started(reply, await operations.deploy_all(ctx, await installs.get(ctx, install_id), plan_only=body.plan_only))


@route.post("/v1/installs/{install_id}/components/teardown-all", also=[204])
async def teardown_all(ctx: Ctx, install_id: str, body: wire.TeardownInstallComponentsRequest, reply: Reply) -> str:
    """Tear down every component; 204 when the install has none."""
    workflow = await operations.teardown_all(ctx, await installs.get(ctx, install_id), plan_only=body.plan_only)
    if workflow is None:
        reply.status = 204
        return ""
    return _started(reply, workflow)


@route.post("/v1/installs/{install_id}/components/{component_id}/teardown")
async def teardown(ctx: Ctx, install_id: str, component_id: str, body: wire.TeardownInstallComponentRequest, reply: Reply) -> str:
    """Tear down one component."""
    install = await installs.get(ctx, install_id)
    component = await installs.component_by_ref(ctx, install, component_id)
    return _started(reply, await operations.teardown(ctx, install, component.id, plan_only=body.plan_only))


# How workflows are approved.


@route.post("/v1/installs/{install_id}/configs")
async def create_config(ctx: Ctx, install_id: str, body: wire.CreateInstallConfigRequest) -> wire.InstallConfig:
    """Set how the workflows of an install are approved."""
    config = await installs.configure(ctx, await installs.get(ctx, install_id), body.approval_option or "prompt")
    return pages.flat(wire.InstallConfig, config)


@route.patch("/v1/installs/{install_id}/configs/{config_id}")
async def update_config(ctx: Ctx, install_id: str, config_id: str, body: wire.UpdateInstallConfigRequest) -> wire.InstallConfig:
    """Change how the workflows of an install are approved."""
    install = await installs.get(ctx, install_id)
    await installs.require_config(ctx, install, config_id)
    config = await installs.configure(ctx, install, body.approval_option or "prompt")
    return pages.flat(wire.InstallConfig, config)


# Reads beside the install itself.


@route.get("/v1/installs/{install_id}/drifted-objects")
async def list_drifted(ctx: Ctx, install_id: str) -> list[wire_deploys.DriftedObject]:
    """Return the components and the sandbox whose real state differs."""
    return await pages.drifted(ctx, [(await installs.get(ctx, install_id)).id])


@route.get("/v1/installs/{install_id}/events")
async def list_events(ctx: Ctx, install_id: str, page: Page) -> list[wire.InstallEvent]:
    """Return the events of an install. There are none: nothing has written them for years, see workflows and the audit log."""
    await installs.get(ctx, install_id)
    return page.cut([])


@route.get("/v1/installs/{install_id}/events/{event_id}")
async def get_event(ctx: Ctx, install_id: str, event_id: str) -> wire.InstallEvent:
    """Return one event: there is none."""
    await installs.get(ctx, install_id)
    raise errors.NotFound(f"no event {event_id!r}")
