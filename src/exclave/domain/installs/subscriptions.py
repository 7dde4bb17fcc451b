"""What installs do when a slice below tells them something. `server/wiring.py` lists these."""

from sqlalchemy import select, update

from exclave.domain.apps.events import AppMayDelete, RunnerConfigCreated
from exclave.domain.components.events import ComponentAdded, ComponentMayDelete
from exclave.domain.components.models import Component
from exclave.domain.installs import queries, rules, service
from exclave.domain.installs.models import Install, InstallComponent
from exclave.domain.runners.events import RunnerHealthy
from exclave.domain.runners.models import Runner, RunnerGroup
from exclave.domain.states import service as states
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, one


async def on_component_added(ctx: Ctx, event: ComponentAdded) -> None:
    """Every install of the app gets its row and workspace of the new component."""
    component: Component = await one(ctx.db, select(Component).where(Component.id == event.component_id))
    for install in await every(ctx.db, queries.installs_of_app(event.app_id)):
        await service.ensure_component(ctx, install, component)


async def on_runner_config_created(ctx: Ctx, event: RunnerConfigCreated) -> None:
    """Installs follow the newest runner config of their app (spec domain.md 4.2)."""
    await ctx.db.execute(
        update(Install)
        .where(Install.app_id == event.app_id, Install.deleted_at == 0)
        .values(app_runner_config_id=event.runner_config_id)
        .execution_options(synchronize_session=False)
    )


async def on_runner_healthy(ctx: Ctx, event: RunnerHealthy) -> None:
    """The state document says that the install's runner is there. The runner of an org belongs to no document."""
    statement = (
        select(Runner, RunnerGroup.id, Install.id)
        .join(RunnerGroup, RunnerGroup.id == Runner.runner_group_id)
        .join(Install, Install.id == RunnerGroup.owner_id)
        .where(Runner.id == event.runner_id, RunnerGroup.owner_type == "installs", Install.deleted_at == 0)
    )
    found = (await ctx.db.execute(statement)).first()
    if found is not None:
        runner, group_id, install_id = found
        value = {"id": runner.id, "runner_group_id": group_id, "status": "active"}
        await states.put(ctx, install_id, "runner", value, org_id=event.org_id)


async def on_app_may_delete(ctx: Ctx, event: AppMayDelete) -> None:
    """Refuse to delete an app that has installs."""
    names = [install.name for install in await every(ctx.db, queries.installs_of_app(event.app_id).order_by(Install.name))]
    if names:
        raise errors.Invalid(f"the app still has installs: {', '.join(names[:10])}; deprovision and forget them first")


async def on_component_may_delete(ctx: Ctx, event: ComponentMayDelete) -> None:
    """Refuse to delete a component that an install still runs."""
    statement = (
        select(Install.name, InstallComponent.status)
        .join(Install, Install.id == InstallComponent.install_id)
        .where(InstallComponent.component_id == event.component_id, InstallComponent.deleted_at == 0, Install.deleted_at == 0)
        .order_by(Install.name)
    )
    names = [name for name, status in (await ctx.db.execute(statement)).all() if status and rules.may_teardown(status)]
    if names:
        raise errors.Invalid(f"installs still run the component: {', '.join(names[:10])}; tear it down there first")
