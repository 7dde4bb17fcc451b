"""Actions of an install and their runs as the wire nests them (spec nesting.md, actions; 3.8, 3.9)."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Text, cast, select

from exclave.api.pages.install import flat, refs
from exclave.domain.accounts.models import Account
from exclave.domain.actions import queries
from exclave.domain.actions.models import (
    ActionWorkflow,
    ActionWorkflowConfig,
    ActionWorkflowStepConfig,
    ActionWorkflowTriggerConfig,
    InstallActionWorkflow,
    InstallActionWorkflowRun,
    InstallActionWorkflowRunStep,
)
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecutionOutputs
from exclave.domain.logs.models import LogStream
from exclave.domain.vcs.models import ConnectedGithubVCSConfig, PublicGitVCSConfig
from exclave.kit import time
from exclave.kit.context import Ctx
from exclave.kit.db import every, first
from exclave.wire.public import accounts as wire_accounts
from exclave.wire.public import actions as wire
from exclave.wire.public import runners as wire_runners
from exclave.wire.public import vcs as wire_vcs

OWNER = InstallActionWorkflowRun.__tablename__


def bare(row: InstallActionWorkflowRun, **more: Any) -> wire.InstallActionWorkflowRun:
    """A run without anything below it (`arun`)."""
    return flat(wire.InstallActionWorkflowRun, row, workflow_id=row.install_workflow_id or "", **more)


def run_step(row: InstallActionWorkflowRunStep) -> wire.InstallActionWorkflowRunStep:
    return flat(wire.InstallActionWorkflowRunStep, row)


async def run(ctx: Ctx, row: InstallActionWorkflowRun) -> wire.InstallActionWorkflowRun:
    """One run, with its config, steps, log stream and job; outputs and execution time come from the job."""
    job, outputs = await _job(ctx, row.id)
    stream = await first(ctx.db, select(LogStream).where(LogStream.owner_id == row.id, LogStream.owner_type == OWNER))
    return bare(
        row,
        config=await config(ctx, row.action_workflow_config_id),
        steps=[run_step(each) for each in await every(ctx.db, queries.run_steps(row.id))],
        log_stream=flat(wire_runners.LogStream, stream) if stream else None,
        runner_job=job,
        execution_time=job.execution_time if job else 0,
        outputs=outputs,
    )


def shown_job(row: RunnerJob, **more: Any) -> wire_runners.RunnerJob:
    """A job without its executions."""
    duration = time.nanoseconds(row.finished_at - row.started_at) if row.started_at and row.finished_at else 0
    return flat(wire_runners.RunnerJob, row, metadata=dict(row.job_metadata), execution_time=duration, **more)


async def _job(ctx: Ctx, owner_id: str) -> tuple[wire_runners.RunnerJob | None, Any]:
    """The newest job of a run with what it put out, masked where it is sensitive."""
    # The outputs are read as text, so that they pass through byte for byte.
    text = cast(RunnerJobExecutionOutputs.outputs, Text)
    statement = (
        select(RunnerJob, RunnerJobExecutionOutputs.runner_job_execution_id, text)
        .outerjoin(RunnerJobExecutionOutputs, RunnerJobExecutionOutputs.runner_job_execution_id == RunnerJob.current_execution_id)
        .where(RunnerJob.owner_id == owner_id, RunnerJob.owner_type == OWNER, RunnerJob.deleted_at == 0)
        .order_by(RunnerJob.created_at.desc())
        .limit(1)
    )
    found = (await ctx.db.execute(statement)).first()
    if found is None:
        return None, None
    job, execution_id, outputs = found
    if not outputs:
        return shown_job(job), None
    shown = msgspec.Raw(outputs.encode())
    page = shown_job(job, final_runner_job_execution_id=execution_id, outputs=shown, outputs_json=outputs.encode())
    return page, shown if outputs not in ("{}", "null") else None


async def config(ctx: Ctx, config_id: str, *, repositories: bool = False) -> wire.ActionWorkflowConfig | None:
    """A config with its triggers and steps."""
    row = await first(ctx.db, select(ActionWorkflowConfig).where(ActionWorkflowConfig.id == config_id))
    return await shown_config(ctx, row, repositories=repositories) if row else None


async def shown_config(ctx: Ctx, row: ActionWorkflowConfig, *, repositories: bool = False) -> wire.ActionWorkflowConfig:
    steps = await every(ctx.db, queries.steps_of(row.id))
    triggers = await every(ctx.db, queries.triggers_of(row.id))
    below = await _repositories(ctx, [step.id for step in steps]) if repositories else {}
    return flat(
        wire.ActionWorkflowConfig,
        row,
        refs=refs(row.references),
        steps=[_step(step, below) for step in steps],
        triggers=[_trigger(trigger) for trigger in triggers],
    )


def _step(row: ActionWorkflowStepConfig, repositories: dict[str, dict[str, Any]]) -> wire.ActionWorkflowStepConfig:
    return flat(wire.ActionWorkflowStepConfig, row, **repositories.get(row.id, {}))


def _trigger(row: ActionWorkflowTriggerConfig) -> wire.ActionWorkflowTriggerConfig:
    return flat(wire.ActionWorkflowTriggerConfig, row)


async def _repositories(ctx: Ctx, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    kinds: tuple[tuple[type[Any], str, type[Any]], ...] = (
        (PublicGitVCSConfig, "public_git_vcs_config", wire_vcs.PublicGitVCSConfig),
        (ConnectedGithubVCSConfig, "connected_github_vcs_config", wire_vcs.ConnectedGithubVCSConfig),
    )
    for table, key, kind in kinds:
        for row in await every(ctx.db, select(table).where(table.component_config_id.in_(ids), table.deleted_at == 0)):
            found[row.component_config_id] = {key: flat(kind, row)}
    return found


# Actions of an install.


def action(row: ActionWorkflow, **more: Any) -> wire.ActionWorkflow:
    return flat(wire.ActionWorkflow, row, **more)


def install_action(
    row: InstallActionWorkflow, of: ActionWorkflow, runs: list[wire.InstallActionWorkflowRun] | None = None
) -> wire.InstallActionWorkflow:
    """An action of an install; its status is that of its newest run below, else unknown."""
    status = runs[0].status if runs else "unknown"
    return flat(wire.InstallActionWorkflow, row, action_workflow=action(of), runs=runs, status=status)


async def latest(ctx: Ctx, rows: Sequence[tuple[InstallActionWorkflow, ActionWorkflow]]) -> list[wire.InstallActionWorkflow]:
    """Actions with the newest run of each and its job."""
    runs = await every(ctx.db, queries.newest_runs([row.id for row, _ in rows]))
    jobs = select(RunnerJob).where(RunnerJob.owner_id.in_([each.id for each in runs]), RunnerJob.owner_type == OWNER)
    by_owner = {job.owner_id: shown_job(job) for job in await every(ctx.db, jobs.order_by(RunnerJob.created_at))}
    newest: dict[str, wire.InstallActionWorkflowRun] = {}
    for each in runs:
        job = by_owner.get(each.id)
        newest[each.install_action_workflow_id] = bare(each, runner_job=job, execution_time=job.execution_time if job else 0)
    return [install_action(row, of, [newest[row.id]] if row.id in newest else []) for row, of in rows]


async def recent(
    ctx: Ctx, row: InstallActionWorkflow, of: ActionWorkflow, runs: Sequence[InstallActionWorkflowRun]
) -> wire.InstallActionWorkflow:
    """One action with the newest config and a page of its runs, each with who started it."""
    page = install_action(row, of, [])
    newest = select(ActionWorkflowConfig).where(ActionWorkflowConfig.action_workflow_id == of.id, ActionWorkflowConfig.deleted_at == 0)
    found = await first(ctx.db, newest.order_by(ActionWorkflowConfig.created_at.desc()).limit(1))
    configs = [await shown_config(ctx, found, repositories=True)] if found else []
    page.action_workflow = action(of, configs=configs)
    accounts = select(Account).where(Account.id.in_({each.created_by_id for each in runs}))
    people = {account.id: created_by(account) for account in await every(ctx.db, accounts)}
    page.runs = [bare(each, created_by=people.get(each.created_by_id)) for each in runs]
    page.status = runs[0].status if runs else "unknown"
    return page


def created_by(row: Account) -> wire_accounts.Account:
    """A nested account: without roles, and so without orgs and permissions."""
    return flat(wire_accounts.Account, row, org_ids=[], permissions={})
