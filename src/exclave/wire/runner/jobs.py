"""Claiming a job, keeping it, and telling how it went."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from exclave.wire.base import Body, JSONObject, Shape
from exclave.wire.public.runners import RunnerJob, RunnerJobExecution, RunnerJobExecutionStatus, RunnerJobStatus


class CreateRunnerJobExecutionRequest(Body):
    """A claim. Empty from official runners: their lease is renewed by their heartbeats."""


class Lease(Shape):
    """What a claim gives beyond the execution, in the header-free part of the answer that official runners ignore (our own)."""

    execution_id: str = ""
    epoch: int = 0
    seconds: float = 0.0  # how long it holds from now on; renew well before
    expires_at: datetime | None = None
    job_status: str = ""  # `cancelled` asks the runner to stop
    token: str = ""  # only in the answer of a claim: the job's own token, for Terraform's state backend


class Claim(Shape):
    """The answer of `POST /v1/runners/{runner_id}/claims` (our own): the oldest waiting job, its plan and lease, in one trip."""

    job: RunnerJob | None = None
    execution: RunnerJobExecution | None = None
    lease: Lease | None = None
    plan: Any = None  # the plan document itself, not its text


class ClaimRequest(Body):
    """Which jobs this process takes; waits up to `wait_seconds` (at most 30) for one."""

    groups: list[str]
    process: str = ""
    wait_seconds: float = 25.0


class UpdateRunnerJobExecutionRequest(Body):
    status: RunnerJobExecutionStatus | None = None


class UpdateRunnerJobRequest(Body):
    status: RunnerJobStatus | None = None


class CreateRunnerJobExecutionResultRequest(Body):
    """How an execution ended. `contents_compressed` and `contents_display_compressed` are URL-safe base64 with padding."""

    success: bool = False
    error_code: int = 0
    error_metadata: dict[str, str | None] | None = None
    contents: str = ""
    contents_display: JSONObject | None = None
    contents_compressed: str = ""
    contents_display_compressed: str = ""


class CreateRunnerJobExecutionOutputsRequest(Body):
    """Outputs as one object. `sensitive` (our own) names the top-level keys that must be sealed and never shown."""

    outputs: JSONObject | None = None
    sensitive: list[str] | None = None


class CreateRunnerHeartBeatRequest(Body):
    alive_time: int  # nanoseconds since the process started
    version: str = ""
    process: str = ""


class CreateRunnerHealthCheckRequest(Body):
    process: str = ""


class UpdateInstallActionWorkflowRunStepRequest(Body):
    status: Literal["pending", "in-progress", "finished", "timed-out", "error"] | None = None
    execution_duration: int = 0  # nanoseconds


class ReportRequest(Body):
    """Ours: all that a runner says when an execution is over, in one call. What is absent was not there; `status` is a final one."""

    status: RunnerJobExecutionStatus | None = None
    result: CreateRunnerJobExecutionResultRequest | None = None
    outputs: CreateRunnerJobExecutionOutputsRequest | None = None
