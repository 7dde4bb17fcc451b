"""Connections to GitHub."""

from exclave.api.pages.columns import fill
from exclave.api.route import Page, Routes
from exclave.domain.vcs import queries, service
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import vcs as wire

route = Routes("vcs")


@route.get("/v1/vcs/connections")
async def get_org_vcs_connections(ctx: Ctx, page: Page) -> list[wire.VCSConnection]:
    """List the org's connections."""
    rows = await every(ctx.db, queries.visible_to(ctx.actor).offset(page.offset).limit(page.fetch))
    return [fill(wire.VCSConnection, row) for row in page.cut(rows)]


@route.post("/v1/vcs/connections")
async def create_vcs_connection(ctx: Ctx, body: wire.CreateConnectionRequest) -> wire.VCSConnection:
    """Register an installation of the GitHub app."""
    return fill(wire.VCSConnection, await service.connect(ctx, body.github_install_id))


@route.get("/v1/vcs/connections/{connection_id}")
async def get_vcs_connection(ctx: Ctx, connection_id: str) -> wire.VCSConnection:
    """Read one connection."""
    return fill(wire.VCSConnection, await service.connection(ctx, connection_id))


@route.delete("/v1/vcs/connections/{connection_id}", status=204)
async def delete_vcs_connection(ctx: Ctx, connection_id: str) -> None:
    """Forget a connection."""
    await service.disconnect(ctx, connection_id)
