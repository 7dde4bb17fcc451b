"""`GET /v1/installs/{install_id}/sandbox-runs`"""

from exclave.api.pages import sandbox_runs as pages
from exclave.api.route import Page, Routes
from exclave.kit.context import Ctx
from exclave.wire.public.sandboxes import InstallSandboxRun

route = Routes("installs")


@route.get("/v1/installs/{install_id}/sandbox-runs")
async def list_sandbox_runs(ctx: Ctx, page: Page, install_id: str, expand: str = "") -> list[InstallSandboxRun]:
    """The sandbox runs of an install, newest first. `expand=all` fills every nested object."""
    found = await pages.sandbox_runs(ctx, install_id, offset=page.offset, fetch=page.fetch, everything=expand == "all")
    return page.cut(found)
