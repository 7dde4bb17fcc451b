"""Which config an install is on: pinned at creation, moved only on request (spec domain.md 4.2)."""

from collections.abc import Sequence

from sqlalchemy import or_, select, update

from exclave.domain.apps import service as apps
from exclave.domain.apps.events import AppMayDelete, RunnerConfigCreated
from exclave.domain.apps.models import App, AppConfig
from exclave.domain.audit import service as audit
from exclave.domain.components.events import ComponentMayDelete
from exclave.domain.installs.models import Install, InstallComponent
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, first

GONE = ("", "inactive", "deleted", "deprovisioned")  # statuses of an install component that runs nothing


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


async def follow_runner_config(ctx: Ctx, event: RunnerConfigCreated) -> None:
    """Move every install of an app to its newest runner config."""
    await ctx.db.execute(
        update(Install)
        .where(Install.org_id == ctx.org_id, Install.app_id == event.app_id, Install.deleted_at == 0)
        .values(app_runner_config_id=event.runner_config_id)
    )


async def keep_app_in_use(ctx: Ctx, event: AppMayDelete) -> None:
    """Refuse to delete an app that has installs."""
    names = await every(
        ctx.db, select(Install.name).where(Install.app_id == event.app_id, Install.deleted_at == 0).order_by(Install.name).limit(5)
    )
    if names:
        raise errors.Invalid(f"the app has installs: deprovision and forget {', '.join(names)} first")


async def keep_component_in_use(ctx: Ctx, event: ComponentMayDelete) -> None:
    """Refuse to delete a component that an install runs."""
    used = (
        select(Install.name)
        .join(InstallComponent, InstallComponent.install_id == Install.id)
        .where(
            InstallComponent.component_id == event.component_id,
            InstallComponent.deleted_at == 0,
            InstallComponent.status.not_in(GONE),
            Install.deleted_at == 0,
        )
        .limit(1)
    )
    if (name := await first(ctx.db, used)) is not None:
        raise errors.Invalid(f"the install {name!r} runs this component: tear it down there first")
