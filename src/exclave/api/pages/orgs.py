"""Orgs, their runner group and people (spec nesting.md 2, orgs)."""

from sqlalchemy import Select, select

from exclave.api.pages.columns import fill
from exclave.domain.orgs import queries, rules
from exclave.domain.orgs.models import Org
from exclave.domain.runners.models import Runner, RunnerGroup, RunnerGroupSettings
from exclave.domain.vcs import queries as vcs_queries
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, first, one
from exclave.wire.public import orgs as wire
from exclave.wire.public import runners as runner_wire
from exclave.wire.public import vcs as vcs_wire


def flat(ctx: Ctx, row: Org) -> wire.Org:
    """An org in a list: its features and links."""
    return fill(wire.Org, row, features=rules.shown_features(row.features), links=_links(ctx, row))


async def org(ctx: Ctx, row: Org) -> wire.Org:
    """One org with its build runners and VCS connections."""
    shape = flat(ctx, row)
    group = await first(ctx.db, _group_of(row.id))
    if group is not None:
        shape.runner_group = fill(runner_wire.RunnerGroup, group, runners=await _runners(ctx, group))
    shape.vcs_connections = [
        fill(vcs_wire.VCSConnection, connection) for connection in await every(ctx.db, vcs_queries.visible_to(ctx.actor))
    ]
    return shape


async def created(ctx: Ctx, row: Org) -> wire.Org:
    """The answer to creating an org: its notifications config, no links."""
    notifications = await first(ctx.db, queries.notifications_of(row.id))
    return fill(
        wire.Org,
        row,
        features=rules.shown_features(row.features),
        notifications_config=fill(wire.NotificationsConfig, notifications) if notifications is not None else None,
    )


async def runner_group(ctx: Ctx, owner_id: str) -> runner_wire.RunnerGroup:
    """The runner group of an org or install, with runners and settings."""
    group: RunnerGroup = await one(ctx.db, _group_of(owner_id), or_raise=errors.NotFound("there is no runner group yet"))
    settings = await first(ctx.db, select(RunnerGroupSettings).where(RunnerGroupSettings.runner_group_id == group.id))
    shape = fill(runner_wire.RunnerGroup, group, runners=await _runners(ctx, group))
    if settings is not None:
        shape.settings = fill(runner_wire.RunnerGroupSettings, settings, metadata=settings.settings_metadata, platform=group.platform)
    return shape


async def _runners(ctx: Ctx, group: RunnerGroup) -> list[runner_wire.Runner]:
    rows = await every(ctx.db, select(Runner).where(Runner.runner_group_id == group.id, Runner.deleted_at == 0).order_by(Runner.created_at))
    return [fill(runner_wire.Runner, row) for row in rows]


def _group_of(owner_id: str) -> Select[RunnerGroup]:
    return select(RunnerGroup).where(RunnerGroup.owner_id == owner_id, RunnerGroup.deleted_at == 0)


def _links(ctx: Ctx, row: Org) -> dict[str, str]:
    settings = ctx.runtime.settings
    return {"ui": f"{settings.ui_url}/{row.id}", "api": f"{settings.public_url}/v1/orgs/current"}
