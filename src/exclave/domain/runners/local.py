"""Which runners this machine should run as processes of its own, for `exclave up`: builds of every org, installs of platform `local`."""

from datetime import timedelta

from sqlalchemy import select

from exclave.domain.runners import service
from exclave.domain.runners.models import Runner, RunnerGroup
from exclave.kit import db
from exclave.kit.context import Actor, Runtime

TOPIC = service.LOCAL_TOPIC

_GONE = ("deprovisioned", "deprovisioning")


async def wanted(runtime: Runtime) -> dict[str, str]:
    """Return the ids of the runners that should run here, each with its mode: build or install."""
    async with runtime.sweep() as ctx:
        statement = (
            select(Runner.id, RunnerGroup.type)
            .join(RunnerGroup, RunnerGroup.id == Runner.runner_group_id)
            .where(
                Runner.deleted_at == 0,
                Runner.account_id != "",
                Runner.status.not_in(_GONE),
                (RunnerGroup.type == "org") | (RunnerGroup.platform == "local"),
            )
        )
        return {runner_id: "build" if kind == "org" else "install" for runner_id, kind in (await ctx.db.execute(statement)).tuples()}


async def token(runtime: Runtime, runner_id: str, life: timedelta) -> str:
    """Make the token that a process of this runner gets on its standard input."""
    async with runtime.sweep() as ctx:
        runner: Runner = await db.one(ctx.db, select(Runner).where(Runner.id == runner_id))
        actor = Actor(account_id=runner.account_id, org_id=runner.org_id, kind="system")
        return await service.mint_token(ctx.acting_as(actor), runner, life)
