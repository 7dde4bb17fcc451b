"""One execution from claim to report: directory, log, lease, handler, result (spec runner.md 3.4, 2.6)."""

import asyncio
import base64
import gzip
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from exclave.client.http import Refused
from exclave.client.runner import ExecutionApi, RunnerApi
from exclave.kit.errors import Problem
from exclave.kit.process import Patience, ToolFailed
from exclave.runner import handlers, workspace
from exclave.runner.job import Job, JobFailed, Outcome, Stopped
from exclave.runner.lease import Lease, LeaseLost
from exclave.runner.logs import ERROR, WARN, JobLog
from exclave.runner.redact import Redactor
from exclave.runner.settings import Settings
from exclave.wire.runner import jobs as wire

# Reporting has a time of its own: it also happens when the job's time is over.
_REPORT_SECONDS = 20.0
_FLUSH_SECONDS = 10.0
_ABORT_SECONDS = 10.0
_LARGEST_ERROR = 16 * 1024

Why = Literal["cancelled", "timed-out", "runner-stopped"]


@dataclass
class Runtime:
    """What all jobs of this process share."""

    settings: Settings
    api: RunnerApi
    workspace: workspace.Workspace
    resource: dict[str, str] = field(default_factory=dict)  # attributes of every log batch
    patience: Patience = field(default_factory=Patience)


class Execution:
    """A claimed job at work. `run` never raises for what the job does; `stop` and `kill` come from outside."""

    def __init__(self, runtime: Runtime, claim: wire.Claim) -> None:
        assert claim.job is not None
        assert claim.execution is not None
        assert claim.lease is not None
        self._runtime = runtime
        self._runner_job = claim.job
        self._plan = claim.plan
        self.execution_id = claim.execution.id
        self._api = ExecutionApi(runtime.api, job_id=claim.job.id, execution_id=self.execution_id, token=claim.lease.token)
        self._lease = Lease(self._api, seconds=claim.lease.seconds or 30.0)
        self._redact = Redactor([claim.lease.token, runtime.settings.token()])
        self._why: Why | None = None
        self._job: Job | None = None
        self._work: asyncio.Task[Outcome] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._hurried = False
        self.after: Any = None

    async def run(self) -> None:
        """Work on the job, report how it went, remove its directory."""
        directory = self._runtime.workspace.job(self.execution_id)
        try:
            await self._run(directory)
        finally:
            await asyncio.to_thread(workspace.remove, directory)

    async def _run(self, directory: Any) -> None:
        job = self._runner_job
        log = JobLog(
            self._api,
            job.log_stream_id,
            self._redact,
            directory / ".log-spool",
            attributes={
                "runner_job.id": job.id,
                "runner_job.type": job.type,
                "runner_job_execution.id": self.execution_id,
                "log_stream.id": job.log_stream_id,
            },
            resource=self._runtime.resource,
        )
        self._job = Job(
            job=job,
            plan=self._plan,
            execution_id=self.execution_id,
            directory=directory,
            api=self._runtime.api,
            execution=self._api,
            lease=self._lease,
            log=log,
            redact=self._redact,
            settings=self._runtime.settings,
            workspace=self._runtime.workspace,
        )
        log.start()
        keeper = asyncio.ensure_future(self._lease.keep())
        self._work = asyncio.ensure_future(self._handle(self._job))
        timeout = asyncio.get_running_loop().call_later(
            job.execution_timeout / 1e9 if job.execution_timeout else 3600.0, self.stop, "timed-out"
        )
        try:
            await asyncio.wait({keeper, self._work}, return_when=asyncio.FIRST_COMPLETED)
            if keeper.done() and (verdict := keeper.result()) != "lost":
                self.stop(verdict)
                # The state of what was interrupted is still ours to write, so the lease is kept until the child is gone.
                keeper = asyncio.ensure_future(self._lease.keep(through_cancel=True))
                await asyncio.wait({keeper, self._work}, return_when=asyncio.FIRST_COMPLETED)
            if not self._work.done() or self._lease.lost:
                await self._fence(log)
                return
            if self._why is None and not self._hurried:
                self._delivery = asyncio.ensure_future(log.deliver(patience=_FLUSH_SECONDS))
                await asyncio.wait({keeper, self._delivery}, return_when=asyncio.FIRST_COMPLETED)
                self._delivery.cancel()
            with suppress(TimeoutError, LeaseLost):
                await asyncio.wait_for(self._report(log, self._work), _REPORT_SECONDS)
        finally:
            timeout.cancel()
            keeper.cancel()
            self._job.kill()
            if not self._work.done():
                self._work.cancel()
                await asyncio.wait({self._work}, timeout=_ABORT_SECONDS)
            if self._stopping is not None:
                self._stopping.cancel()
            await log.close()
            with suppress(asyncio.CancelledError):
                await keeper

    def stop(self, why: Why) -> None:
        """Stop gracefully: interrupt what runs, wait, insist; the report then says why."""
        if self._why is None and self._work is not None and not self._work.done():
            self._why = why
            self._stopping = asyncio.ensure_future(self._stop())
        elif self._work is not None:  # it is done: what remains is the report
            self._hurried = True
            if self._delivery is not None:
                self._delivery.cancel()

    def kill(self) -> None:
        """Stop at once; the report still goes out if it can."""
        self.stop("runner-stopped")
        if self._job is not None:
            self._job.kill()

    async def _stop(self) -> None:
        assert self._job is not None
        assert self._work is not None
        self._job.log.write(_SAID[self._why or "cancelled"], severity=WARN)
        if await self._job.stop(self._runtime.patience):
            # The handler sees its program end and gives up by itself.
            await asyncio.wait({self._work}, timeout=_ABORT_SECONDS)
        self._work.cancel()

    async def _fence(self, log: JobLog) -> None:
        """The job is not ours any more: end its processes and write nothing."""
        assert self._job is not None
        assert self._work is not None
        self._lease.lost = True
        log.abandon()
        self._job.kill()
        self._work.cancel()
        await asyncio.wait({self._work}, timeout=_ABORT_SECONDS)

    async def _handle(self, job: Job) -> Outcome:
        # Beside what goes before the first program, which waits for it; and before the report, which ends the job.
        job.begun = asyncio.ensure_future(self._say(lambda: self._api.status("in-progress")))
        try:
            return await self._done_by_its_handler(job)
        except (asyncio.CancelledError, LeaseLost):
            job.begun.cancel()  # it is nobody's business any more
            raise
        finally:
            await job.begun

    async def _done_by_its_handler(self, job: Job) -> Outcome:
        handler = handlers.find(job.job.type)
        if handler is None:
            raise JobFailed(
                f"this runner has no handler for jobs of type {job.job.type!r}: it knows {', '.join(handlers.known())}",
                reason="unknown-type",
            )
        try:
            return await handler(job)
        except msgspec.ValidationError as error:
            raise JobFailed(
                f"the plan of this {job.job.type} job is not what this runner expects: {error}", reason="plan-invalid"
            ) from error

    async def _report(self, log: JobLog, work: "asyncio.Task[Outcome]") -> None:
        error: BaseException | None = None
        outcome = Outcome()
        if work.cancelled():
            error = Stopped()
        else:
            error = work.exception()
            if error is None:
                outcome = work.result()
        if isinstance(error, Refused) and error.kind == "stale_epoch":
            error = LeaseLost()
        if isinstance(error, LeaseLost):
            self._lease.lost = True
            log.abandon()
            return
        if error is None and self._why in (None, "runner-stopped"):
            await self._report_success(log, outcome)
            return
        if error is None:
            error = Stopped()
        await self._report_failure(log, error)

    async def _report_success(self, log: JobLog, outcome: Outcome) -> None:
        result = wire.CreateRunnerJobExecutionResultRequest(success=True)
        if outcome.contents:
            result.contents_compressed = base64.urlsafe_b64encode(outcome.contents).decode()
        if outcome.display:
            packed = await asyncio.to_thread(gzip.compress, outcome.display, 6, mtime=0)
            result.contents_display_compressed = base64.urlsafe_b64encode(packed).decode()
        report = wire.ReportRequest(status="finished", result=result)
        if outcome.outputs is not None:
            # What was given as a secret stays one, also where a module or an action hands it on without saying so.
            handed_on = (name for name, value in outcome.outputs.items() if self._redact.finds(value))
            report.outputs = wire.CreateRunnerJobExecutionOutputsRequest(
                outputs=dict(outcome.outputs), sensitive=sorted({*outcome.sensitive, *handed_on}) or None
            )
        await log.flush(seconds=_FLUSH_SECONDS)  # before the end, which closes the log
        try:
            await self._say(lambda: self._api.report(report))
        except Refused as refused:
            if refused.status == 409:
                raise
            reason = f"the control plane did not take what the job brought home: {refused.description}"
            await self._report_failure(log, JobFailed(reason, reason="result-refused"))
            return
        if outcome.then is not None:
            outcome.then()

    async def _report_failure(self, log: JobLog, error: BaseException) -> None:
        assert self._job is not None
        stopped = self._why is not None
        message = _SAID[self._why] if self._why is not None else _message(error)
        own = getattr(error, "reason", "") or getattr(error, "code", "")
        reason = str(self._why) if self._why is not None else str(own)
        if not stopped:
            log.write(message, severity=ERROR)
            if not isinstance(error, Problem):  # a defect of the runner: say where
                for line in traceback.format_exception(error)[-6:]:
                    log.write(line.rstrip(), severity=ERROR)
        metadata: dict[str, str | None] = {
            "step": self._job.step_name or "start",
            "handler": handlers.name_of(self._runner_job.type),
            "job_type": self._runner_job.type,
            "message": self._redact(message)[:_LARGEST_ERROR],
            "tail": "\n".join(log.tail)[-_LARGEST_ERROR:],
        }
        if reason:
            metadata["reason"] = reason
        if isinstance(error, ToolFailed):
            metadata["exit"] = str(error.details.get("exit", ""))
        status: Any = "timed-out" if self._why == "timed-out" else "cancelled" if self._why == "cancelled" else "failed"
        result = wire.CreateRunnerJobExecutionResultRequest(success=False, error_code=1, error_metadata=metadata)
        with suppress(Problem):
            await log.flush(seconds=_FLUSH_SECONDS)
        report = wire.ReportRequest(status=status, result=result)
        try:
            await self._say(lambda: self._api.report(report))
        except LeaseLost:
            raise
        except Problem:  # should the server not take the explanation, it is to know the end all the same
            with suppress(Problem):
                await self._say(lambda: self._api.status(status))

    async def _say(self, call: Callable[[], Awaitable[None]]) -> None:
        """Make a call that writes. Refused as stale, the job is not ours any more."""
        try:
            self._lease.check()
            await call()
        except Refused as refused:
            if refused.status == 409 and self._why is None:
                self._lease.lost = True
                raise LeaseLost from refused
            raise


_SAID: dict[str, str] = {
    "cancelled": "the job was cancelled: what ran was interrupted",
    "timed-out": "the job took longer than its execution timeout: what ran was interrupted",
    "runner-stopped": "the runner was stopped while the job ran: what ran was interrupted; try again when a runner is there",
}


def _message(error: BaseException) -> str:
    if isinstance(error, Problem):
        return error.description
    return f"the runner failed unexpectedly: {type(error).__name__}: {error}"
