"""Sandbox runs as rows: open, move, end. How a run runs is in `steps`."""

from dataclasses import dataclass
from typing import Any

from exclave.domain.audit import service as audit
from exclave.domain.installs import statuses
from exclave.domain.installs.models import Install, InstallSandbox
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.jobs.service import JobOutputs, JobResult
from exclave.domain.logs import service as logs
from exclave.domain.logs.models import LogStream
from exclave.domain.runners.models import Runner
from exclave.domain.sandboxes import queries, rules
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.states import service as states
from exclave.domain.vcs.service import GitConfig
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.prepared import by_id


@dataclass(frozen=True)
class Made:
    """The run that a step made, its job, and what that delivered."""

    run: InstallSandboxRun
    job: RunnerJob | None
    result: JobResult | None


@dataclass(frozen=True)
class ToApply:
    """A run with a plan, and what its apply needs; the job and its outputs are those of the step that applies."""

    run: InstallSandboxRun
    git: GitConfig | None
    stream: LogStream | None
    runner: Runner | None
    job: RunnerJob | None
    outputs: JobOutputs | None


async def open_run(ctx: Ctx, install: Install, sandbox: InstallSandbox, run_type: str, *, key: str, workflow_id: str) -> InstallSandboxRun:
    """Make the run of a step that has none yet."""
    run = InstallSandboxRun(
        org_id=install.org_id,
        created_by_id=ctx.actor.account_id,
        install_id=install.id,
        install_sandbox_id=sandbox.id,
        install_workflow_id=workflow_id,
        app_sandbox_config_id=install.app_sandbox_config_id,
        run_type=run_type,
        step_key=key,
    )
    statuses.move(run, "queued", "the run is queued", by=ctx.actor.account_id)
    ctx.db.add(run)
    await audit.record(ctx, "create", run, run_type=run_type)
    return run


async def get(ctx: Ctx, run_id: str) -> InstallSandboxRun:
    """Return a run, or raise `NotFound`."""
    found = await by_id(ctx.db, InstallSandboxRun, run_id, org_id=ctx.org_id)
    if found is None:
        raise errors.NotFound(f"no sandbox run {run_id}")
    return found


async def by_key(ctx: Ctx, key: str) -> Made | None:
    """Return the run that a step made, if it did."""
    found = await queries.BY_KEY.first(ctx.db, org=ctx.org_id, key=key)
    if found is None:
        return None
    run, _, job, result = found
    return Made(run, job, await jobs.opened_result(ctx, result) if result is not None else None)


async def planned_by(ctx: Ctx, step_ids: list[str], *, key: str) -> ToApply | None:
    """Return the run whose plan one of these steps made; `key` is that of the step that applies it."""
    found = await queries.PLANNED_BY.first(ctx.db, org=ctx.org_id, steps=list(step_ids), key=key)
    if found is None:
        return None
    run, public, connected, stream, runner, job, outputs, shown, _ = found
    return ToApply(
        run=run,
        git=public if public is not None else connected,
        stream=stream,
        runner=runner,
        job=job,
        outputs=await jobs.opened_outputs(ctx, outputs, shown) if outputs is not None else None,
    )


async def move(ctx: Ctx, run: InstallSandboxRun, status: str, description: str, *, mirrored: bool = False) -> None:
    """Give a run another status; `mirrored`: the install's sandbox takes it too (from the apply on only, spec domain.md 2.2)."""
    statuses.move(run, status, description, by=ctx.actor.account_id)
    if mirrored:
        statuses.move(await sandbox_of(ctx, run), status, description, by=ctx.actor.account_id)


async def end(
    ctx: Ctx, run: InstallSandboxRun, status: str, description: str, *, mirrored: bool = False, stream: LogStream | None = None
) -> None:
    """Give a run its last status and close its log; `stream`: the log, where the caller has it."""
    await move(ctx, run, status, description, mirrored=mirrored)
    if stream is not None:
        logs.close(ctx, stream)
    else:
        await logs.close_of(ctx, run)


async def sandbox_of(ctx: Ctx, run: InstallSandboxRun) -> InstallSandbox:
    """Return the sandbox that a run is of."""
    found = await by_id(ctx.db, InstallSandbox, run.install_sandbox_id, org_id=run.org_id)
    if found is None:
        raise errors.NotFound(f"no sandbox {run.install_sandbox_id}")
    return found


async def keep_outputs(ctx: Ctx, planned: ToApply) -> None:
    """Write the sandbox's branch of the state document after an apply, and keep a version of the document."""
    run, git, outputs = planned.run, planned.git, planned.outputs
    told: states.Branches = {}
    if run.run_type == "deprovision":
        await states.drop(ctx, run.install_id, "sandbox")
    else:
        branch: dict[str, Any] = {
            "status": rules.settled_status(run.run_type),
            "type": git.directory if git is not None else "",
            "version": git.branch if git is not None else "",
            "outputs": outputs.values if outputs else {},
            "recent_runs": [],
        }
        told = {"sandbox": (branch, outputs.sensitive if outputs else ())}
    await states.generate(ctx, run.install_id, told, by_id=run.id, by_type=InstallSandboxRun.__tablename__, org_id=run.org_id)
