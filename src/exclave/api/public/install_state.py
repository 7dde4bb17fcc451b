"""The state document of an install, its versions, and the app's README rendered with it. Sensitive values are masked."""

import msgspec

from exclave.api.pages import install as pages
from exclave.api.route import Page, Reply, Routes
from exclave.domain.installs import readme as readmes
from exclave.domain.installs import service as installs
from exclave.domain.states import queries
from exclave.domain.states import service as states
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import installs as wire
from exclave.wire.public.state import State

route = Routes("installs")


@route.get("/v1/installs/{install_id}/state", answers=State)
async def get_state(ctx: Ctx, install_id: str) -> bytes:
    """Return the state document as it is now: every key is always there, outputs are as Terraform and the actions gave them."""
    install = await installs.get(ctx, install_id)
    return msgspec.json.encode(await states.shown(ctx, install.id))


@route.get("/v1/installs/{install_id}/state-history")
async def list_states(ctx: Ctx, install_id: str, page: Page) -> list[wire.InstallState]:
    """Return the versions of the document, newest first; archived ones without contents."""
    install = await installs.get(ctx, install_id)
    rows = page.cut(await every(ctx.db, queries.versions_of(ctx.actor, install.id).offset(page.offset).limit(page.fetch)))
    found = []
    for row in rows:
        document = await states.shown_version(ctx, row)
        contents = msgspec.json.encode(document).decode() if document is not None else ""
        found.append(pages.flat(wire.InstallState, row, contents=contents))
    return found


@route.get("/v1/installs/{install_id}/readme", also=[206])
async def get_readme(ctx: Ctx, install_id: str, reply: Reply) -> wire.Readme:
    """Return the README of the install's own app config, rendered with its state; 206 with warnings where that is not possible yet."""
    install = await installs.get(ctx, install_id)
    rendered = await readmes.render(ctx, install)
    if rendered.warnings:
        reply.status = 206
    return wire.Readme(original=rendered.original, readme=rendered.readme, warnings=rendered.warnings)
