"""Runner groups and their runners: make, provision, beat, and end them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from exclave.domain.accounts import service as accounts
from exclave.domain.accounts import tokens
from exclave.domain.audit import service as audit
from exclave.domain.orgs.models import Org
from exclave.domain.runners import access, queries, rules
from exclave.domain.runners.events import RunnerHealthy
from exclave.domain.runners.models import (
    Runner,
    RunnerGroup,
    RunnerGroupSettings,
    RunnerHealthCheck,
    RunnerHeartBeat,
    RunnerOperation,
)
from exclave.kit import db, errors, time
from exclave.kit.context import Ctx, Runtime
from exclave.kit.prepared import Prepared

TOKEN_TTL = timedelta(days=90)
LOCAL_TOPIC = "runners:local"  # hints that runners of the platform `local` came or went


async def create_group(
    ctx: Ctx, *, org_id: str, owner_id: str, owner_type: str, type: str, platform: str, metadata: Mapping[str, str] = {}
) -> RunnerGroup:
    """Make a runner group with its settings and the runner `default`, which is `pending` until it is provisioned."""
    org = await db.one(ctx.db, select(Org).where(Org.id == org_id), or_raise=errors.NotFound(f"no org {org_id}"))
    group = RunnerGroup(
        org_id=org_id, created_by_id=ctx.actor.account_id, owner_id=owner_id, owner_type=owner_type, type=type, platform=platform
    )
    ctx.db.add(group)
    await ctx.db.flush()
    settings = RunnerGroupSettings(
        org_id=org_id,
        created_by_id=ctx.actor.account_id,
        runner_group_id=group.id,
        container_image_tag="latest",
        runner_api_url=ctx.runtime.settings.runner_url,
        sandbox_mode=org.sandbox_mode,
        heart_beat_timeout=time.nanoseconds(timedelta(seconds=ctx.runtime.settings.heartbeat_seconds)),
        enable_metrics=type == "org",
        groups=rules.groups(type),
        settings_metadata=rules.labels(
            org_id=org_id, org_name=org.name, group_id=group.id, group_type=type, platform=platform, given=metadata
        ),
        aws_instance_type="t3a.medium" if platform.startswith("aws") and type == "install" else "",
    )
    runner = Runner(org_id=org_id, created_by_id=ctx.actor.account_id, runner_group_id=group.id)
    ctx.db.add_all([settings, runner])
    await ctx.db.flush()
    await audit.record(ctx, "create", group, owner_type=owner_type)
    return group


async def group_for_org(ctx: Ctx, org_id: str) -> RunnerGroup:
    """Return the group that builds an org's components; make it once."""
    known = await group_of(ctx, org_id)
    if known is not None:
        return known
    return await create_group(ctx, org_id=org_id, owner_id=org_id, owner_type="orgs", type="org", platform="local")


async def group_of(ctx: Ctx, org_id: str) -> RunnerGroup | None:
    """Return the group that builds an org's components, if it is there."""
    group: RunnerGroup | None = await db.first(ctx.db, queries.group_of_owner(org_id, "orgs", org_id))
    return group


async def local_runners(runtime: Runtime) -> dict[str, str]:
    """Return which runners this machine is to run, with their modes: `build` for an org, `install` for an install."""
    async with runtime.sweep() as ctx:
        rows = await ctx.db.execute(queries.on_this_machine())
        return {runner_id: "build" if kind == "org" else "install" for runner_id, kind in rows}


async def local_token(runtime: Runtime, runner_id: str, ttl: timedelta) -> str:
    """Make a token for a runner of this machine. Those of its process before end."""
    async with runtime.sweep() as ctx:
        runner: Runner = await db.one(ctx.db, queries.one_on_this_machine(runner_id), or_raise=errors.NotFound(f"no runner {runner_id}"))
        await tokens.revoke_all(ctx, runner.account_id)
        return await mint_token(ctx, runner, ttl)


async def get(ctx: Ctx, runner_id: str) -> Runner:
    """Return a runner, or raise `NotFound`."""
    runner: Runner = await db.one(ctx.db, queries.by_id(ctx.actor, runner_id), or_raise=errors.NotFound(f"no runner {runner_id}"))
    return runner


async def of_install(ctx: Ctx, install_id: str) -> Runner:
    """Return the runner in an install's own cloud."""
    return await _of_owner(ctx, "installs", install_id)


async def of_org(ctx: Ctx, org_id: str) -> Runner:
    """Return the runner that builds the components of an org."""
    return await _of_owner(ctx, "orgs", org_id)


async def provision(ctx: Ctx, runner: Runner) -> None:
    """Give a runner its service account. It is then `provisioning`, or waits for the customer's stack; a beat makes it active.

    Provisioning again keeps the status of a runner that is there.
    """
    operation = RunnerOperation(
        org_id=runner.org_id,
        created_by_id=ctx.actor.account_id,
        runner_id=runner.id,
        operation_type="reprovision" if runner.account_id else "provision_service_account",
        status="finished",
    )
    if not runner.account_id:
        account = await accounts.service_account(ctx, subject=runner.id, org_id=runner.org_id, role_type="runner")
        runner.account_id = account.id
    if runner.status in ("pending", "deprovisioned", "deprovisioning"):
        group = await db.one(ctx.db, select(RunnerGroup).where(RunnerGroup.id == runner.runner_group_id))
        waits = rules.waits_for_a_stack(group.type, group.platform)
        runner.status = "awaiting-install-stack-run" if waits else "provisioning"
        runner.status_description = "waiting for the install stack to be run" if waits else "waiting for the runner's first heartbeat"
    ctx.db.add(operation)
    await audit.record(ctx, "provision", runner)
    ctx.poke(LOCAL_TOPIC)


async def mint_token(ctx: Ctx, runner: Runner, ttl: timedelta = TOKEN_TTL) -> str:
    """Make a token of the runner's service account. Its text is returned once and kept nowhere."""
    if not runner.account_id:
        raise errors.Conflict(f"the runner {runner.id} is not provisioned yet: it has no account")
    _, text = await tokens.mint(ctx, runner.account_id, token_type="runner", ttl=ttl, org_id=runner.org_id)
    await audit.record(ctx, "mint_token", runner)
    return text


async def deprovision(ctx: Ctx, runner: Runner) -> None:
    """Take a runner out of service: its tokens end, and its beats do not bring it back."""
    if runner.account_id:
        await tokens.revoke_all(ctx, runner.account_id)
    runner.status = "deprovisioned"
    runner.status_description = "runner was deprovisioned"
    ctx.db.add(
        RunnerOperation(
            org_id=runner.org_id,
            created_by_id=ctx.actor.account_id,
            runner_id=runner.id,
            operation_type="deprovision",
            status="finished",
        )
    )
    await audit.record(ctx, "deprovision", runner)
    ctx.poke(LOCAL_TOPIC)


async def beat(
    ctx: Ctx,
    runner_id: str,
    process: str,
    version: str,
    alive_time: int,
    *,
    beating: Prepared[tuple[RunnerHeartBeat, str]] = queries.BEAT,
    **more: Any,
) -> RunnerHeartBeat:
    """Keep the newest beat of a process. The first beat of one that takes jobs makes its runner active, and tells so.

    `alive_time` counts nanoseconds. `beating`: the statement of whoever has more done by a beat, which is asked with `more`. Raises
    `NotFound` when the runner is not the caller's own.
    """
    access.require(ctx.actor, runner_id)
    found = await beating.first(
        ctx.db,
        id=RunnerHeartBeat(org_id=ctx.org_id).id,
        org=ctx.org_id,
        runner=runner_id,
        account=ctx.actor.account_id,
        process=process,
        version=version,
        alive_time=alive_time,
        moment=time.now(),
        **more,
    )
    if found is None:
        raise errors.NotFound(f"no runner {runner_id}")
    kept, status = found
    if status in rules.WAKES and rules.serves(process):
        await _wake(ctx, runner_id)
    return kept


async def record_check(ctx: Ctx, runner_id: str, process: str) -> RunnerHealthCheck:
    """Keep the status of a runner in this minute, as a process of it asks."""
    runner = await get(ctx, runner_id)
    minute = time.now().replace(second=0, microsecond=0)
    row = RunnerHealthCheck(
        org_id=runner.org_id, created_by_id=ctx.actor.account_id, runner_id=runner.id, process=process, status=runner.status, minute=minute
    )
    statement = (
        insert(RunnerHealthCheck)
        .values(
            id=row.id,
            org_id=row.org_id,
            created_by_id=row.created_by_id,
            runner_id=row.runner_id,
            process=process,
            status=row.status,
            minute=minute,
        )
        .on_conflict_do_update(
            index_elements=[RunnerHealthCheck.runner_id, RunnerHealthCheck.process, RunnerHealthCheck.minute],
            set_={"status": row.status, "updated_at": time.now()},
        )
        .returning(RunnerHealthCheck)
        .execution_options(populate_existing=True)
    )
    kept: RunnerHealthCheck = (await ctx.db.execute(statement)).scalars().one()
    return kept


async def update_settings(ctx: Ctx, runner_id: str, changes: Mapping[str, Any]) -> RunnerGroupSettings:
    """Change settings of a runner's group: image, API address, identities, the lifetime of its machine in seconds."""
    runner = await get(ctx, runner_id)
    settings: RunnerGroupSettings = await db.one(ctx.db, queries.settings_of(runner.runner_group_id))
    lifetime = changes.get("aws_max_instance_lifetime", 86_400)
    if not 86_400 <= lifetime <= 31_536_000:
        raise errors.Invalid("aws_max_instance_lifetime must be between 86400 and 31536000 seconds")
    for name, value in changes.items():
        setattr(settings, name, value)
    await audit.record(ctx, "update", settings, changed=sorted(changes))
    return settings


async def _wake(ctx: Ctx, runner_id: str) -> None:
    statement = (
        update(Runner)
        .where(Runner.id == runner_id, Runner.org_id == ctx.org_id, Runner.status.in_(rules.WAKES))
        .values(status="active", status_description="runner is healthy", updated_at=time.now())
        .returning(Runner.id)
        .execution_options(synchronize_session=False)
    )
    if (await ctx.db.execute(statement)).first() is not None:
        await ctx.tell(RunnerHealthy(runner_id=runner_id, org_id=ctx.org_id))


async def _of_owner(ctx: Ctx, owner_type: str, owner_id: str) -> Runner:
    missing = errors.NotFound(f"{owner_id} has no runner")
    return await queries.OF_OWNER.one(ctx.db, org=ctx.org_id, owner_type=owner_type, owner=owner_id, or_raise=missing)
