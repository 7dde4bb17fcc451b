"""A provisioned runner with a token, and jobs for it."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests import factories

from exclave.domain.jobs import claims
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.logs import service as logs
from exclave.domain.logs.models import LogStream
from exclave.domain.orgs.models import Policy, Role
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner
from exclave.domain.workspaces import service as workspaces
from exclave.domain.workspaces.models import TerraformWorkspace
from exclave.kit.context import Actor, Runtime
from exclave.kit.ids import new_id
from exclave.wire.plans.terraform import SandboxRunPlan, TerraformBackend
from exclave.wire.runner.jobs import Claim


@dataclass(frozen=True)
class Fleet:
    """An org, one runner of it, and how that runner asks."""

    runtime: Runtime
    org: factories.OrgWithToken
    runner: Runner
    token: str

    @property
    def actor(self) -> Actor:
        """What the runner's own token makes of it."""
        return Actor(
            account_id=self.runner.account_id,
            org_id=self.org.id,
            org_ids=(self.org.id,),
            permissions={self.org.id: "all"},
            kind="service",
            runner_id=self.runner.id,
        )

    async def workspace(self) -> TerraformWorkspace:
        async with self.runtime.request(self.org.actor) as ctx:
            return await workspaces.ensure_of(ctx, self.org.id, "install_sandboxes", new_id("ins"))

    async def stream(self) -> LogStream:
        async with self.runtime.request(self.org.actor) as ctx:
            return await logs.open_stream(ctx, Runner(org_id=self.org.id))

    async def job(self, *, plan: Any = None, type: str = "noop-deploy", operation: str = "apply-plan", **more: Any) -> RunnerJob:
        stream = more.pop("log_stream_id", None) or (await self.stream()).id
        async with self.runtime.request(self.org.actor) as ctx:
            return await jobs.submit(
                ctx,
                runner=self.runner,
                owner=more.pop("owner", self.runner),
                type=type,
                operation=operation,
                plan=plan,
                log_stream_id=stream,
                key=more.pop("key", secrets.token_hex(8)),
                **more,
            )

    async def terraform_job(self, workspace: TerraformWorkspace, **more: Any) -> RunnerJob:
        return await self.job(plan=sandbox_plan(workspace.id), type="sandbox-terraform", operation="create-apply-plan", **more)

    async def claim(self, *groups: str) -> Claim:
        async with self.runtime.request(self.actor) as ctx:
            claim = await claims.claim(ctx, self.runner.id, groups or ("deploy", "sandbox", "build"))
        assert claim is not None
        return claim

    async def reload(self, job_id: str) -> RunnerJob:
        async with self.runtime.request(self.org.actor) as ctx:
            return await jobs.get(ctx, job_id)


def sandbox_plan(workspace_id: str, **more: Any) -> SandboxRunPlan:
    return SandboxRunPlan(
        install_id=new_id("inl"),
        app_id=new_id("app"),
        app_config_id=new_id("apc"),
        terraform_backend=TerraformBackend(workspace_id=workspace_id),
        **more,
    )


async def fleet(runtime: Runtime, org: factories.OrgWithToken | None = None, *, ttl: timedelta = timedelta(hours=1)) -> Fleet:
    org = org or await factories.org(runtime)
    async with runtime.sweep(org.actor) as ctx:
        if (await runners.group_of(ctx, org.id)) is None:
            role = Role(org_id=org.id, role_type="runner")
            ctx.db.add(role)
            await ctx.db.flush()
            ctx.db.add(Policy(org_id=org.id, role_id=role.id, name="runner", permissions={org.id: "all"}))
            await ctx.db.flush()
            await runners.group_for_org(ctx, org.id)
        install_id = new_id("inl")
        await runners.create_group(ctx, org_id=org.id, owner_id=install_id, owner_type="installs", type="install", platform="local")
        runner = await runners.of_install(ctx, install_id)
        await runners.provision(ctx, runner)
        token = await runners.mint_token(ctx, runner, ttl)
    return Fleet(runtime, org, runner, token)
