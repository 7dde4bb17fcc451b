"""Which config an install is on: pinned at creation, moved only on request (spec domain.md 4.2)."""

from collections.abc import Sequence

from sqlalchemy import or_, select

from exclave.domain.apps import service as apps
from exclave.domain.apps.models import App, AppConfig
from exclave.domain.audit import service as audit
from exclave.domain.installs.models import Install
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every


async def repin(ctx: Ctx, app: App, config: AppConfig, *, all_installs: bool, refs: Sequence[str] = ()) -> list[Install]:
    """Move installs of the app to a config: all of them, or those named by id or name. Starts no workflow.

    The config must be active. Its sandbox and runner configs come along, where it has them.
    """
    if config.status != "active":
        raise errors.Invalid(f"the app config {config.id} is {config.status}, not active: installs move to an active config only")
    wanted = select(Install).where(Install.org_id == ctx.org_id, Install.app_id == app.id, Install.deleted_at == 0)
    if not all_installs:
        wanted = wanted.where(or_(Install.id.in_(refs), Install.name.in_(refs)))
    installs: list[Install] = await every(ctx.db, wanted)
    if not all_installs:
        found = {install.id for install in installs} | {install.name for install in installs}
        if unknown := sorted(ref for ref in refs if ref not in found):
            raise errors.NotFound(f"installIDs: the app has no install {', '.join(unknown)}")
    sandbox = await apps.sandbox_config(ctx, config.id)
    runner = await apps.runner_config(ctx, config.id)
    for install in installs:
        install.app_config_id = config.id
        if sandbox is not None:
            install.app_sandbox_config_id = sandbox.id
        if runner is not None:
            install.app_runner_config_id = runner.id
        await audit.record(ctx, "update", install, app_config_id=config.id)
    return installs
