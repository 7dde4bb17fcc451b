"""An org in which one of everything exists, and the paths that lead to it."""

import gzip
import re
from typing import Any

import httpx
from sqlalchemy import select, update

from exclave.domain.apps.models import AppBranch, AppSecret
from exclave.domain.jobs.models import RunnerJobExecutionResult
from exclave.domain.orgs import keys
from exclave.domain.orgs.models import OrgInvite
from exclave.domain.runners.models import Runner, RunnerGroupSettings, RunnerHealthCheck, RunnerHeartBeat
from exclave.domain.workspaces.models import (
    TerraformWorkspaceLock,
    TerraformWorkspaceState,
    TerraformWorkspaceStateJSON,
)
from exclave.kit.context import Ctx
from exclave.kit.db import Encrypted, Row
from exclave.kit.ids import new_id
from tests.contract.replay import Replay
from tests.domain.runners.fleet import fleet
from tests.factories_full_run import everything_around_a_run
from tests.factories_runs import filled

# What a name in a path stands for, by the path where the name alone does not tell. The first that fits counts.
TABLES = (
    (r"sandbox-runs/\{run_id\}", "run_id", "install_sandbox_runs"),
    (r"\{\w*run_id\}", "run_id", "install_action_workflow_runs"),
    (r"\{\w*run_id\}", "workflow_run_id", "install_action_workflow_runs"),
    (r"runs/\{\w+\}/steps", "step_id", "install_action_workflow_run_steps"),
    (r"stack-configs", "config_id", "app_stack_configs"),
    (r"components/\{component_id\}/configs", "config_id", "component_config_connections"),
    (r"state-json|/resources$", "state_id", "terraform_workspace_state_jsons"),
    ("", "state_id", "terraform_workspace_states"),
    ("", "step_id", "install_workflow_steps"),
    ("", "install_workflow_step_id", "install_workflow_steps"),
    ("", "config_id", "app_configs"),
    ("", "app_config_id", "app_configs"),
    ("", "app_id", "apps"),
    ("", "app_branch_id", "app_branches"),
    ("", "component_id", "components"),
    ("", "component_name_or_id", "components"),
    ("", "build_id", "component_builds"),
    ("", "deploy_id", "install_deploys"),
    ("", "install_id", "installs"),
    ("", "workflow_id", "install_workflows"),
    ("", "install_workflow_id", "install_workflows"),
    ("", "approval_id", "install_workflow_step_approvals"),
    ("", "stack_id", "install_stacks"),
    ("", "runner_id", "runners"),
    ("", "runner_job_id", "runner_jobs"),
    ("", "job_id", "runner_jobs"),
    ("", "action_id", "action_workflows"),
    ("", "action_workflow_id", "action_workflows"),
    ("", "action_config_id", "action_workflow_configs"),
    ("", "action_workflow_config_id", "action_workflow_configs"),
    ("", "log_stream_id", "log_streams"),
    ("", "workspace_id", "terraform_workspaces"),
    ("", "connection_id", "vcs_connections"),
    ("", "input_config_id", "app_input_configs"),
    ("", "break_glass_config_id", "app_break_glass_configs"),
    ("", "permissions_config_id", "app_permissions_configs"),
    ("", "policies_config_id", "app_policies_configs"),
    ("", "app_secrets_config_id", "app_secrets_configs"),
)
# Where the column that leads to a parent is not named as in paths.
COLUMNS = {
    "workflow_id": ("install_workflow_id",),
    "step_id": ("install_workflow_step_id",),
    "install_workflow_step_id": ("install_workflow_step_id",),
    "action_id": ("action_workflow_id",),
    "run_id": ("install_action_workflow_run_id",),
    "workflow_run_id": ("install_action_workflow_run_id",),
    "workspace_id": ("workspace_id", "terraform_workspace_id"),
}


async def seed(replay: Replay, scenario: str) -> None:
    """Fill an org: by what a recording made over the API, and by rows for what only machines make."""
    await replay.run(scenario)
    await everything_around_a_run(replay.runtime, replay.org)
    await fleet(replay.runtime, replay.org)
    org_id = replay.org.id
    owner = {"owner_type": "install_sandboxes", "owner_id": new_id("isb")}
    workspace_id = (await replay.client.post("/v1/terraform-workspaces", json=owner)).json()["id"]
    async with replay.runtime.sweep() as ctx:
        with_settings = select(RunnerGroupSettings.runner_group_id)
        runners = select(Runner).where(Runner.org_id == org_id, Runner.runner_group_id.in_(with_settings)).order_by(Runner.id)
        runner = (await ctx.db.execute(runners.limit(1))).scalar_one()
        app_id = (await replay.client.get("/v1/apps/allkinds")).json()["id"]
        common: dict[str, Any] = {"org_id": org_id, "created_by_id": replay.org.actor.account_id}
        ctx.db.add_all(
            [
                filled(RunnerHeartBeat, runner_id=runner.id, process="install", **common),
                filled(RunnerHealthCheck, runner_id=runner.id, **common),
                filled(TerraformWorkspaceState, terraform_workspace_id=workspace_id, runner_job_id="", **common),
                filled(TerraformWorkspaceStateJSON, workspace_id=workspace_id, runner_job_id="", **common),
                filled(TerraformWorkspaceLock, workspace_id=workspace_id, runner_job_id="", lock={"id": "l", "who": "me"}, **common),
                filled(OrgInvite, status="pending", role_type="org_admin", **common),
                filled(AppBranch, app_id=app_id, connected_github_vcs_config_id="", **common),
                filled(AppSecret, app_id=app_id, **common),
            ]
        )
        await ctx.db.flush()
        shown = update(RunnerJobExecutionResult).where(RunnerJobExecutionResult.org_id == org_id)
        await ctx.db.execute(shown.values(contents_display=gzip.compress(b"{}")))
        await _seal(ctx, org_id)


async def _seal(ctx: Ctx, org_id: str) -> None:
    """Seal what the factories left open, so that verbs can read it."""
    for mapper in Row.registry.mappers:
        for column in mapper.columns:
            if isinstance(column.type, Encrypted):
                for row in (await ctx.db.execute(select(mapper.class_).where(mapper.class_.org_id == org_id))).scalars():
                    setattr(row, column.key, await keys.seal(ctx, row, column.key, b"{}"))


async def paths(ctx: Ctx, template: str, org_id: str) -> list[str]:
    """Real paths for a template: one for each thing that its first name may stand for, what is below it chosen to belong to it."""
    names = re.findall(r"\{(\w+)\}", template)
    if not names:
        return [template]
    found = []
    for first in await _candidates(ctx, template, names[0], {}, org_id):
        chosen = {names[0]: first}
        for name in names[1:]:
            below = await _candidates(ctx, template, name, chosen, org_id)
            if not below:
                break
            chosen[name] = below[0]
        else:
            found.append(template.format(**chosen))
    return found


async def _candidates(ctx: Ctx, template: str, name: str, chosen: dict[str, str], org_id: str) -> list[str]:
    table = next((table for pattern, of, table in TABLES if of == name and re.search(pattern, template)), None)
    if table is None:
        return []
    model = next(mapper.class_ for mapper in Row.registry.mappers if mapper.local_table.name == table)
    statement = select(model.id).where(model.org_id == org_id).order_by(model.created_at).limit(100)
    for parent, parent_id in chosen.items():
        for column in COLUMNS.get(parent, (parent,)):
            if column in model.__table__.columns:
                statement = statement.where(model.__table__.columns[column] == parent_id)
    return list((await ctx.db.execute(statement)).scalars())


async def successes(client: httpx.AsyncClient, urls: list[str], *, most: int = 4) -> list[tuple[str, httpx.Response]]:
    """What the first of these paths answer that lead to something."""
    found: list[tuple[str, httpx.Response]] = []
    for url in urls:
        answer = await client.get(url)
        if answer.status_code < 300:
            found.append((url.partition("?")[0], answer))
        if len(found) == most:
            break
    return found
