"""The calls of steps as rows: side work that a step asked for with `Call`, and its answer. Who does it is in `tasks`.

The row in `engine_calls` is the truth, under the key (step id, attempt, name). In the transaction that writes it a job of
Procrastinate is deferred that names the row and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from exclave.engine.definition import Call, step_key
from exclave.engine.models import EngineCall, WorkflowStep
from exclave.kit.context import Ctx
from exclave.kit.ids import new_id

TOPIC = "engine.calls"

# PostgreSQL builds the composite, which asyncpg cannot bind. The key of the row is what keeps a call from being deferred twice:
# a `queueing_lock` would do it by an error that ends the caller's transaction.
DEFER = """procrastinate_defer_jobs_v1(array[row('side', 'call', 0, null, null,
    jsonb_build_object('call', {id}, 'name', {name}), null)::procrastinate_job_to_defer_v1])"""
_DEFER_ONE = text("select " + DEFER.format(id="cast(:id as text)", name="cast(:name as text)"))


@dataclass(frozen=True)
class Answer:
    """What came of a call: `error` is empty when it went well."""

    value: Mapping[str, Any]
    error: str = ""


def _key(step: WorkflowStep, name: str) -> str:
    return f"{step_key(step)}:{name}"


async def enqueue(ctx: Ctx, step: WorkflowStep, call: Call) -> None:
    """Write down the call and defer its job in the transaction of the step. The same call that failed before is tried anew."""
    made = insert(EngineCall).values(
        id=new_id(EngineCall.prefix),
        org_id=step.org_id,
        created_by_id=ctx.actor.account_id,
        workflow_id=step.install_workflow_id,
        step_id=step.id,
        key=_key(step, call.name),
        name=call.name,
        args=dict(call.args),
    )
    anew = made.on_conflict_do_update(
        index_elements=["key"],
        set_={"state": "queued", "tries": 0, "error": "", "updated_at": func.clock_timestamp()},
        where=EngineCall.state.in_(("failed", "dropped")),
    )
    call_id = (await ctx.db.execute(anew.returning(EngineCall.id))).scalar()
    if call_id is None:
        if await answer_of(ctx, step, call.name) is not None:
            raise RuntimeError(f"step {step.name!r} calls {call.name!r} again, though it has its answer: a step calls each name once")
        return
    await ctx.db.execute(_DEFER_ONE, {"id": call_id, "name": call.name})
    ctx.poke(TOPIC)


async def answer_of(ctx: Ctx, step: WorkflowStep, name: str) -> Answer | None:
    """Return what the step's call answered; None as long as it is under way or was never made."""
    found = (await ctx.db.execute(select(EngineCall).where(EngineCall.key == _key(step, name)))).scalars().first()
    if found is None or found.state == "queued":
        return None
    return Answer(found.value, found.error)


async def answered(db: AsyncSession, running: Sequence[WorkflowStep]) -> set[str]:
    """Return the ids of those steps whose calls all have an answer."""
    if not running:
        return set()
    ids = [step.id for step in running]
    open_calls = select(EngineCall.step_id).where(EngineCall.step_id.in_(ids), EngineCall.state == "queued")
    return set(ids) - set((await db.execute(open_calls)).scalars())
