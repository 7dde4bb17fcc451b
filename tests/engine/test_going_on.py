"""What follows a step starts in the transaction that writes its end (decision 0012)."""

from sqlalchemy import text

from exclave.engine.definition import Done, Group, Outcome
from exclave.engine.models import WorkflowStep
from exclave.kit.context import Ctx
from tests.engine.world import Stage, apply, do, plan, wait


async def transactions(stage: Stage, workflow_id: str) -> dict[str, str]:
    """The transaction that wrote each step's row last, as the database says."""
    async with stage.runtime.sweep() as ctx:
        wanted = text("select name, xmin::text from install_workflow_steps where install_workflow_id = :id")
        return dict((await ctx.db.execute(wanted, {"id": workflow_id})).all())  # type: ignore[arg-type]


async def test_a_workflow_starts_with_all_that_may_run(stage: Stage) -> None:
    workflow = await stage.run([Group((do("one"), do("two"), wait("three")))])
    assert await stage.statuses(workflow) == {"one": "success", "two": "success", "three": "in-progress"}
    async with stage.runtime.sweep() as ctx:
        began = await ctx.db.execute(text("select xmin::text from install_workflows where id = :id"), {"id": workflow})
        assert set((await transactions(stage, workflow)).values()) == {began.scalar_one()}


async def test_a_step_starts_with_the_end_of_what_it_waits_for(stage: Stage) -> None:
    workflow = await stage.run([Group((wait("one"), do("two"), wait("three"))), Group((wait("four"),))])
    await stage.finish("on-one")
    wrote = await transactions(stage, workflow)
    assert wrote["one"] == wrote["two"] == wrote["three"]
    assert await stage.statuses(workflow) == {"one": "success", "two": "success", "three": "in-progress", "four": "pending"}
    await stage.finish("on-three")
    wrote = await transactions(stage, workflow)
    assert wrote["three"] == wrote["four"] != wrote["one"]


async def test_an_approved_plan_is_applied_with_its_approval(stage: Stage) -> None:
    workflow = await stage.run([Group((plan("plan"), apply("apply")))], approval_option="approve-all")
    assert await stage.status(workflow) == "success"
    wrote = await transactions(stage, workflow)
    assert wrote["plan"] == wrote["apply"]
    assert stage.world.told == [("plan", "approved")]


async def test_a_follower_that_raises_takes_nothing_back(stage: Stage) -> None:
    async def effect(ctx: Ctx, step: WorkflowStep) -> Outcome:
        await ctx.db.execute(text('update install_workflow_steps set metadata = \'{"done": "1"}\' where id = :id'), {"id": step.id})
        return Done("it was done")

    def bad(ctx: Ctx, step: WorkflowStep) -> Outcome:
        raise ValueError("never")

    stage.world.script |= {"good": effect, "bad": bad}
    workflow = await stage.start([Group((do("good"), do("bad"), do("never")))])
    while await stage.status(workflow) != "error":
        await stage.drain()
    assert await stage.statuses(workflow) == {"good": "success", "bad": "error", "never": "not-attempted"}
    good = await stage.step(workflow, "good")
    assert good.step_metadata == {"done": "1"}
    assert good.status["status_human_description"] == "it was done"
    assert "ValueError: never" in (await stage.step(workflow, "bad")).error
    assert stage.world.ran.count("bad") >= 3  # the patience of the stage
    assert "never" not in stage.world.ran


async def test_a_follower_finds_the_target_of_what_began_just_before_it(stage: Stage) -> None:
    found: list[tuple[str, str]] = []

    def first(ctx: Ctx, step: WorkflowStep) -> Outcome:
        step.step_target_id, step.step_target_type = "target" + "0" * 20, "things"
        return Done()

    async def second(ctx: Ctx, step: WorkflowStep) -> Outcome:
        wanted = text("select step_target_id, step_target_type from install_workflow_steps where id = any(cast(:ids as text[]))")
        found.extend((await ctx.db.execute(wanted, {"ids": step.after})).all())  # type: ignore[arg-type]
        return Done()

    stage.world.script |= {"first": first, "second": second}
    workflow = await stage.run([Group((do("first"), do("second")))])
    assert await stage.status(workflow) == "success"
    assert [tuple(row) for row in found] == [("target" + "0" * 20, "things")]
    wrote = await transactions(stage, workflow)
    assert wrote["first"] == wrote["second"]


async def test_a_follower_beyond_what_is_read_at_once_finds_the_target_too(stage: Stage) -> None:
    found: list[str] = []

    def aims(ctx: Ctx, step: WorkflowStep) -> Outcome:
        step.step_target_id, step.step_target_type = f"target-{step.name}", "things"
        return Done()

    async def looks(ctx: Ctx, step: WorkflowStep) -> Outcome:
        wanted = text("select step_target_id from install_workflow_steps where id = any(cast(:ids as text[]))")
        found.extend((await ctx.db.execute(wanted, {"ids": step.after})).scalars())
        return Done()

    names = [f"step {number}" for number in range(12)]
    stage.world.script |= dict.fromkeys(names, aims) | {"last": looks, "step 5": looks, "step 6": looks}
    workflow = await stage.run([Group((*map(do, names), do("last")))])
    assert await stage.status(workflow) == "success"
    assert found == ["target-step 4", "", "target-step 11"]


async def test_what_waits_far_down_the_list_starts_with_the_end_too(stage: Stage) -> None:
    """It stands behind more pending steps than are read at once, and is found by the statement that writes the end."""
    chain = Group((wait("slow"), *(do(f"chain {number}") for number in range(30))), key="chain", after=())
    workflow = await stage.run([Group((wait("first"),), key="first", after=()), chain, Group((wait("late"),), after=("first",))])
    assert (await stage.statuses(workflow))["late"] == "pending"
    await stage.finish("on-first")
    assert (await stage.statuses(workflow))["late"] == "in-progress"
