"""Builds with what they were made from (spec nesting.md 2 "components", 3.11)."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from exclave.api.pages import accounts
from exclave.api.pages.columns import fill
from exclave.domain.accounts.models import Account
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components.models import Component, ComponentConfigConnection
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.logs.models import LogStream
from exclave.domain.vcs import queries as vcs_queries
from exclave.kit.context import Ctx
from exclave.kit.db import every, first
from exclave.wire.base import CompositeStatus
from exclave.wire.public import components as wire
from exclave.wire.public import runners as runner_wire
from exclave.wire.public import vcs as vcs_wire


def flat(row: ComponentBuild) -> wire.ComponentBuild:
    """A build alone; its component is told by its config."""
    return fill(wire.ComponentBuild, row, status_v2=msgspec.convert(row.status_v2, CompositeStatus) if row.status_v2 else None)


async def builds(ctx: Ctx, rows: Sequence[ComponentBuild], *, config: bool = True, people: bool = True) -> list[wire.ComponentBuild]:
    """Builds with their commits, and where asked with their component's config and who started them."""
    shapes = [flat(row) for row in rows]
    commits = await _commits(ctx, [row.vcs_connection_commit_id for row in rows if row.vcs_connection_commit_id])
    for row, shape in zip(rows, shapes, strict=True):
        shape.vcs_connection_commit = commits.get(row.vcs_connection_commit_id)
        shape.component_id = ""
    if config:
        await _with_configs(ctx, rows, shapes)
    if people:
        ids = {row.created_by_id for row in rows}
        found = await every(ctx.db, select(Account).where(Account.id.in_(ids))) if ids else []
        by_id = {account.id: accounts.brief(account) for account in found}
        for row, shape in zip(rows, shapes, strict=True):
            shape.created_by = by_id.get(row.created_by_id)
    return shapes


async def build(ctx: Ctx, row: ComponentBuild) -> wire.ComponentBuild:
    """One build with its job and log stream."""
    shape = (await builds(ctx, [row]))[0]
    job = await first(
        ctx.db,
        select(RunnerJob).where(RunnerJob.owner_id == row.id, RunnerJob.deleted_at == 0).order_by(RunnerJob.created_at.desc()).limit(1),
    )
    if job is not None:
        shape.runner_job = fill(runner_wire.RunnerJob, job, metadata=job.job_metadata, execution_count=0)
    stream = await first(
        ctx.db, select(LogStream).where(LogStream.owner_id == row.id, LogStream.deleted_at == 0).order_by(LogStream.created_at.desc())
    )
    if stream is not None:
        shape.log_stream = fill(runner_wire.LogStream, stream)
    return shape


async def _commits(ctx: Ctx, ids: list[str]) -> dict[str, vcs_wire.VCSConnectionCommit]:
    rows = await every(ctx.db, vcs_queries.commits(ctx.org_id, ids)) if ids else []
    return {row.id: fill(vcs_wire.VCSConnectionCommit, row) for row in rows}


async def _with_configs(ctx: Ctx, rows: Sequence[ComponentBuild], shapes: Sequence[wire.ComponentBuild]) -> None:
    ids = {row.component_config_connection_id for row in rows}
    if not ids:
        return
    found = (
        await ctx.db.execute(
            select(ComponentConfigConnection, Component.name)
            .join(Component, Component.id == ComponentConfigConnection.component_id)
            .where(ComponentConfigConnection.org_id == ctx.org_id, ComponentConfigConnection.id.in_(ids))
        )
    ).all()
    by_id = {connection.id: (connection, name) for connection, name in found}
    for row, shape in zip(rows, shapes, strict=True):
        if row.component_config_connection_id not in by_id:
            continue
        connection, name = by_id[row.component_config_connection_id]
        shape.component_config_connection = fill(wire.ComponentConfigConnection, connection, component_name=name)
        shape.component_id, shape.component_name = connection.component_id, name
        shape.component_config_version = connection.version
