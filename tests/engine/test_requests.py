"""What a user does to a running workflow: answers, retries, skips, cancels."""

import asyncio

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from exclave.engine import service
from exclave.engine.definition import Ask, Done, Fail, Group, Observe, Replan, Wait
from exclave.engine.models import WorkflowStepApprovalResponse
from exclave.kit.errors import Invalid, NotFound
from tests import factories
from tests.engine.world import Stage, apply, do, plan, wait


def pair(name: str = "db", *more: object, **options: object) -> Group:
    return Group((plan(f"plan {name}"), apply(f"apply {name}"), *more), **options)  # type: ignore[arg-type]


async def test_an_approval_holds_only_what_depends_on_it(stage: Stage) -> None:
    groups = [pair("db", key="db", after=()), Group((do("cache"),), key="cache", after=()), Group((do("api"),), after=("db",))]
    workflow = await stage.run(groups)
    assert await stage.statuses(workflow) == {
        "plan db": "approval-awaiting",
        "apply db": "pending",
        "cache": "success",
        "api": "pending",
    }
    assert await stage.status(workflow) == "in-progress"
    step = await stage.step(workflow, "plan db")
    assert [old["status"] for old in step.status["history"]] == ["pending", "in-progress", "checking-plan"]
    approval = await stage.approval(workflow, "plan db")
    assert (approval.type, approval.plan_digest, approval.org_id) == ("terraform_plan", "sha256:1", stage.actor.org_id)


@pytest.mark.parametrize("word", ["approve", "auto-approve"])
async def test_an_approved_plan_is_applied(stage: Stage, word: str) -> None:
    workflow = await stage.run([pair()])
    await stage.respond(workflow, "plan db", word, "looks good")
    assert await stage.statuses(workflow) == {"plan db": "approved", "apply db": "success"}
    assert await stage.status(workflow) == "success"
    assert stage.world.told == [("plan db", "approved")]


async def test_a_denied_plan_ends_the_workflow(stage: Stage) -> None:
    workflow = await stage.run([pair("db", do("post")), Group((do("api"),))])
    await stage.respond(workflow, "plan db", "deny", "too dear")
    assert await stage.statuses(workflow) == {
        "plan db": "approval-denied",
        "apply db": "not-attempted",
        "post": "not-attempted",
        "api": "not-attempted",
    }
    assert await stage.status(workflow) == "error"
    assert stage.world.told == [("plan db", "approval-denied")]


async def test_a_group_can_be_denied_alone(stage: Stage) -> None:
    groups = [pair("db", do("post"), key="db", after=()), Group((do("api"),), key="api", after=("db",)), Group((do("end"),))]
    workflow = await stage.run(groups)
    await stage.respond(workflow, "plan db", "deny-skip-current")
    assert await stage.statuses(workflow) == {
        "plan db": "approval-denied",
        "apply db": "user-skipped",
        "post": "user-skipped",
        "api": "success",
        "end": "success",
    }
    assert await stage.status(workflow) == "success"


async def test_a_group_can_be_denied_with_whoever_needs_it(stage: Stage) -> None:
    groups = [
        pair("db", key="db", after=()),
        Group((do("api"),), key="api", after=("db",)),
        Group((do("web"),), key="web", after=("api",)),
        Group((do("cache"),), key="cache", after=()),
        Group((do("end"),)),
    ]
    workflow = await stage.run(groups)
    await stage.respond(workflow, "plan db", "deny-skip-current-and-dependents")
    assert await stage.statuses(workflow) == {
        "plan db": "approval-denied",
        "apply db": "user-skipped",
        "api": "user-skipped",
        "web": "user-skipped",
        "cache": "success",
        "end": "success",
    }


async def test_a_plan_can_be_made_again_instead_of_an_answer(stage: Stage) -> None:
    workflow = await stage.run([pair()])
    await stage.respond(workflow, "plan db", "retry")
    assert [(step.name, step.status["status"]) for step in await stage.steps(workflow)] == [
        ("plan db", "approval-retry"),
        ("plan db (retry 1)", "approval-awaiting"),
        ("apply db", "pending"),
    ]
    assert stage.world.told == [("plan db", "discarded")]
    await stage.respond(workflow, "plan db (retry 1)", "retry")
    await stage.respond(workflow, "plan db (retry 2)", "approve")
    assert await stage.status(workflow) == "success"


async def test_an_unknown_answer_changes_nothing(stage: Stage) -> None:
    workflow = await stage.run([pair()])
    with pytest.raises(Invalid, match="unknown"):
        await stage.respond(workflow, "plan db", "aprove")
    assert (await stage.statuses(workflow))["plan db"] == "approval-awaiting"


async def test_one_of_two_answers_in_a_race_is_refused(stage: Stage) -> None:
    workflow = await stage.run([pair()])
    answers = [stage.respond(workflow, "plan db", word) for word in ("approve", "deny", "approve", "retry")]
    found = await asyncio.gather(*answers, return_exceptions=True)
    refused = [answer for answer in found if isinstance(answer, Invalid)]
    assert len(refused) == 3
    assert {answer.description.split(" ", 2)[2] for answer in refused} == {"already has a response"}
    approval = await stage.approval(workflow, "plan db")
    async with stage.runtime.request(stage.actor) as ctx:
        query = select(func.count()).where(WorkflowStepApprovalResponse.install_workflow_step_approval_id == approval.id)
        assert (await ctx.db.execute(query)).scalar() == 1


async def test_nobody_of_another_org_answers(stage: Stage) -> None:
    workflow = await stage.run([pair()])
    step, approval = await stage.step(workflow, "plan db"), await stage.approval(workflow, "plan db")
    stranger = await factories.org(stage.runtime)
    with pytest.raises(NotFound):
        async with stage.runtime.request(stranger.actor) as ctx:
            await service.respond(ctx, step, approval, "approve")
    assert (await stage.statuses(workflow))["plan db"] == "approval-awaiting"


async def test_approve_all_answers_what_waits_and_what_comes(stage: Stage) -> None:
    workflow = await stage.run([pair("a", after=()), pair("b", after=()), pair("c")])
    async with stage.runtime.request(stage.actor) as ctx:
        await service.approve_all(ctx, await stage.workflow(workflow))
    await stage.drain()
    assert await stage.status(workflow) == "success"
    for name in ("plan a", "plan b", "plan c"):
        approval = await stage.approval(workflow, name)
        async with stage.runtime.request(stage.actor) as ctx:
            query = select(WorkflowStepApprovalResponse).where(
                WorkflowStepApprovalResponse.install_workflow_step_approval_id == approval.id
            )
            response = (await ctx.db.execute(query)).scalars().one()
        assert (response.type, response.note) == ("approve", "auto-approved")


async def test_a_plan_without_changes_skips_its_apply_and_nothing_else(stage: Stage) -> None:
    workflow = await stage.run([Group((plan("plan db", do="skip"), apply("apply db"), do("post")))])
    assert await stage.statuses(workflow) == {"plan db": "auto-skipped", "apply db": "auto-skipped", "post": "success"}
    assert (await stage.step(workflow, "apply db")).status["metadata"]["reason"] == "no changes"
    assert stage.world.told == [("plan db", "auto-skipped")]


@pytest.mark.parametrize(("answer", "how"), [(Observe(True), "drifted"), (Observe(False), "no-drift")])
async def test_a_plan_only_workflow_asks_nobody(stage: Stage, answer: object, how: str) -> None:
    stage.world.script["plan db"] = lambda ctx, step: answer
    workflow = await stage.run([Group((plan("plan db"),))], plan_only=True)
    assert await stage.statuses(workflow) == {"plan db": "approved"}
    assert stage.world.told == [("plan db", how)]


async def test_a_plan_only_workflow_takes_no_change_for_no_drift(stage: Stage) -> None:
    workflow = await stage.run([Group((plan("plan db", do="skip"),))], plan_only=True)
    assert await stage.statuses(workflow) == {"plan db": "approved"}
    assert stage.world.told == [("plan db", "no-drift")]


async def test_a_stale_plan_is_planned_and_asked_again_in_the_right_order(stage: Stage) -> None:
    stage.world.script["apply db"] = lambda ctx, step: Replan("the state moved on")
    workflow = await stage.run([pair("db", do("post")), Group((do("end"),))])
    await stage.respond(workflow, "plan db", "approve")
    assert [(step.name, step.group_retry_idx, step.status["status"]) for step in await stage.steps(workflow)] == [
        ("plan db", 0, "discarded"),
        ("apply db", 0, "discarded"),
        ("plan db (retry 1)", 1, "approval-awaiting"),
        ("apply db (retry 1)", 1, "pending"),
        ("post", 1, "pending"),
        ("end", 0, "pending"),
    ]
    await stage.respond(workflow, "plan db (retry 1)", "approve")
    assert stage.world.ran == ["plan db", "apply db", "plan db (retry 1)", "apply db (retry 1)", "post", "end"]
    assert await stage.status(workflow) == "success"
    assert ("apply db", "discarded") in stage.world.told


async def test_a_failed_apply_is_retried_with_its_plan(stage: Stage) -> None:
    stage.world.script["apply db"] = lambda ctx, step: Fail("no credentials")
    workflow = await stage.run([pair("db", do("post")), Group((do("end"),))])
    await stage.respond(workflow, "plan db", "approve")
    assert await stage.status(workflow) == "error"
    step = await stage.step(workflow, "apply db")
    async with stage.runtime.request(stage.actor) as ctx:
        await service.retry(ctx, step)
    assert await stage.status(workflow) == "retrying"
    await stage.drain()
    assert await stage.status(workflow) == "in-progress"
    await stage.respond(workflow, "plan db (retry 1)", "approve")
    assert stage.world.ran == ["plan db", "apply db", "plan db (retry 1)", "apply db (retry 1)", "post", "end"]
    found = await stage.workflow(workflow)
    assert (found.status["status"], found.state) == ("success", "finished")
    assert "error_message" not in found.status["metadata"], "what went well tells of no error"
    assert "apply db: no credentials" in [past["metadata"].get("error_message") for past in found.status["history"]]
    assert (await stage.step(workflow, "apply db")).retried


async def test_only_a_step_in_error_is_retried_or_skipped(stage: Stage) -> None:
    stage.world.script["bad"] = lambda ctx, step: Fail("no")
    workflow = await stage.run([Group((do("good"), do("bad"), do("never")))])
    for name in ("good", "never"):
        for verb in (stage.retry, stage.skip):
            with pytest.raises(Invalid, match="must be in error"):
                await verb(workflow, name)
    await stage.retry(workflow, "bad")
    with pytest.raises(Invalid, match="must be in error"):
        await stage.retry(workflow, "bad")


async def test_a_failed_step_can_be_skipped(stage: Stage) -> None:
    stage.world.script["bad"] = lambda ctx, step: Fail("no")
    workflow = await stage.run([Group((do("bad"), do("next"))), Group((do("end"),))])
    await stage.skip(workflow, "bad")
    assert await stage.statuses(workflow) == {"bad": "user-skipped", "next": "success", "end": "success"}
    assert await stage.status(workflow) == "success"
    assert stage.world.told == [("bad", "user-skipped")]


async def test_the_step_of_a_plan_that_was_approved_when_another_step_failed_is_told(stage: Stage) -> None:
    stage.world.script["bad"] = lambda ctx, step: Fail("no") if "bad" in stage.world.finished else Wait("bad")
    workflow = await stage.run([pair("db"), Group((do("bad"),), key="bad", after=()), Group((do("end"),))])
    stage.world.finished.add("bad")  # it is seen together with the approval
    await stage.respond(workflow, "plan db", "approve")
    statuses = await stage.statuses(workflow)
    assert statuses == {"plan db": "approved", "apply db": "not-attempted", "bad": "error", "end": "not-attempted"}
    assert ("apply db", "discarded") in stage.world.told
    assert await stage.status(workflow) == "error"


async def test_what_cannot_be_skipped_is_not(stage: Stage) -> None:
    stage.world.script["plan db"] = lambda ctx, step: Fail("no")
    workflow = await stage.run([pair()])
    with pytest.raises(Invalid, match="cannot be skipped"):
        await stage.skip(workflow, "plan db")


async def test_a_retry_with_a_second_failure_leaves_what_depends_on_it(stage: Stage) -> None:
    def fails_with_the_other(ctx, step):  # type: ignore[no-untyped-def]
        return Fail("no") if "both" in stage.world.finished else Wait("both")

    stage.world.script["a"] = stage.world.script["b"] = fails_with_the_other
    groups = [
        Group((do("a"),), key="a", after=()),
        Group((do("b"),), key="b", after=()),
        Group((do("after a"),), after=("a",)),
        Group((do("after b"),), after=("b",)),
    ]
    workflow = await stage.run(groups)
    await stage.finish("both")
    assert await stage.statuses(workflow) == {"a": "error", "b": "error", "after a": "not-attempted", "after b": "not-attempted"}
    await stage.retry(workflow, "a")
    assert await stage.statuses(workflow) == {
        "a": "discarded",
        "a (retry 1)": "success",
        "b": "error",
        "after a": "success",
        "after b": "not-attempted",
    }
    assert await stage.status(workflow) == "error"
    await stage.retry(workflow, "b")
    assert await stage.status(workflow) == "success"


async def test_a_plan_that_was_asked_when_another_failed_is_made_again_by_a_retry(stage: Stage) -> None:
    stage.world.script["bad"] = lambda ctx, step: Fail("no") if "bad" in stage.world.finished else Wait("bad")
    workflow = await stage.run([pair("db", after=()), Group((do("bad"),), after=())])
    await stage.finish("bad")
    assert (await stage.statuses(workflow))["plan db"] == "not-attempted"
    with pytest.raises(Invalid, match="does not wait"):
        await stage.respond(workflow, "plan db", "approve")
    await stage.retry(workflow, "bad")
    assert (await stage.statuses(workflow))["plan db"] == "approval-awaiting"
    assert (await stage.step(workflow, "plan db")).attempt == 2
    await stage.respond(workflow, "plan db", "approve")
    assert await stage.status(workflow) == "success"


async def test_a_plan_that_ends_after_another_step_failed_asks_nobody(stage: Stage) -> None:
    stage.world.script["bad"] = lambda ctx, step: Fail("no") if "bad" in stage.world.finished else Wait("bad")
    stage.world.script["plan db"] = lambda ctx, step: Ask("terraform_plan", "x", "y") if "job" in stage.world.finished else Wait("job")
    workflow = await stage.run([pair("db", after=()), Group((do("bad"),), after=())])
    await stage.finish("bad")
    await stage.finish("job")
    assert await stage.statuses(workflow) == {"plan db": "not-attempted", "apply db": "not-attempted", "bad": "error"}
    assert await stage.status(workflow) == "error"
    await stage.retry(workflow, "bad")
    assert (await stage.statuses(workflow))["plan db"] == "approval-awaiting"


async def test_a_cancelled_workflow_ends_what_is_under_way(stage: Stage) -> None:
    workflow = await stage.run([Group((wait("slow"), do("never")), after=()), pair("db", after=()), Group((do("done"),), after=())])
    await stage.cancel(workflow)
    assert await stage.statuses(workflow) == {
        "slow": "cancelled",
        "never": "not-attempted",
        "plan db": "cancelled",
        "apply db": "not-attempted",
        "done": "success",
    }
    found = await stage.workflow(workflow)
    assert (found.status["status"], found.state) == ("cancelled", "finished")
    assert found.status["history"][-1]["status"] == "in-progress"
    assert sorted(stage.world.told) == [("plan db", "cancelled"), ("slow", "cancelled")]
    await stage.finish("on-slow")  # a late event revives nothing
    assert (await stage.statuses(workflow))["slow"] == "cancelled"
    for verb in (
        lambda: stage.cancel(workflow),
        lambda: stage.retry(workflow, "slow"),
        lambda: stage.respond(workflow, "plan db", "approve"),
    ):
        with pytest.raises(Invalid):
            await verb()


async def test_a_workflow_that_did_not_start_can_be_cancelled(stage: Stage) -> None:
    workflow = await stage.start([Group((do("never"),))])
    await stage.cancel(workflow)
    assert await stage.status(workflow) == "cancelled"
    assert await stage.steps(workflow) == []


async def test_a_rerun_can_be_cancelled(stage: Stage) -> None:
    stage.world.script["bad"] = lambda ctx, step: Fail("no")
    stage.world.script["bad (retry 1)"] = lambda ctx, step: Wait("forever")
    workflow = await stage.run([Group((do("bad"),))])
    await stage.retry(workflow, "bad")
    await stage.cancel(workflow)
    assert await stage.status(workflow) == "cancelled"


async def test_the_database_refuses_to_leave_a_terminal_state(stage: Stage) -> None:
    workflow = await stage.run([Group((wait("slow"),))])
    await stage.cancel(workflow)
    for statement in (
        "update install_workflow_steps set state = 'pending' where install_workflow_id = :id",
        "update install_workflows set state = 'running' where id = :id",
        """update install_workflows set status = jsonb_set(status, '{status}', '"success"') where id = :id""",
    ):
        with pytest.raises(DBAPIError, match="may not go from"):
            async with stage.runtime.sweep() as ctx:
                await ctx.db.execute(text(statement), {"id": workflow})


async def test_a_handler_that_cannot_be_told_does_not_hold_the_workflow(stage: Stage) -> None:
    async def broken(ctx, step, how):  # type: ignore[no-untyped-def]
        raise ZeroDivisionError("cannot tell")

    stage.world.settled = broken  # type: ignore[method-assign]
    workflow = await stage.run([Group((wait("slow"),))])
    await stage.cancel(workflow)
    for _ in range(40):
        await stage.drain()
        if (await stage.workflow(workflow)).state == "finished":
            break
        await asyncio.sleep(0.05)
    assert (await stage.workflow(workflow)).state == "finished"
    assert (await stage.step(workflow, "slow")).settling == ""


async def test_a_retry_takes_its_turn_among_those_of_its_key(stage: Stage) -> None:
    key = "k-" + stage.actor.org_id
    stage.world.script["bad"] = lambda ctx, step: Fail("no")
    first = await stage.run([Group((do("bad"),))], serial_key=key)
    second = await stage.run([Group((wait("2"),))], serial_key=key)
    await stage.retry(first, "bad")
    assert await stage.status(first) == "retrying"
    await stage.finish("on-2")
    assert [await stage.status(one) for one in (first, second)] == ["success", "success"]


async def test_done_is_done(stage: Stage) -> None:
    stage.world.script["one"] = lambda ctx, step: Done("first")
    workflow = await stage.run([Group((do("one"),))])
    async with stage.runtime.request(stage.actor) as ctx:
        await service.wake(ctx, workflow)
    await stage.drain()
    assert stage.world.ran == ["one"]
