"""What leaves an install as a file: its config file and its audit history."""

from typing import Any

from litestar import Response

from exclave.api.pages import install_audit
from exclave.api.route import Routes
from exclave.domain.installs import exports
from exclave.domain.installs import service as installs
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.base import Binary

route = Routes("installs")


@route.get("/v1/installs/{install_id}/generate-cli-install-config", answers=Binary, media="application/octet-stream")
async def generate_config(ctx: Ctx, install_id: str) -> Response[Any]:
    """Return the install as the config file that `installs sync` reads."""
    text = await exports.config_file(ctx, await installs.get(ctx, install_id))
    return Response(text.encode(), media_type="application/octet-stream")


@route.get("/v1/installs/{install_id}/audit_logs", answers=str, media="text/csv")
async def audit_logs(ctx: Ctx, install_id: str, start: str = "", end: str = "") -> Response[Any]:
    """Return what happened in an install between two times, as CSV."""
    install = await installs.get(ctx, install_id)
    since, until = install_audit.moment("start", start), install_audit.moment("end", end)
    if since > until:
        raise errors.Invalid("start must not be later than end")
    text = await install_audit.history(ctx, install.id, since, until)
    headers = {"Content-Disposition": f'attachment; filename="{install.id}_audit_history.csv"'}
    return Response(text.encode(), media_type="text/csv", headers=headers)
