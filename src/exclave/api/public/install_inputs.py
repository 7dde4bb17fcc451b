"""Inputs of an install. Answers never carry sensitive values: `values` holds the others, `redacted_values` all of them with masks."""

from exclave.api.pages import install as pages
from exclave.api.route import Page, Reply, Routes
from exclave.domain.installs import inputs as install_inputs
from exclave.domain.installs import operations, queries
from exclave.domain.installs import service as installs
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, first
from exclave.wire.public import installs as wire

route = Routes("installs")


@route.get("/v1/installs/{install_id}/inputs")
async def list_inputs(ctx: Ctx, install_id: str, page: Page) -> list[wire.InstallInputs]:
    """Return the versions of an install's inputs, newest first."""
    install = await installs.get(ctx, install_id)
    rows = await every(ctx.db, queries.inputs_of(ctx.actor, install.id).offset(page.offset).limit(page.fetch))
    return [pages.inputs(row) for row in page.cut(rows)]


@route.get("/v1/installs/{install_id}/inputs/current")
async def get_current_inputs(ctx: Ctx, install_id: str) -> wire.InstallInputs:
    """Return the inputs in force; empty ones for an app without inputs."""
    install = await installs.get(ctx, install_id)
    newest = await first(ctx.db, queries.inputs_of(ctx.actor, install.id).limit(1))
    if newest is None:
        return wire.InstallInputs(install_id=install.id, org_id=install.org_id, values={}, redacted_values={})
    return pages.inputs(newest)


@route.post("/v1/installs/{install_id}/inputs")
async def create_inputs(ctx: Ctx, install_id: str, body: wire.CreateInstallInputsRequest) -> wire.InstallInputs:
    """Store a whole set of inputs; no workflow follows."""
    if not body.inputs:
        raise errors.Invalid("inputs: give at least one")
    return pages.inputs(await install_inputs.replace(ctx, await installs.get(ctx, install_id), body.inputs))


@route.patch("/v1/installs/{install_id}/inputs")
async def update_inputs(ctx: Ctx, install_id: str, body: wire.UpdateInstallInputsRequest, reply: Reply) -> wire.InstallInputs:
    """Change some inputs and bring what uses them up to date."""
    row, workflow = await operations.update_inputs(ctx, await installs.get(ctx, install_id), body.inputs)
    reply.workflow(workflow.id)
    page = pages.inputs(row)
    page.values = None
    return page
