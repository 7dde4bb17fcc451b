"""What a runner says about its execution: status, result, outputs. Every write is fenced; an exact repeat is answered as before."""

import base64
import binascii
import gzip
import hashlib
import zlib
from typing import Any, TypeVar

import msgspec
from sqlalchemy import func, null, update

from exclave.domain.jobs import claims, queries, rules, service
from exclave.domain.jobs.events import ExecutionEnded
from exclave.domain.jobs.models import (
    RunnerJob,
    RunnerJobExecution,
    RunnerJobExecutionOutputs,
    RunnerJobExecutionResult,
)
from exclave.domain.orgs import keys
from exclave.domain.runners import access
from exclave.kit import db, errors, json, time
from exclave.kit.context import Ctx
from exclave.wire.base import Body
from exclave.wire.runner import jobs as wire


class OutputsBody(Body):
    """`CreateRunnerJobExecutionOutputsRequest`, with the outputs as the bytes that came."""

    outputs: msgspec.Raw = msgspec.Raw(b"{}")
    sensitive: list[str] | None = None


class ReportBody(Body):
    """`ReportRequest`, with its parts as the bytes that came."""

    status: str = ""
    result: msgspec.Raw = msgspec.Raw(b"")
    outputs: msgspec.Raw = msgspec.Raw(b"")


Delivered = TypeVar("Delivered", RunnerJobExecutionResult, RunnerJobExecutionOutputs)

_outputs_decoder = msgspec.json.Decoder(OutputsBody)


async def move(ctx: Ctx, job_id: str, execution_id: str, status: str) -> RunnerJobExecution:
    """Take an execution to a status; a final one ends it and its job.

    Telling the same end twice is answered twice. Raises `Stale` from an execution that is not current, is over or has lost its
    lease, `Conflict` for a step backwards.
    """
    access.runner_only(ctx.actor)
    sources = rules.may_precede(status)
    if not sources:
        raise errors.Invalid(f"an execution cannot become {status!r}")
    if status in rules.EXECUTION_FINAL:
        return await _end(ctx, job_id, execution_id, status) or await _repeated(ctx, job_id, execution_id, status)
    names = queries.fence(ctx.actor, job_id, execution_id)
    execution = await queries.MOVE.first(ctx.db, **names, sources=list(sources), to=status, moment=time.now())
    return execution or await _repeated(ctx, job_id, execution_id, status)


async def _end(
    ctx: Ctx,
    job_id: str,
    execution_id: str,
    status: str,
    result: RunnerJobExecutionResult | None = None,
    outputs: RunnerJobExecutionOutputs | None = None,
) -> RunnerJobExecution | None:
    """End an execution and its job with what it delivers, or return None where it may not write any more."""
    found = await queries.END.first(
        ctx.db,
        **queries.fence(ctx.actor, job_id, execution_id),
        **queries.RESULT.values(result),
        **queries.OUTPUTS.values(outputs),
        sources=list(rules.may_precede(status)),
        to=status,
        becomes=rules.job_after(status),
        why=_why(status),
        moment=time.now(),
    )
    if found is None:
        return None
    execution, job, kept_result, kept_outputs = found
    # It may have delivered before it said that it ends.
    if result is not None and not kept_result and not _is_repeat(result, await _result_of(ctx, execution_id)):
        raise _delivered_before(execution_id, "result")
    if outputs is not None and not kept_outputs and not _is_repeat(outputs, (await _outputs_of(ctx, execution_id))[0]):
        raise _delivered_before(execution_id, "outputs")
    await _tell_ended(ctx, execution, job)
    return execution


async def ended(ctx: Ctx, execution: RunnerJobExecution, job_status: str, description: str) -> None:
    """Follow the end of an execution: its job ends too unless it is over already, and whoever waits is told."""
    job = await queries.END_JOB.first(ctx.db, job=execution.runner_job_id, becomes=job_status, why=description, moment=time.now())
    await _tell_ended(ctx, execution, job)


async def _tell_ended(ctx: Ctx, execution: RunnerJobExecution, job: RunnerJob | None) -> None:
    await ctx.tell(ExecutionEnded(execution_id=execution.id, job_id=execution.runner_job_id, org_id=execution.org_id))
    ctx.poke(f"job:{execution.runner_job_id}")
    _hint_at_its_key(ctx, execution)
    if job is not None:
        await service.tell_finished(ctx, job)


def _hint_at_its_key(ctx: Ctx, execution: RunnerJobExecution) -> None:
    """Whoever could not have its key goes now. Said always: to look who waits would overlook one who begins to wait at this moment."""
    if execution.serial_key:
        ctx.poke(claims.freed(execution.serial_key))


async def given_back(ctx: Ctx, execution: RunnerJobExecution) -> None:
    """Let a job be claimed again whose claim was never heard of again: nothing was begun."""
    await ctx.db.execute(
        update(RunnerJob)
        .where(RunnerJob.id == execution.runner_job_id, RunnerJob.status == "in-progress")
        .values(status="available", status_description="a claim was not heard of again", started_at=null(), updated_at=time.now())
        .execution_options(synchronize_session=False)
    )
    await ctx.tell(ExecutionEnded(execution_id=execution.id, job_id=execution.runner_job_id, org_id=execution.org_id))
    ctx.poke(f"runner:{execution.runner_id}")
    _hint_at_its_key(ctx, execution)


async def report(ctx: Ctx, job_id: str, execution_id: str, body: bytes) -> RunnerJobExecution:
    """Keep result and outputs of an execution, where the body has them, and end it: what our own runner says at the end of a job."""
    access.runner_only(ctx.actor)
    with json.understood():
        request = msgspec.json.decode(body or b"{}", type=ReportBody)
    if request.status not in rules.EXECUTION_FINAL:
        raise errors.Invalid(f"status: an execution ends as one of {', '.join(sorted(rules.EXECUTION_FINAL))}, not as {request.status!r}")
    result, outputs = None, None
    if bytes(request.result) not in (b"", b"null"):
        result = await _read_result(ctx, execution_id, bytes(request.result))
    if bytes(request.outputs) not in (b"", b"null"):
        outputs, _ = await _read_outputs(ctx, execution_id, bytes(request.outputs))
    execution = await _end(ctx, job_id, execution_id, request.status, result, outputs)
    if execution is not None:
        return execution
    if result is not None:
        await _same(ctx, job_id, execution_id, result, await _result_of(ctx, execution_id), "result")
    if outputs is not None:
        await _same(ctx, job_id, execution_id, outputs, (await _outputs_of(ctx, execution_id))[0], "outputs")
    return await _repeated(ctx, job_id, execution_id, request.status)


async def give_result(ctx: Ctx, job_id: str, execution_id: str, body: bytes) -> RunnerJobExecutionResult:
    """Keep how an execution went, of failed ones too. `contents_compressed` is URL-safe base64 of the bytes to keep.

    The exact repeat of a body is answered as before; another body is a `Conflict`; an execution that may not write is `Stale`.
    """
    access.runner_only(ctx.actor)
    row = await _read_result(ctx, execution_id, body)
    if await queries.KEEP_RESULT.first(ctx.db, **queries.fence(ctx.actor, job_id, execution_id), **queries.RESULT.values(row)):
        return row
    return await _same(ctx, job_id, execution_id, row, await _result_of(ctx, execution_id), "result")


async def give_outputs(ctx: Ctx, job_id: str, execution_id: str, body: bytes) -> tuple[RunnerJobExecutionOutputs, str]:
    """Keep the outputs of an execution; return the row and what may be shown of it.

    What is not sensitive is kept byte for byte; sensitive values are shown as asterisks and all of it is sealed.
    """
    access.runner_only(ctx.actor)
    row, shown = await _read_outputs(ctx, execution_id, body)
    if await queries.KEEP_OUTPUTS.first(ctx.db, **queries.fence(ctx.actor, job_id, execution_id), **queries.OUTPUTS.values(row)):
        return row, shown
    known, text = await _outputs_of(ctx, execution_id)
    return await _same(ctx, job_id, execution_id, row, known, "outputs"), text


async def _read_result(ctx: Ctx, execution_id: str, body: bytes) -> RunnerJobExecutionResult:
    with json.understood():
        request = msgspec.json.decode(body or b"{}", type=wire.CreateRunnerJobExecutionResultRequest)
    contents = _decoded(request.contents_compressed, "contents_compressed") or request.contents.encode()
    row = RunnerJobExecutionResult(
        org_id=ctx.org_id,
        created_by_id=ctx.actor.account_id,
        runner_job_execution_id=execution_id,
        success=request.success,
        error_code=request.error_code,
        error_metadata=request.error_metadata,
        contents_display=_display(request),
        body_digest=_digest(body),
    )
    if contents:
        row.contents = await keys.seal(ctx, row, "contents", contents)
        row.contents_digest = _digest(contents)
    return row


async def _read_outputs(ctx: Ctx, execution_id: str, body: bytes) -> tuple[RunnerJobExecutionOutputs, str]:
    with json.understood():
        request = _outputs_decoder.decode(body or b"{}")
        outputs = bytes(request.outputs).strip()
        if outputs == b"null":
            outputs = b"{}"
        given = msgspec.json.decode(outputs, type=dict[str, Any])  # all of it: what msgspec skips as raw it does not check
    if b"\\u0000" in outputs:
        raise errors.Invalid("outputs hold the character U+0000, which cannot be stored")
    sensitive = frozenset(request.sensitive or ()) & given.keys()
    shown = rules.masked_outputs(outputs, sensitive)
    row = RunnerJobExecutionOutputs(
        org_id=ctx.org_id,
        created_by_id=ctx.actor.account_id,
        runner_job_execution_id=execution_id,
        outputs=msgspec.Raw(shown),
        body_digest=_digest(body),
    )
    if sensitive:
        row.sealed = await keys.seal(ctx, row, "sealed", outputs)
    return row, shown.decode()


async def _result_of(ctx: Ctx, execution_id: str) -> RunnerJobExecutionResult | None:
    return await queries.RESULT_OF.first(ctx.db, execution=execution_id, org=ctx.org_id)


async def _outputs_of(ctx: Ctx, execution_id: str) -> tuple[RunnerJobExecutionOutputs | None, str]:
    return await queries.OUTPUTS_OF.first(ctx.db, execution=execution_id, org=ctx.org_id) or (None, "")


async def _same(ctx: Ctx, job_id: str, execution_id: str, row: Delivered, known: Delivered | None, what: str) -> Delivered:
    """Answer a delivery that was not kept: an exact repeat as before, anything else with the reason."""
    own = queries.executions_visible_to(ctx.actor).where(RunnerJobExecution.id == execution_id, RunnerJobExecution.runner_job_id == job_id)
    execution = await db.first(ctx.db, own)
    if execution is not None and known is not None and _is_repeat(row, known):
        return known
    if execution is not None and known is not None and (await ctx.db.execute(own.where(_leased()))).first() is not None:
        raise _delivered_before(execution_id, what)
    raise await claims.stale(ctx, job_id, execution_id)


def _is_repeat(row: Delivered, known: Delivered | None) -> bool:
    return known is not None and known.body_digest == row.body_digest


def _delivered_before(execution_id: str, what: str) -> errors.Conflict:
    return errors.Conflict(f"the execution {execution_id} has delivered other {what} before")


async def _repeated(ctx: Ctx, job_id: str, execution_id: str, status: str) -> RunnerJobExecution:
    own = queries.executions_visible_to(ctx.actor).where(RunnerJobExecution.id == execution_id, RunnerJobExecution.runner_job_id == job_id)
    execution: RunnerJobExecution | None = await db.first(ctx.db, own.execution_options(populate_existing=True))
    if execution is not None and execution.status == status and execution.ended_by == "runner":
        return execution
    if execution is not None and (await ctx.db.execute(own.where(_leased()))).first() is not None:
        raise errors.Conflict(f"the execution {execution_id} is {execution.status} and cannot go back to {status}")
    raise await claims.stale(ctx, job_id, execution_id)


def _leased() -> Any:
    return RunnerJobExecution.leased_until > func.clock_timestamp()


def _why(status: str) -> str:
    return {"timed-out": "execution timed out", "not-attempted": "execution was not attempted"}.get(status, "")


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _decoded(text: str, field: str) -> bytes:
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.Invalid(f"{field} is not URL-safe base64 with padding: {error}") from error


def _display(request: wire.CreateRunnerJobExecutionResultRequest) -> bytes | None:
    packed = _decoded(request.contents_display_compressed, "contents_display_compressed")
    if packed:
        try:
            service.unpacked(packed)  # whoever looks at the plan unpacks it
        except zlib.error as error:
            raise errors.Invalid("contents_display_compressed is not gzip in URL-safe base64") from error
        return packed
    if request.contents_display is not None:
        return gzip.compress(msgspec.json.encode(request.contents_display), mtime=0)
    return None
