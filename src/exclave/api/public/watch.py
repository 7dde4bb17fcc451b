"""Follow things without polling (our own routes): a workflow and a build by long poll, and which log streams belong to what."""

import asyncio
from typing import Any

from sqlalchemy import String, cast, func, select, union_all

from exclave.api.pages import builds as build_pages
from exclave.api.pages.derived import FINISHERS
from exclave.api.pages.relations import LINKS, WORKFLOW
from exclave.api.pages.tree import Tree
from exclave.api.route import Reply, Routes
from exclave.domain.actions.models import InstallActionWorkflowRun
from exclave.domain.builds import service as builds
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs.models import Install
from exclave.domain.logs.models import LogStream
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.engine import models as engine
from exclave.kit import errors
from exclave.kit.context import Actor, Ctx, Runtime
from exclave.kit.ids import is_id
from exclave.wire.public.components import ComponentBuild
from exclave.wire.public.runners import LogStream as LogStreamShape
from exclave.wire.public.workflows import Workflow

route = Routes("installs")

_LONGEST = 25.0
_NET = 5.0  # seconds after which a lost hint is healed
_TREE = Tree(WORKFLOW, LINKS, FINISHERS, {"created_by": {}, "steps": {"created_by": {}, "approval": {}}})


@route.get("/v1/workflows/{workflow_id}/watch", transaction=False)
async def watch_workflow(runtime: Runtime, actor: Actor, reply: Reply, workflow_id: str, after: str = "") -> Workflow:
    """Answer the workflow with its steps as soon as it is another than `after`, the `X-Exclave-Version` of an earlier answer.

    Waits at most 25 seconds, then answers what is there.
    """
    end = asyncio.get_running_loop().time() + _LONGEST
    async with runtime.bus.subscribe(f"workflow:{workflow_id}") as hints:
        while True:
            async with runtime.request(actor) as ctx:
                version = await _version(ctx, workflow_id)
                left = end - asyncio.get_running_loop().time()
                if version != after or left <= 0:
                    reply.headers["X-Exclave-Version"] = version
                    return await _read(ctx, workflow_id)
            await hints.wait(min(left, _NET))


async def _version(ctx: Ctx, workflow_id: str) -> str:
    steps = select(func.max(engine.WorkflowStep.updated_at)).where(engine.WorkflowStep.install_workflow_id == workflow_id)
    statement = select(
        cast(func.greatest(engine.Workflow.updated_at, steps.scalar_subquery()), String),
        engine.Workflow.state,
    ).where(engine.Workflow.id == workflow_id, engine.Workflow.org_id == ctx.org_id, engine.Workflow.visible)
    found = (await ctx.db.execute(statement)).first()
    if found is None:
        raise errors.NotFound(f"no workflow {workflow_id} in this org")
    return f"{found[0]} {found[1]}".replace(" ", "_")


async def _read(ctx: Ctx, workflow_id: str) -> Workflow:
    statement = select(*_TREE.columns).where(engine.Workflow.id == workflow_id, engine.Workflow.org_id == ctx.org_id)
    found: list[Workflow] = await _TREE.grow(ctx, (await ctx.db.execute(statement)).all())
    return found[0]


@route.get("/v1/builds/{build_id}/watch", transaction=False)
async def watch_build(runtime: Runtime, actor: Actor, build_id: str) -> ComponentBuild:
    """Answer a build as soon as it has ended, active or in error. Waits at most 25 seconds, then answers what is there."""
    end = asyncio.get_running_loop().time() + _LONGEST
    async with runtime.bus.subscribe(f"build:{build_id}") as hints:
        while True:
            async with runtime.request(actor) as ctx:
                build = await builds.get(ctx, build_id)
                left = end - asyncio.get_running_loop().time()
                if build.status in ("active", "error") or left <= 0:
                    return await build_pages.build(ctx, build)
            await hints.wait(min(left, _NET))


@route.get("/v1/log-streams")
async def list_log_streams(ctx: Ctx, of: str) -> list[LogStreamShape]:
    """The log streams of one thing (sandbox run, deploy, action run, build, or a stream itself), or of an install's newest workflow."""
    mine = (LogStream.org_id == ctx.org_id, LogStream.deleted_at == 0)
    statement = select(LogStream).where(*mine, (LogStream.owner_id == of) | (LogStream.id == of)).order_by(LogStream.created_at)
    found = list((await ctx.db.execute(statement)).scalars())
    if not found:
        found = await _of_install(ctx, of, mine)
    return [
        LogStreamShape(id=s.id, owner_id=s.owner_id, owner_type=s.owner_type, open=s.open, org_id=s.org_id, created_at=s.created_at)
        for s in found
    ]


async def _of_install(ctx: Ctx, install: str, mine: Any) -> list[LogStream]:
    named = Install.id == install if is_id(install) else Install.name == install
    install_id = select(Install.id).where(named, Install.org_id == ctx.org_id, Install.deleted_at == 0).limit(1).scalar_subquery()
    newest = (
        select(engine.Workflow.id)
        .where(engine.Workflow.owner_id == install_id, engine.Workflow.visible)
        .order_by(engine.Workflow.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    owners = union_all(
        select(InstallSandboxRun.id).where(InstallSandboxRun.install_workflow_id == newest),
        select(InstallDeploy.id).where(InstallDeploy.install_workflow_id == newest),
        select(InstallActionWorkflowRun.id).where(InstallActionWorkflowRun.install_workflow_id == newest),
    )
    statement = select(LogStream).where(*mine, LogStream.owner_id.in_(owners)).order_by(LogStream.created_at)
    return list((await ctx.db.execute(statement)).scalars())
