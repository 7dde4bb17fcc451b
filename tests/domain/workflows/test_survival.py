"""Every handler of a whole life may be called twice, and may be cut off after its work: what it makes is made once."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from exclave.domain.actions.models import InstallActionWorkflowRun
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs.models import InstallComponent, InstallSandbox
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.logs.models import LogStream
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.engine.definition import Registry
from exclave.engine.loop import Loop, Patience
from exclave.server import wiring
from tests.domain.installs import made
from tests.domain.workflows import stage as stages

QUICK = Patience(limit=4, first=timedelta(milliseconds=5), most=timedelta(milliseconds=10))


class CutOff(Exception):
    """The process died after the handler's work, before its commit."""


class Twice:
    """Calls a handler twice and gives the second answer; on the first call for a step it may die afterwards."""

    def __init__(self, inner, *, dies: bool) -> None:
        self._inner, self._dies, self._died = inner, dies, set()
        self.target = inner.target

    async def run(self, ctx, step):
        return await self._call("run", ctx, step)

    async def then(self, ctx, step):
        return await self._call("then", ctx, step)

    async def settled(self, ctx, step, how):
        await self._call("settled", ctx, step, how)

    async def _call(self, verb, ctx, step, *more):
        handler, key = getattr(self._inner, verb), (step.id, verb)
        await handler(ctx, step, *more)
        answer = await handler(ctx, step, *more)
        if self._dies and key not in self._died:
            self._died.add(key)
            raise CutOff
        return answer


@pytest.mark.parametrize("dies", [False, True], ids=["called twice", "cut off after each call"])
async def test_a_whole_life_makes_everything_once(runtime, org, dies):
    async with runtime.request(org.actor) as ctx:
        await made.runner_role(ctx)
        app = await made.app(ctx, components=())
        db = await stages.component(ctx, app, "db")
        await stages.component(ctx, app, "web", needs=[db])
        await made.action(ctx, app, "check", triggers=[("post-provision", 0)])
    stage = await stages.provisioning(runtime, org.actor, app, option="approve-all")
    registry = Registry()
    known = wiring.registry()
    registry.definitions = known.definitions
    registry.handlers = {kind: Twice(handler, dies=dies) for kind, handler in known.handlers.items()}
    stage.loop = Loop(runtime, registry, patience=QUICK)
    await stage.beat()
    done = await stage.work()
    assert await stage.status() == "success", await stage.statuses()
    await stage.start("deprovision")
    done += await stage.work()
    assert await stage.status() == "success", await stage.statuses()
    assert Counter(done) == Counter(
        ["create-apply-plan sandbox-terraform", "create-teardown-plan sandbox-terraform", "exec check"]
        + ["apply-plan sandbox-terraform"] * 2
        + [f"{operation} {name}" for operation in ("create-apply-plan", "create-teardown-plan") for name in ("db", "web")]
        + ["apply-plan db", "apply-plan web"] * 2
    )
    async with runtime.request(org.actor) as ctx:
        counts = {}
        for kind in (InstallSandboxRun, InstallDeploy, InstallActionWorkflowRun, RunnerJob, LogStream):
            counts[kind.__tablename__] = len((await ctx.db.execute(select(kind.id).where(kind.org_id == org.id))).all())
    assert counts == {
        "install_sandbox_runs": 2,
        "install_deploys": 4,
        "install_action_workflow_runs": 1,
        "runner_jobs": 13,
        "log_streams": 7,
    }
    assert (await stage.row(InstallSandbox)).status == "deprovisioned"
    assert (await stage.row(InstallComponent)).status == "inactive"
