"""An app, an install of it and its runner, played in this process: jobs are claimed and delivered by the verbs of the runner API."""

import asyncio
import base64
import gzip
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from exclave.domain.apps.models import App, AppConfig
from exclave.domain.artifacts import service as artifacts
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components.models import (
    Component,
    ComponentConfigConnection,
    ExternalImageComponentConfig,
    TerraformModuleComponentConfig,
)
from exclave.domain.installs import service as installs
from exclave.domain.installs.models import Install
from exclave.domain.installs.service import Account
from exclave.domain.jobs import claims, executions
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner
from exclave.domain.workflows import registration
from exclave.engine import service as engine
from exclave.engine.loop import Loop
from exclave.engine.models import Wakeup, Workflow, WorkflowStep, WorkflowStepApproval
from exclave.kit.context import Actor, Ctx, Runtime
from exclave.server import wiring
from exclave.wire.runner.jobs import Claim

GROUPS = ("sandbox", "deploy", "sync", "actions", "operations")
CREATES = {"format_version": "1.2", "resource_changes": [{"address": "null_resource.a", "change": {"actions": ["create"]}}]}
EMPTY = {"format_version": "1.2", "resource_changes": [{"address": "null_resource.a", "change": {"actions": ["no-op"]}}]}
DESTROYS = {"format_version": "1.2", "resource_changes": [{"address": "null_resource.a", "change": {"actions": ["delete"]}}]}


@dataclass
class Answer:
    """What the runner delivers for a job."""

    ends: str = "finished"
    display: Any = None
    contents: bytes = b""
    outputs: Mapping[str, Any] | None = None
    sensitive: Sequence[str] = ()
    error: Mapping[str, str] = field(default_factory=dict)


def planned(display: Any = CREATES) -> Answer:
    return Answer(display=display, contents=secrets.token_bytes(16))


def applied(outputs: Mapping[str, Any] | None = None, sensitive: Sequence[str] = ()) -> Answer:
    return Answer(outputs=outputs or {}, sensitive=sensitive)


def failed(message: str, **error: str) -> Answer:
    return Answer(ends="failed", error={"message": message, **error})


@dataclass
class Stage:
    """One install. `answers` says by (type, operation, name of the component) what the runner delivers; else a plan that creates,
    or an apply without outputs."""

    runtime: Runtime
    actor: Actor
    app: App
    install: Install
    workflow: Workflow
    loop: Loop
    answers: dict[tuple[str, str, str], Answer | Callable[[Claim], Answer]] = field(default_factory=dict)
    claimed: list[Claim] = field(default_factory=list)

    async def runner(self) -> Runner:
        async with self.runtime.request(self.actor) as ctx:
            return await runners.of_install(ctx, self.install.id)

    async def as_runner(self) -> Actor:
        runner = await self.runner()
        org = self.actor.org_id
        return Actor(
            account_id=runner.account_id, org_id=org, org_ids=(org,), permissions={org: "all"}, kind="service", runner_id=runner.id
        )

    async def drain(self) -> None:
        """Advance until nothing of this org is due. What other tests left in the same database may stay so."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            worked = await self.loop.once()
            if await self._is_quiet():
                return
            if not worked:
                await asyncio.sleep(0.005)
        raise AssertionError("the workflows of this org do not come to rest")

    async def _is_quiet(self) -> bool:
        mine = select(Workflow.id).where(Workflow.org_id == self.actor.org_id)
        soon = func.clock_timestamp() + timedelta(seconds=0.1)
        async with self.runtime.sweep() as ctx:
            return (await ctx.db.execute(select(Wakeup.id).where(Wakeup.workflow_id.in_(mine), Wakeup.due <= soon))).first() is None

    async def beat(self) -> None:
        """The runner's first sign of life."""
        await self.drain()
        actor = await self.as_runner()
        async with self.runtime.request(actor) as ctx:
            await runners.beat(ctx, actor.runner_id, "install", "1.0.0", 1)
        await self.drain()

    async def work(self) -> list[str]:
        """Do every job that waits, and those that follow; return what was done."""
        await self.drain()
        done = []
        while (claim := await self._claim()) is not None:
            done.append(await self._deliver(claim))
            await self.drain()
        return done

    async def _claim(self) -> Claim | None:
        actor = await self.as_runner()
        async with self.runtime.request(actor) as ctx:
            return await claims.claim(ctx, actor.runner_id, GROUPS)

    async def _deliver(self, claim: Claim) -> str:
        self.claimed.append(claim)
        name = str((claim.job.metadata or {}).get("component_name") or (claim.job.metadata or {}).get("action_workflow_name") or "")
        answer = self.answers.get((claim.job.type, claim.job.operation, name))
        if callable(answer):
            answer = answer(claim)
        if answer is None:
            usual = {"create-apply-plan": planned(), "create-teardown-plan": planned(DESTROYS)}
            answer = usual.get(claim.job.operation, applied())
        async with self.runtime.request(await self.as_runner()) as ctx:
            await deliver(ctx, claim, answer)
        return f"{claim.job.operation} {name or claim.job.type}"

    async def approve(self, name: str, response: str = "approve") -> None:
        step = await self.step(name)
        async with self.runtime.request(self.actor) as ctx:
            wanted = select(WorkflowStepApproval).where(WorkflowStepApproval.install_workflow_step_id == step.id)
            approval = (await ctx.db.execute(wanted.order_by(WorkflowStepApproval.created_at.desc()))).scalars().first()
            assert approval is not None, f"step {name!r} asks nothing: {step.status}"
            await engine.respond(ctx, step, approval, response)
        await self.drain()

    async def start(self, kind: str, **more: Any) -> None:
        async with self.runtime.request(self.actor) as ctx:
            install = await installs.get(ctx, self.install.id)
            self.workflow = await installs.start(ctx, install, kind, **more)
        await self.drain()

    async def steps(self) -> list[WorkflowStep]:
        async with self.runtime.request(self.actor) as ctx:
            order = (WorkflowStep.group_idx, WorkflowStep.group_retry_idx, WorkflowStep.idx, WorkflowStep.created_at)
            wanted = select(WorkflowStep).where(WorkflowStep.install_workflow_id == self.workflow.id).order_by(*order)
            return list((await ctx.db.execute(wanted)).scalars())

    async def step(self, name: str) -> WorkflowStep:
        return next(step for step in reversed(await self.steps()) if step.name == name)

    async def statuses(self) -> dict[str, str]:
        return {step.name: step.status["status"] for step in await self.steps()}

    async def status(self) -> str:
        async with self.runtime.request(self.actor) as ctx:
            found = await ctx.db.get(Workflow, self.workflow.id)
            assert found is not None
            return str(found.status["status"])

    async def row(self, kind: type[Any], **where: Any) -> Any:
        """The newest row of a kind in this install."""
        async with self.runtime.request(self.actor) as ctx:
            wanted = select(kind).where(kind.install_id == self.install.id).order_by(kind.created_at.desc())
            for name, value in where.items():
                wanted = wanted.where(getattr(kind, name) == value)
            return (await ctx.db.execute(wanted)).scalars().first()


async def deliver(ctx: Ctx, claim: Claim, answer: Answer) -> None:
    """Tell the control plane how a job went, as the runner does."""
    job_id, execution_id = claim.job.id, claim.execution.id
    await executions.move(ctx, job_id, execution_id, "in-progress")
    body: dict[str, Any] = {"success": answer.ends == "finished", "error_code": 0 if answer.ends == "finished" else 1}
    if answer.error:
        body["error_metadata"] = dict(answer.error)
    if answer.contents:
        body["contents_compressed"] = base64.urlsafe_b64encode(answer.contents).decode()
    if answer.display is not None:
        body["contents_display_compressed"] = base64.urlsafe_b64encode(gzip.compress(json.dumps(answer.display).encode())).decode()
    await executions.give_result(ctx, job_id, execution_id, json.dumps(body).encode())
    if answer.outputs is not None:
        outputs = {"outputs": dict(answer.outputs), "sensitive": list(answer.sensitive)}
        await executions.give_outputs(ctx, job_id, execution_id, json.dumps(outputs).encode())
    await executions.move(ctx, job_id, execution_id, answer.ends)


async def component(
    ctx: Ctx,
    app: App,
    name: str,
    *,
    needs: Sequence[Component] = (),
    variables: Mapping[str, str] | None = None,
    references: Sequence[str] = (),
    built: bool = True,
    type: str = "terraform_module",
) -> Component:
    """A component of the app's config, with a config of its own and an active build."""
    owned = {"org_id": ctx.org_id, "created_by_id": ctx.actor.account_id}
    row = Component(**owned, app_id=app.id, name=name, type=type)
    ctx.db.add(row)
    await ctx.db.flush()
    connection = ComponentConfigConnection(
        **owned,
        component_id=row.id,
        app_config_id=app.config_id,  # type: ignore[attr-defined]
        version=1,
        type=type,
        component_dependency_ids=[need.id for need in needs],
        references=list(references),
    )
    ctx.db.add(connection)
    await ctx.db.flush()
    below = {**owned, "component_config_connection_id": connection.id}
    if type == "terraform_module":
        ctx.db.add(TerraformModuleComponentConfig(**below, version="1.11.4", variables=dict(variables or {})))
    else:
        ctx.db.add(ExternalImageComponentConfig(**below, image_url="nginx", tag="1"))
    config = await ctx.db.get(AppConfig, app.config_id)  # type: ignore[attr-defined]
    assert config is not None
    config.component_ids = [*config.component_ids, row.id]
    await ctx.db.flush()
    await build(ctx, row, connection, status="active" if built else "queued")
    return row


async def build(ctx: Ctx, row: Component, connection: ComponentConfigConnection, *, status: str = "active") -> ComponentBuild:
    made_ = ComponentBuild(
        org_id=ctx.org_id,
        created_by_id=ctx.actor.account_id,
        component_id=row.id,
        component_config_connection_id=connection.id,
        status=status,
    )
    ctx.db.add(made_)
    await ctx.db.flush()
    if status == "active":
        await artifact(ctx, made_)
    return made_


async def artifact(ctx: Ctx, of: ComponentBuild) -> None:
    """What the build packed."""
    kind, digest = "application/vnd.oci.image.manifest.v1+json", "sha256:" + secrets.token_hex(32)
    await artifacts.put_artifact(ctx, of, tag=of.id, repository="r", media_type=kind, digest=digest, size=7)


def loop_of(runtime: Runtime) -> Loop:
    registry = wiring.registry()
    registration.register(registry)
    return Loop(runtime, registry)


async def provisioning(runtime: Runtime, actor: Actor, app: App, *, option: str = "") -> Stage:
    """Create an install of the app: its provision workflow is queued."""
    async with runtime.request(actor) as ctx:
        created = await installs.create(
            ctx, app, name="acme", inputs={"region": "eu", "password": "canary-input"}, account=Account(), approval_option=option
        )
    return Stage(runtime, actor, app, created.install, created.workflow, loop_of(runtime))
