"""Workflows from their start to their end, on a real database."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from exclave.engine import service
from exclave.engine.calls import answer_of
from exclave.engine.definition import Call, Done, Fail, Group, Outcome, Replan, Skip, StepSpec, Wait
from exclave.engine.models import WorkflowStep, WorkflowStepApprovalResponse
from exclave.kit.context import Ctx
from exclave.kit.errors import Invalid
from exclave.kit.session import on_driver
from exclave.kit.time import now
from tests.engine.world import Stage, apply, do, plan, wait


async def test_steps_of_a_group_follow_one_another_and_groups_are_barriers(stage: Stage) -> None:
    workflow = await stage.run([Group((do("one"), do("two"))), Group(), Group((do("three"),))])
    assert stage.world.ran == ["one", "two", "three"]
    assert await stage.status(workflow) == "success"
    steps = await stage.steps(workflow)
    assert [(step.idx, step.group_idx) for step in steps] == [(0, 1), (1, 1), (2, 3)]
    assert all(step.started_at and step.finished_at for step in steps)
    history = [old["status"] for old in steps[0].status["history"]]
    assert history == ["pending", "in-progress"]
    assert [old["status"] for old in (await stage.workflow(workflow)).status["history"]] == ["pending", "in-progress"]


async def test_groups_that_do_not_name_one_another_run_side_by_side(stage: Stage) -> None:
    groups = [
        Group((do("start"),), key="start"),
        Group((wait("db"),), key="db", after=("start",)),
        Group((wait("cache"),), key="cache", after=("start",)),
        Group((do("api"),), key="api", after=("db",)),
        Group((do("end"),)),
    ]
    workflow = await stage.run(groups)
    assert await stage.statuses(workflow) == {
        "start": "success",
        "db": "in-progress",
        "cache": "in-progress",
        "api": "pending",
        "end": "pending",
    }
    await stage.finish("on-db")
    assert (await stage.statuses(workflow))["api"] == "success"
    assert (await stage.statuses(workflow))["end"] == "pending"
    await stage.finish("on-cache")
    assert await stage.status(workflow) == "success"


async def test_an_empty_group_passes_on_what_it_waits_for(stage: Stage) -> None:
    groups = [Group((wait("a"),), key="a"), Group((), key="empty", after=("a",)), Group((do("b"),), after=("empty",))]
    workflow = await stage.run(groups)
    assert (await stage.statuses(workflow))["b"] == "pending"
    await stage.finish("on-a")
    assert await stage.status(workflow) == "success"


async def test_at_most_ten_steps_of_a_workflow_are_under_way(stage: Stage) -> None:
    workflow = await stage.run([Group((wait(f"s{number}", on="all"),), after=()) for number in range(12)])
    assert sorted((await stage.statuses(workflow)).values()) == ["in-progress"] * 10 + ["pending"] * 2
    await stage.finish("all")
    assert await stage.status(workflow) == "success"


async def test_a_skipped_step_succeeds_without_its_handler(stage: Stage) -> None:
    workflow = await stage.run([Group((StepSpec("no.such", "image", execution_type="skipped", metadata={"reason": "an image"}),))])
    assert await stage.statuses(workflow) == {"image": "success"}
    assert await stage.status(workflow) == "success"


async def test_a_failed_step_ends_the_workflow_when_its_siblings_are_done(stage: Stage) -> None:
    stage.world.script["bad"] = lambda ctx, step: Fail("terraform said no", {"exit": "1"}) if "bad" in stage.world.finished else Wait("bad")
    groups = [
        Group((do("bad"),), after=()),
        Group((wait("slow"), do("after slow")), after=()),
        Group((plan("asks"), apply("applies")), after=()),
        Group((do("end"),)),
    ]
    workflow = await stage.run(groups)
    await stage.finish("bad")
    assert await stage.statuses(workflow) == {
        "bad": "error",
        "slow": "in-progress",
        "after slow": "not-attempted",
        "asks": "not-attempted",
        "applies": "not-attempted",
        "end": "not-attempted",
    }
    assert stage.world.told == [("asks", "discarded")]
    assert await stage.status(workflow) == "in-progress"
    bad = await stage.step(workflow, "bad")
    assert bad.status["metadata"] == {"exit": "1", "reason": "terraform said no"}
    await stage.finish("on-slow")
    found = await stage.workflow(workflow)
    assert found.status["status"] == "error"
    assert found.status["metadata"]["error_message"] == "bad: terraform said no"
    assert "end" not in stage.world.ran


async def test_a_definition_that_refuses_ends_the_workflow_with_its_words(stage: Stage) -> None:
    async def refuses(ctx, workflow):  # type: ignore[no-untyped-def]
        raise Invalid("component db is not in the app config")

    stage.registry.define("refuses", refuses)
    async with stage.runtime.request(stage.actor) as ctx:
        workflow = await service.start(ctx, "refuses", owner_id="x", owner_type="installs")
    await stage.drain()
    found = await stage.workflow(workflow.id)
    assert found.status["status"] == "error"
    assert found.status["metadata"]["error_message"] == "component db is not in the app config"


async def test_a_wait_is_looked_at_again_when_its_time_has_come(stage: Stage) -> None:
    until = now() + timedelta(milliseconds=1300)
    stage.world.script["timer"] = lambda ctx, step: Done() if now() >= until else Wait("nothing", until)
    workflow = await stage.start([Group((do("timer"),))])
    running = asyncio.create_task(stage.loop.run())
    try:
        for _ in range(100):
            if await stage.status(workflow) == "success":
                break
            await asyncio.sleep(0.05)
    finally:
        await stage.loop.stop()
        await running
    assert stage.world.looked == ["timer"]
    assert timedelta(0) <= now() - until < timedelta(seconds=2)


async def test_who_begins_to_wait_while_the_event_commits_is_found_by_the_second_look(stage: Stage) -> None:
    """The event looks for who waits before the step's Wait is committed, and commits after the step looked."""
    workflow = await stage.start([Group((wait("late"),))])
    async with stage.runtime.request(stage.actor) as ctx:
        await service.wake_waiting(ctx, "on-late")
        await ctx.db.execute(text("select 1"))  # with which it goes over: nobody is seen to wait yet
        await stage.drain()  # the step looks: not finished yet
        stage.world.finished.add("on-late")
    await stage.drain()
    assert await stage.status(workflow) == "in-progress"
    async with stage.runtime.sweep() as ctx:
        await ctx.db.execute(text("update wakeup set due = clock_timestamp() where waited_for = 'on-late'"))
    await stage.loop._sweep.second_look()
    await stage.drain()
    assert await stage.status(workflow) == "success"


async def test_a_forgotten_wake_up_is_healed_by_the_walk(stage: Stage) -> None:
    workflow = await stage.run([Group((wait("forgotten"),))])
    stage.world.finished.add("on-forgotten")
    while await stage.loop._sweep.walk(size=1000) == 1000:
        pass
    await stage.drain()
    assert await stage.status(workflow) == "success"


async def test_a_handler_that_raises_stops_nobody_else_and_fails_in_the_end(stage: Stage) -> None:
    def raises(ctx, step):  # type: ignore[no-untyped-def]
        raise ZeroDivisionError("the handler is broken")

    stage.world.script["broken"] = raises
    others = [await stage.start([Group((do(f"o{number}a"), do(f"o{number}b")))]) for number in range(5)]
    broken = await stage.start([Group((do("broken"),), after=()), Group((do("beside"),), after=())])
    await stage.drain()
    assert [await stage.status(other) for other in others] == ["success"] * 5
    for _ in range(400):  # a busy machine may take its time
        await stage.drain()
        if await stage.status(broken) == "error":
            break
        await asyncio.sleep(0.05)
    assert stage.world.ran.count("broken") >= 3
    step = await stage.step(broken, "broken")
    assert step.status["status"] == "error"
    assert step.error == "ZeroDivisionError: the handler is broken"
    assert (await stage.statuses(broken))["beside"] == "success"


async def test_a_row_that_the_database_refuses_is_put_down_to_its_step(stage: Stage) -> None:
    async def refused(ctx, step):  # type: ignore[no-untyped-def]
        ctx.db.add(WorkflowStepApprovalResponse(org_id=step.org_id, install_workflow_step_approval_id="waa" + "x" * 23, type="approve"))
        return Done()

    stage.world.script["refused"] = refused
    workflow = await stage.start([Group((do("refused"),))])
    for _ in range(20):
        await stage.drain()
        if await stage.status(workflow) == "error":
            break
        await asyncio.sleep(0.05)
    assert "foreign key" in (await stage.step(workflow, "refused")).error


async def test_a_step_that_raised_once_goes_on(stage: Stage) -> None:
    calls = 0

    def flaky(ctx, step):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls <= 2:  # in the batch and alone
            raise OSError("a moment of weakness")
        return Done()

    stage.world.script["flaky"] = flaky
    workflow = await stage.start([Group((do("flaky"),))])
    for _ in range(20):
        await stage.drain()
        if await stage.status(workflow) == "success":
            break
        await asyncio.sleep(0.05)
    step = await stage.step(workflow, "flaky")
    assert (step.status["status"], step.raised, step.attempt) == ("success", 0, 1)


async def test_what_a_step_makes_carries_its_target_to_the_row(stage: Stage) -> None:
    def targets(ctx, step):  # type: ignore[no-untyped-def]
        step.step_target_id, step.step_target_type = "ind" + "a" * 23, "install_deploys"
        return Done()

    stage.world.script["deploys"] = targets
    workflow = await stage.run([Group((do("deploys"),))])
    step = await stage.step(workflow, "deploys")
    assert (step.step_target_id, step.step_target_type) == ("ind" + "a" * 23, "install_deploys")


async def test_one_workflow_runs_per_key_in_the_order_of_creation(stage: Stage) -> None:
    key = "install-" + stage.actor.org_id
    first = await stage.start([Group((wait("1"),))], serial_key=key)
    second = await stage.start([Group((wait("2"),))], serial_key=key)
    third = await stage.start([Group((wait("3"),))], serial_key=key)
    beside = await stage.start([Group((do("beside"),))])
    await stage.drain()
    assert [await stage.status(one) for one in (first, second, third, beside)] == ["in-progress", "pending", "pending", "success"]
    await stage.cancel(second)
    await stage.finish("on-1")
    assert [await stage.status(one) for one in (first, second, third)] == ["success", "cancelled", "in-progress"]
    await stage.finish("on-3")
    assert await stage.status(third) == "success"
    assert (await stage.steps(second)) == []


async def test_a_call_runs_outside_and_its_answer_comes_back(stage: Stage) -> None:
    seen = []

    async def fetch(runtime, called):  # type: ignore[no-untyped-def]
        seen.append(called)
        return {"sha": "abc"}

    async def calls(ctx, step):  # type: ignore[no-untyped-def]
        answer = await answer_of(ctx, step, "git.fetch")
        return Call("git.fetch", {"repo": "r"}) if answer is None else Done(answer.value["sha"])

    stage.calls.register("git.fetch", fetch)
    stage.world.script["fetch"] = calls
    workflow = await stage.run([Group((do("fetch"),))])
    step = await stage.step(workflow, "fetch")
    assert (step.status["status"], step.status["status_human_description"]) == ("success", "abc")
    assert len(seen) == 1
    assert seen[0].args == {"repo": "r"}
    assert seen[0].key == f"{step.id}:1:git.fetch"


async def test_a_call_that_the_reader_can_mend_is_not_tried_again(stage: Stage) -> None:
    async def refused(runtime, called):  # type: ignore[no-untyped-def]
        raise Invalid("the repository does not exist")

    async def calls(ctx, step):  # type: ignore[no-untyped-def]
        answer = await answer_of(ctx, step, "git.refused")
        return Call("git.refused") if answer is None else Fail(answer.error)

    stage.calls.register("git.refused", refused)
    stage.world.script["fetch"] = calls
    workflow = await stage.run([Group((do("fetch"),))])
    assert (await stage.step(workflow, "fetch")).error == "the repository does not exist"


async def test_an_unknown_handler_fails_its_step(stage: Stage) -> None:
    workflow = await stage.start([Group((StepSpec("never.registered", "lost"),))])
    for _ in range(20):
        await stage.drain()
        if await stage.status(workflow) == "error":
            break
        await asyncio.sleep(0.05)
    assert "never.registered" in (await stage.step(workflow, "lost")).error


@pytest.mark.parametrize("outcome", [Skip("no changes"), Replan("stale")])
async def test_a_step_of_two_that_is_not_a_pair_is_treated_alone(stage: Stage, outcome: object) -> None:
    answers = [outcome, Done(), Done()]
    stage.world.script["odd"] = lambda ctx, step: answers.pop(0)
    stage.world.script["odd (retry 1)"] = lambda ctx, step: answers.pop(0)
    workflow = await stage.run([Group((do("odd"),)), Group((do("next"),))])
    assert await stage.status(workflow) == "success"
    assert stage.world.ran.count("next") == 1


async def test_a_step_far_down_the_list_starts_beside_a_long_chain(stage: Stage) -> None:
    """More pending steps than are read at once stand before the group that waits for nothing."""
    chain = Group((wait("slow"), *(do(f"chain {number}") for number in range(30))), key="chain", after=())
    workflow = await stage.run([chain, *(Group((wait(f"far {number}", on="far"), do(f"then {number}")), after=()) for number in range(4))])
    assert [(await stage.statuses(workflow))[f"far {number}"] for number in range(4)] == ["in-progress"] * 4
    await stage.finish("far")
    assert [(await stage.statuses(workflow))[f"then {number}"] for number in range(4)] == ["success"] * 4
    assert (await stage.statuses(workflow))["chain 0"] == "pending"
    await stage.finish("on-slow")
    assert await stage.status(workflow) == "success"
    assert len(stage.world.ran) == len(set(stage.world.ran)) == 39


async def test_a_failure_reaches_steps_that_were_not_read(stage: Stage) -> None:
    stage.world.script["bad"] = lambda ctx, step: Fail("no")
    workflow = await stage.run([Group((do("bad"), *(do(f"later {number}") for number in range(30))))])
    assert set((await stage.statuses(workflow)).values()) == {"error", "not-attempted"}
    assert await stage.status(workflow) == "error"
    await stage.retry(workflow, "bad")
    assert await stage.status(workflow) == "success"


async def test_an_advance_waits_for_no_disk_and_what_leads_to_it_does(stage: Stage) -> None:
    """See decision 0011: what an advance writes follows from rows, and whatever leaves the database makes it durable."""
    seen: dict[str, str] = {}

    async def look(ctx: Ctx, step: WorkflowStep) -> Outcome:
        seen["advance"] = str((await on_driver(ctx.db, "select current_setting('synchronous_commit')", ()))[0][0])
        return Done()

    stage.world.script["look"] = look
    await stage.run([Group((do("look"),))])
    async with stage.runtime.request(stage.actor) as ctx:
        seen["request"] = str((await on_driver(ctx.db, "select current_setting('synchronous_commit')", ()))[0][0])
    assert seen == {"advance": "off", "request": "on"}
