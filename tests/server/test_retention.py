"""What nobody can ask for again leaves after a week, and nothing else does."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from exclave.domain.accounts import tokens
from exclave.domain.accounts.models import Token
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecutionResult
from exclave.engine.models import EngineCall, Workflow, WorkflowStep
from exclave.engine.status import composite
from exclave.kit import crypto
from exclave.kit.context import Runtime
from exclave.kit.time import now
from exclave.server import retention
from tests import factories
from tests.factories_runs import ground, sandbox_run, save

DAYS = {"old": 8, "young": 6}


async def workflow_with(runtime: Runtime, org: factories.OrgWithToken, *, state: str, word: str, days: int) -> Workflow:
    """A workflow that ended so many days ago, whose step made a call and a job with a plan file, at that time."""
    on = ground(org)
    _, rows = sandbox_run(on)
    workflow = next(row for row in rows if isinstance(row, Workflow))
    step = next(row for row in rows if isinstance(row, WorkflowStep))
    job = next(row for row in rows if isinstance(row, RunnerJob))
    job.step_key = f"{step.id}:1"
    workflow.state, workflow.status = state, composite(word)
    workflow.finished_at = now() - timedelta(days=days) if state == "finished" else None
    words = {"workflow_id": workflow.id, "step_id": step.id, "name": "n", "updated_at": now() - timedelta(days=days), **on.common}
    calls = [EngineCall(key=f"{step.id}:1:{state}", state=state, **words) for state in ("done", "failed", "dropped", "queued")]
    async with runtime.sweep() as ctx:
        await save(ctx, [*on.rows, *rows, *calls])
    return workflow


async def left_of(runtime: Runtime, workflow: Workflow) -> tuple[list[str], bool, bool]:
    """The states of its calls, whether its plan file is there, and whether what people see of it is."""
    async with runtime.sweep() as ctx:
        calls = (await ctx.db.execute(select(EngineCall.state).where(EngineCall.workflow_id == workflow.id))).scalars()
        of_it = (
            select(RunnerJobExecutionResult.contents, RunnerJobExecutionResult.contents_display)
            .join(RunnerJob, RunnerJob.current_execution_id == RunnerJobExecutionResult.runner_job_execution_id)
            .join(WorkflowStep, func.starts_with(RunnerJob.step_key, WorkflowStep.id))
            .where(WorkflowStep.install_workflow_id == workflow.id)
        )
        contents, display = (await ctx.db.execute(of_it)).one()
    return sorted(calls), contents is not None, display is not None


ALL = ["done", "dropped", "failed", "queued"]


@pytest.mark.parametrize(
    ("state", "word", "age", "calls", "file"),
    [
        ("finished", "success", "old", ["queued"], False),
        ("finished", "cancelled", "old", ["queued"], False),
        ("finished", "error", "old", ["queued"], True),  # it may be retried
        ("finished", "success", "young", ALL, True),
        ("running", "in-progress", "old", ALL, True),  # it waits for an approval, say
    ],
)
async def test_answers_and_plan_files_leave_a_week_after_their_workflow(
    runtime: Runtime, org: factories.OrgWithToken, state: str, word: str, age: str, calls: list[str], file: bool
) -> None:
    workflow = await workflow_with(runtime, org, state=state, word=word, days=DAYS[age])
    await retention.remove_spent(runtime)
    assert await left_of(runtime, workflow) == (calls, file, True)
    assert await retention.remove_spent(runtime) == 0


async def test_an_answer_that_came_late_stays_a_week(runtime: Runtime, org: factories.OrgWithToken) -> None:
    workflow = await workflow_with(runtime, org, state="finished", word="success", days=8)
    async with runtime.sweep() as ctx:
        late = update(EngineCall).where(EngineCall.workflow_id == workflow.id, EngineCall.state == "failed")
        await ctx.db.execute(late.values(updated_at=now() - timedelta(days=1)))
    await retention.remove_spent(runtime)
    assert (await left_of(runtime, workflow))[0] == ["failed", "queued"]


async def test_tokens_leave_a_week_after_their_end(runtime: Runtime, org: factories.OrgWithToken) -> None:
    ends = {"valid": 1, "expired": -6, "long expired": -8}
    texts = {}
    async with runtime.sweep() as ctx:
        for name, days in ends.items():
            _, texts[name] = await tokens.mint(ctx, org.actor.account_id, token_type="job", ttl=timedelta(days=days))
        for name, days in (("revoked", 6), ("long revoked", 8)):
            row, texts[name] = await tokens.mint(ctx, org.actor.account_id, token_type="job", ttl=timedelta(days=90))
            row.deleted_at = int((now() - timedelta(days=days)).timestamp())
    await retention.remove_spent(runtime)
    async with runtime.sweep() as ctx:
        hashes = set((await ctx.db.execute(select(Token.token_hash))).scalars())
    assert {name for name, secret in texts.items() if crypto.token_hash(secret) in hashes} == {"valid", "expired", "revoked"}
    assert crypto.token_hash(org.token) in hashes


async def test_a_long_list_leaves_some_rows_at_a_time(
    runtime: Runtime, org: factories.OrgWithToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    await retention.remove_spent(runtime)
    async with runtime.sweep() as ctx:
        for _ in range(7):
            await tokens.mint(ctx, org.actor.account_id, token_type="job", ttl=timedelta(days=-8))
    monkeypatch.setattr(retention, "_AT_A_TIME", 3)
    plain, transactions = runtime.sweep, []

    def counted():  # type: ignore[no-untyped-def]
        transactions.append(1)
        return plain()

    monkeypatch.setattr(runtime, "sweep", counted)
    assert await retention.remove_spent(runtime) == 7
    assert len(transactions) == 5  # 3 + 3 + 1 tokens, and a look at each of the others
