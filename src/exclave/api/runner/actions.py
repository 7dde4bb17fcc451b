"""What a runner reads and reports of the action runs of its own install."""

from exclave.api.pages import action_run as pages
from exclave.api.route import Routes
from exclave.domain.actions import queries
from exclave.domain.actions import service as actions
from exclave.domain.installs import service as installs
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.public import actions as wire
from exclave.wire.runner.jobs import UpdateInstallActionWorkflowRunStepRequest

route = Routes("actions", "runner")


@route.get(
    "/v1/apps/{app_id}/actions/{action_id}/configs/{action_config_id}",
    deprecated=["/v1/action-workflows/configs/{action_workflow_config_id}"],
)
async def get_config(ctx: Ctx, action_config_id: str, action_workflow_config_id: str) -> wire.ActionWorkflowConfig:
    """Return the config of an action with its steps."""
    row, _ = await actions.config_in(ctx, action_config_id or action_workflow_config_id)
    await installs.require_app(ctx, row.app_id)
    return await pages.shown_config(ctx, row)


@route.get(
    "/v1/apps/{app_id}/actions/{action_id}/latest-config",
    deprecated=["/v1/action-workflows/{action_workflow_id}/latest-config"],
)
async def get_latest_config(ctx: Ctx, action_id: str, action_workflow_id: str) -> wire.ActionWorkflowConfig:
    """Return the newest config of an action."""
    found = (await ctx.db.execute(queries.newest_config(ctx.org_id, action_id or action_workflow_id))).first()
    if found is None:
        raise errors.NotFound(f"no config of the action {action_id or action_workflow_id!r}")
    await installs.require_app(ctx, found[0].app_id)
    return await pages.shown_config(ctx, found[0])


@route.get("/v1/installs/{install_id}/actions/runs/{run_id}", deprecated=["/v1/installs/{install_id}/action-workflows/runs/{run_id}"])
async def get_run(ctx: Ctx, install_id: str, run_id: str) -> wire.InstallActionWorkflowRun:
    """Return a run of the runner's own install."""
    return await pages.run(ctx, await actions.require_own_run(ctx, install_id, run_id))


@route.put("/v1/installs/{install_id}/action-workflow-runs/{workflow_run_id}/steps/{step_id}")
async def update_run_step(
    ctx: Ctx, install_id: str, workflow_run_id: str, step_id: str, body: UpdateInstallActionWorkflowRunStepRequest
) -> wire.InstallActionWorkflowRunStep:
    """Report status and duration of a step. The run may be named by its workflow or its action."""
    step = await actions.report_step(
        ctx, install_id, workflow_run_id, step_id, status=body.status or "", execution_duration=body.execution_duration
    )
    return pages.run_step(step)
