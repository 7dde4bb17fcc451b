"""An install with sandbox runs, and the one run on which everything hangs that can (`everything_around_a_run`).

Values are unlike one another (`filled`), so that two columns that change places are noticed.
"""

import gzip
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import BigInteger, Boolean, DateTime, Integer, LargeBinary, String
from sqlalchemy.dialects.postgresql import JSONB

from exclave.domain.apps.models import App, AppConfig, AppRunnerConfig, AppSandboxConfig
from exclave.domain.installs.models import Install, InstallSandbox
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecution, RunnerJobExecutionOutputs, RunnerJobExecutionResult, RunnerJobPlan
from exclave.domain.logs.models import LogStream
from exclave.domain.runners.models import Runner, RunnerGroup
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.vcs.models import PublicGitVCSConfig
from exclave.engine.models import Workflow, WorkflowStep, WorkflowStepApproval, WorkflowStepApprovalResponse
from exclave.engine.status import composite, moved
from exclave.kit.context import Ctx, Runtime
from exclave.kit.db import Base, Encrypted, RawJSON, Row
from tests.conftest import unique
from tests.factories import OrgWithToken

R = TypeVar("R", bound=Row)

OUTPUTS = '{"a": null, "b": "", "c": 0, "d": false, "e": [], "f": 1.50, "g": 1e5, "ü": "\\u00e9ß", "long": 12345678901234567890}'
"""What somebody's Terraform may put out: nothing in it may change on its way."""

CANARY = "canary-that-nobody-may-see"
"""Planted wherever the database keeps a secret."""

_numbers = itertools.count(1)
_STARTED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def filled(model: type[R], **given: Any) -> R:
    """A row whose columns all have a value of their own, but for keys that must be named (26 characters) and are not."""
    values = dict(given)
    for attribute in model.__mapper__.column_attrs:
        column, name = attribute.columns[0], attribute.key
        if name in values or name in ("id", "deleted_at") or column.primary_key:
            continue
        number = next(_numbers)
        match column.type:
            case Encrypted() | LargeBinary():
                values[name] = f"{CANARY} {number}".encode()
            case RawJSON():
                values[name] = msgspec.Raw(OUTPUTS.encode())
            case JSONB():
                is_list = "list[" in str(model.__annotations__[name])
                values[name] = [f"{name} {number}"] if is_list else {"key": f"{number}"}
            case DateTime():
                values[name] = _STARTED + timedelta(seconds=number)
            case Boolean():
                values[name] = True
            case BigInteger() | Integer():
                values[name] = number
            case String(length=26):
                raise TypeError(f"{model.__name__}.{name} must be named")
            case _:
                values[name] = f"{name} {number}"
    return model(**values)


def status(word: str, by: str) -> dict[str, Any]:
    """A composite status with a history, every part of it filled."""
    number = next(_numbers)
    first = composite("queued", f"waits {number}", by=by, metadata={"reason": f"reason {number}"})
    return moved(first, word, f"says {number}", by=by, metadata={"detail": f"detail {number}"})


async def save(ctx: Ctx, rows: Iterable[Row]) -> None:
    """Insert rows in the order in which tables name one another."""
    place = {table.name: number for number, table in enumerate(Base.metadata.sorted_tables)}
    by_table = sorted(rows, key=lambda row: place[row.__tablename__])
    for _, batch in itertools.groupby(by_table, key=lambda row: row.__tablename__):
        ctx.db.add_all(list(batch))
        await ctx.db.flush()


@dataclass
class Made:
    install_id: str
    install_name: str
    run_ids: list[str] = field(default_factory=list)
    runner_id: str = ""


@dataclass
class Ground:
    """What every run stands on."""

    common: dict[str, str]
    app: App
    config: AppConfig
    sandbox_config: AppSandboxConfig
    install: Install
    sandbox: InstallSandbox
    runner: Runner
    rows: list[Row]


def ground(org: OrgWithToken, *, runner_type: str = "local") -> Ground:
    """An app with its config, an install of it, and the install's runner."""
    common = {"org_id": org.id, "created_by_id": org.actor.account_id}
    app = App(name=unique("app"), **common)
    config = AppConfig(app_id=app.id, version=3, status="active", **common)
    of_config = {"app_id": app.id, "app_config_id": config.id, **common}
    references = ["component|network|outputs.address|.nuon.components.network.outputs.address", "inputs|region||.nuon.inputs.inputs.region"]
    sandbox_config = filled(AppSandboxConfig, references=references, **of_config)
    runner_config = AppRunnerConfig(app_runner_type=runner_type, **of_config)
    install = Install(
        name=unique("install"), app_id=app.id, app_config_id=config.id, app_sandbox_config_id=sandbox_config.id,
        app_runner_config_id=runner_config.id, **common,
    )  # fmt: skip
    sandbox = InstallSandbox(install_id=install.id, **common)
    group = RunnerGroup(owner_id=install.id, owner_type="installs", type="install", platform=runner_type, **common)
    runner = Runner(runner_group_id=group.id, **common)
    rows: list[Row] = [app, config, sandbox_config, runner_config, install, sandbox, group, runner]
    return Ground(common, app, config, sandbox_config, install, sandbox, runner, rows)


def job(on: Ground, owner: Row, stream: LogStream, *, executions: int = 1, **given: Any) -> list[Row]:
    """A finished job of an owner with its plan, its executions, their results and outputs; all but the last execution failed."""
    number = next(_numbers)
    words = {"type": "sandbox-terraform", "group": "sandbox", "operation": "apply-plan", "status": "finished", **given}
    made = filled(RunnerJob, runner_id=on.runner.id, owner_id=owner.id, owner_type=owner.__tablename__, log_stream_id=stream.id,
                  **words, **on.common)  # fmt: skip
    made.finished_at = made.started_at + timedelta(seconds=number, microseconds=7)
    rows: list[Row] = [made, filled(RunnerJobPlan, runner_job_id=made.id, **on.common)]
    for epoch in range(1, executions + 1):
        ok = epoch == executions
        execution = filled(
            RunnerJobExecution, runner_job_id=made.id, epoch=epoch, status="finished" if ok else "failed", runner_id=on.runner.id,
            **on.common,
        )  # fmt: skip
        of_execution = {"runner_job_execution_id": execution.id, **on.common}
        display = gzip.compress(f'{{"masked plan": {number}}}'.encode())
        result = filled(RunnerJobExecutionResult, success=ok, error_code=0 if ok else 17, contents_display=display, **of_execution)
        rows += [execution, result, filled(RunnerJobExecutionOutputs, **of_execution)]
        made.current_execution_id = execution.id
    return rows


def stream_of(on: Ground, owner: Row) -> LogStream:
    return filled(LogStream, owner_id=owner.id, owner_type=owner.__tablename__, **on.common)


async def install_with_runs(runtime: Runtime, org: OrgWithToken, *, runs: int) -> Made:
    """An app, an install, and so many finished runs with one job each."""
    on = ground(org)
    source = PublicGitVCSConfig(
        component_config_id=on.sandbox_config.id, component_config_type="app_sandbox_configs", repo="./", directory="sandbox", **on.common
    )
    made, rows = Made(on.install.id, on.install.name, runner_id=on.runner.id), [*on.rows, source]
    for _ in range(runs):
        run, below = sandbox_run(on)
        made.run_ids.append(run.id)
        rows += below
    async with runtime.sweep() as ctx:
        await save(ctx, rows)
    return made


def sandbox_run(on: Ground, **given: Any) -> tuple[InstallSandboxRun, list[Row]]:
    """A run with a workflow of one approved step, a log stream and a job."""
    workflow = filled(Workflow, owner_id=on.install.id, owner_type="installs", type="provision", status=composite("success"),
                      state="finished", **on.common)  # fmt: skip
    step = filled(WorkflowStep, install_workflow_id=workflow.id, owner_id=on.install.id, owner_type="installs", idx=1,
                  status=composite("approved"), state="done", **on.common)  # fmt: skip
    values = {"run_type": "provision", "status": "active", "status_v2": composite("active"), **given}
    run = InstallSandboxRun(install_id=on.install.id, install_sandbox_id=on.sandbox.id, install_workflow_id=workflow.id,
                            app_sandbox_config_id=on.sandbox_config.id, **values, **on.common)  # fmt: skip
    stream = stream_of(on, run)
    jobs = job(on, run, stream)
    approval = filled(WorkflowStepApproval, install_workflow_step_id=step.id, owner_id=run.id, owner_type=run.__tablename__,
                      runner_job_id=jobs[0].id, type="terraform_plan", **on.common)  # fmt: skip
    response = filled(WorkflowStepApprovalResponse, install_workflow_step_approval_id=approval.id, type="approve", **on.common)
    return run, [workflow, step, run, stream, *jobs, approval, response]
