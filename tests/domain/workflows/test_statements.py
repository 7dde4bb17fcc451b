"""What the steps of a workflow ask of the database: an event waits for each statement, one after the other (decision 10)."""

from exclave.engine.definition import Registry
from exclave.engine.loop import Loop
from exclave.server import wiring
from tests import statements
from tests.domain.installs import made
from tests.domain.workflows import stage as stages
from tests.domain.workflows.stage import applied


class Counted:
    """Calls a handler and notes how many statements it sent for the steps of one org: other tests leave theirs in the same database."""

    def __init__(self, kind, inner, org_id, counts) -> None:
        self._kind, self._inner, self._org_id, self._counts = kind, inner, org_id, counts
        self.target = inner.target

    async def run(self, ctx, step):
        return await self._call("run", ctx, step)

    async def then(self, ctx, step):
        return await self._call("then", ctx, step)

    async def settled(self, ctx, step, how):
        await self._inner.settled(ctx, step, how)

    async def _call(self, verb, ctx, step):
        with statements.sent() as sent:
            answer = await getattr(self._inner, verb)(ctx, step)
        if step.org_id == self._org_id:
            known = self._counts.get((self._kind, verb), 0)
            self._counts[self._kind, verb] = max(known, len(sent))
        return answer


async def test_a_step_reads_at_once_what_it_works_on(runtime, org):
    async with runtime.request(org.actor) as ctx:
        await made.runner_role(ctx)
        app = await made.app(ctx, components=())
        db = await stages.component(ctx, app, "db")
        await stages.component(ctx, app, "web", needs=[db], variables={"url": "{{ .nuon.components.db.outputs.url }}"})
    stage = await stages.provisioning(runtime, org.actor, app, option="approve-all")
    stage.answers["terraform-deploy", "apply-plan", "db"] = applied({"url": "x"})
    counts: dict[tuple[str, str], int] = {}
    registry, known = Registry(), wiring.registry()
    registry.definitions = known.definitions
    registry.handlers = {kind: Counted(kind, handler, org.id, counts) for kind, handler in known.handlers.items()}
    stage.loop = Loop(runtime, registry)
    await stage.beat()
    await stage.work()
    assert await stage.status() == "success", await stage.statuses()
    counts.clear()  # the first time makes workspaces
    await stage.start("reprovision")
    await stage.work()
    assert await stage.status() == "success", await stage.statuses()
    assert counts == {
        ("state.generate", "run"): 4,  # surroundings, declared inputs, and the turn and the version of the document
        ("runner.reprovision", "run"): 1,
        ("stack.generate", "run"): 1,
        ("stack.await", "run"): 1,
        ("stack.outputs", "run"): 1,
        ("runner.await_healthy", "run"): 1,
        ("sandbox.plan", "run"): 2,  # all of the place, and the document
        ("sandbox.plan", "then"): 1,
        ("sandbox.apply", "run"): 3,  # what the end of the plan left to write, the run, and its plan with the approval
        ("sandbox.apply", "then"): 3,  # the run, the turn, the version
        ("secrets.sync", "run"): 1,
        ("sandbox.dns", "run"): 1,
        ("deploy.plan", "run"): 4,  # what the step before left to write, the place, the build, the document
        ("deploy.plan", "then"): 1,
        ("deploy.apply", "run"): 3,
        ("deploy.apply", "then"): 3,
    }
