"""Actions in installs: what there is, how the last runs went, and runs by hand. Configs of actions are in `action_configs`."""

from exclave.api.pages import action_run as pages
from exclave.api.route import Page, Reply, Routes
from exclave.domain.actions import queries
from exclave.domain.actions import service as actions
from exclave.domain.actions.models import ActionWorkflow, ActionWorkflowTriggerConfig, InstallActionWorkflow, InstallActionWorkflowRun
from exclave.domain.installs import service as installs
from exclave.domain.installs.models import Install
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import actions as wire

route = Routes("actions")

BELOW = 5  # runs below one action


@route.get("/v1/installs/{install_id}/actions", deprecated=["/v1/installs/{install_id}/action-workflows"])
async def list_actions(ctx: Ctx, install_id: str, page: Page) -> list[wire.InstallActionWorkflow]:
    """Return the actions of an install."""
    install = await installs.get(ctx, install_id)
    statement = queries.actions_of(ctx.actor, install.id).offset(page.offset).limit(page.fetch)
    rows = (await ctx.db.execute(statement)).all()
    return [pages.install_action(row, of) for row, of in page.cut([(row[0], row[1]) for row in rows])]


@route.get("/v1/installs/{install_id}/actions/latest-runs", deprecated=["/v1/installs/{install_id}/action-workflows/latest-runs"])
async def list_latest_runs(ctx: Ctx, install_id: str, page: Page, q: str = "", trigger_types: str = "") -> list[wire.InstallActionWorkflow]:
    """Return the actions of an install, each with its newest run. `trigger_types`: words joined by commas."""
    install = await installs.get(ctx, install_id)
    statement = queries.actions_of(ctx.actor, install.id)
    if q:
        statement = statement.where(ActionWorkflow.name.icontains(q, autoescape=True))
    wanted = [word for word in trigger_types.split(",") if word]
    if wanted:
        statement = statement.where(InstallActionWorkflow.action_workflow_id.in_(_triggered_by(install, wanted)))
    rows = (await ctx.db.execute(statement.offset(page.offset).limit(page.fetch))).all()
    return await pages.latest(ctx, page.cut([(row[0], row[1]) for row in rows]))


def _triggered_by(install: Install, words: list[str]):  # type: ignore[no-untyped-def]
    triggers = queries.triggers_in(install.id, install.app_config_id).where(ActionWorkflowTriggerConfig.type.in_(words))
    return triggers.with_only_columns(ActionWorkflow.id)


@route.get("/v1/installs/{install_id}/actions/runs", deprecated=["/v1/installs/{install_id}/action-workflows/runs"])
async def list_runs(ctx: Ctx, install_id: str, page: Page) -> list[wire.InstallActionWorkflowRun]:
    """Return the runs of all actions of an install, newest first."""
    install = await installs.get(ctx, install_id)
    rows = await every(ctx.db, queries.runs_of(ctx.actor, install.id).offset(page.offset).limit(page.fetch))
    return [pages.bare(row) for row in page.cut(rows)]


@route.post("/v1/installs/{install_id}/actions/runs", deprecated=["/v1/installs/{install_id}/action-workflows/runs"])
async def run_action(ctx: Ctx, install_id: str, body: wire.CreateInstallActionWorkflowRunRequest, reply: Reply) -> str:
    """Run an action by hand."""
    if not body.action_workflow_config_id:
        raise errors.Invalid("action_workflow_config_id: name the config to run")
    install = await installs.get(ctx, install_id)
    workflow = await actions.run(ctx, install, body.action_workflow_config_id, body.run_env_vars or {})
    reply.workflow(workflow.id)
    return "ok"


@route.get("/v1/installs/{install_id}/actions/runs/{run_id}", deprecated=["/v1/installs/{install_id}/action-workflows/runs/{run_id}"])
async def get_run(ctx: Ctx, install_id: str, run_id: str) -> wire.InstallActionWorkflowRun:
    """Return one run with its config, steps, job and log stream."""
    install = await installs.get(ctx, install_id)
    return await pages.run(ctx, await actions.get_run(ctx, install.id, run_id))


@route.get(
    "/v1/installs/{install_id}/actions/runs/{run_id}/steps/{step_id}",
    deprecated=["/v1/installs/{install_id}/action-workflows/runs/{workflow_run_id}/steps/{step_id}"],
)
async def get_run_step(ctx: Ctx, install_id: str, run_id: str, workflow_run_id: str, step_id: str) -> wire.InstallActionWorkflowRunStep:
    """Return one step of a run."""
    install = await installs.get(ctx, install_id)
    run = await actions.get_run(ctx, install.id, run_id or workflow_run_id)
    return pages.run_step(await actions.get_run_step(ctx, run, step_id))


@route.get(
    "/v1/installs/{install_id}/actions/{action_id}/recent-runs",
    deprecated=["/v1/installs/{install_id}/action-workflows/{action_workflow_id}/recent-runs"],
)
async def list_recent_runs(ctx: Ctx, install_id: str, action_id: str, action_workflow_id: str, page: Page) -> wire.InstallActionWorkflow:
    """Return one action of an install with a page of its runs."""
    row, of = await _action(ctx, install_id, action_id or action_workflow_id)
    runs = queries.runs_of(ctx.actor, row.install_id).where(InstallActionWorkflowRun.install_action_workflow_id == row.id)
    found = await every(ctx.db, runs.offset(page.offset).limit(page.fetch))
    return await pages.recent(ctx, row, of, page.cut(found))


@route.get(
    "/v1/installs/{install_id}/actions/{action_id}",
    deprecated=["/v1/installs/{install_id}/action-workflows/{action_workflow_id}"],
)
async def get_action(ctx: Ctx, install_id: str, action_id: str, action_workflow_id: str) -> wire.InstallActionWorkflow:
    """Return one action of an install with its newest runs."""
    return await _shown(ctx, install_id, action_id or action_workflow_id)


@route.post(
    "/v1/installs/{install_id}/actions/{action_id}",
    deprecated=["/v1/installs/{install_id}/action-workflows/{action_workflow_id}"],
    status=200,
    hidden=True,
)
async def read_action(ctx: Ctx, install_id: str, action_id: str, action_workflow_id: str) -> wire.InstallActionWorkflow:
    """The same read, by the method under which the original serves it."""
    return await _shown(ctx, install_id, action_id or action_workflow_id)


async def _shown(ctx: Ctx, install_ref: str, action_ref: str) -> wire.InstallActionWorkflow:
    row, of = await _action(ctx, install_ref, action_ref)
    runs = queries.runs_of(ctx.actor, row.install_id).where(InstallActionWorkflowRun.install_action_workflow_id == row.id)
    return pages.install_action(row, of, [pages.bare(each) for each in await every(ctx.db, runs.limit(BELOW))])


async def _action(ctx: Ctx, install_ref: str, action_ref: str) -> tuple[InstallActionWorkflow, ActionWorkflow]:
    install = await installs.get(ctx, install_ref)
    found = (await ctx.db.execute(queries.by_ref(ctx.actor, install.id, action_ref))).first()
    if found is None:
        raise errors.NotFound(f"the install has no action {action_ref!r}")
    return found[0], found[1]
