"""Sandbox runs as rows: open, move, end. How a run runs is in `steps`."""

from typing import Any

from exclave.domain.audit import service as audit
from exclave.domain.installs import service as installs
from exclave.domain.installs import statuses
from exclave.domain.installs.models import Install
from exclave.domain.jobs.service import JobOutputs
from exclave.domain.logs import service as logs
from exclave.domain.sandboxes import plans, queries, rules
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.states import service as states
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.prepared import by_id


async def open_run(ctx: Ctx, install: Install, run_type: str, *, key: str, workflow_id: str) -> InstallSandboxRun:
    """Return the run of a step, made at the first call."""
    known = await by_key(ctx, key)
    if known is not None:
        return known
    sandbox = await installs.sandbox(ctx, install.id)
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


async def by_key(ctx: Ctx, key: str) -> InstallSandboxRun | None:
    """Return the run that a step made, if it did."""
    return await queries.BY_KEY.first(ctx.db, org=ctx.org_id, key=key)


async def planned_by(ctx: Ctx, step_ids: list[str]) -> InstallSandboxRun | None:
    """Return the run whose plan one of these steps made."""
    return await queries.PLANNED_BY.first(ctx.db, org=ctx.org_id, steps=list(step_ids))


async def move(ctx: Ctx, run: InstallSandboxRun, status: str, description: str, *, mirrored: bool = False) -> None:
    """Give a run another status; `mirrored`: the install's sandbox takes it too (from the apply on only, spec domain.md 2.2)."""
    statuses.move(run, status, description, by=ctx.actor.account_id)
    if mirrored:
        sandbox = await installs.sandbox(ctx, run.install_id)
        statuses.move(sandbox, status, description, by=ctx.actor.account_id)


async def end(ctx: Ctx, run: InstallSandboxRun, status: str, description: str, *, mirrored: bool = False) -> None:
    """Give a run its last status and close its log."""
    await move(ctx, run, status, description, mirrored=mirrored)
    await logs.close_of(ctx, run)


async def keep_outputs(ctx: Ctx, run: InstallSandboxRun, outputs: JobOutputs | None) -> None:
    """Write the sandbox's branch of the state document after an apply, and keep a version of the document."""
    told: states.Branches = {}
    if run.run_type == "deprovision":
        await states.drop(ctx, run.install_id, "sandbox")
    else:
        kind, version = await plans.directory_and_branch(ctx, await plans.config_of(ctx, run))
        branch: dict[str, Any] = {
            "status": rules.settled_status(run.run_type),
            "type": kind,
            "version": version,
            "outputs": outputs.values if outputs else {},
            "recent_runs": [],
        }
        told = {"sandbox": (branch, outputs.sensitive if outputs else ())}
    await states.generate(ctx, run.install_id, told, by_id=run.id, by_type=InstallSandboxRun.__tablename__, org_id=run.org_id)
