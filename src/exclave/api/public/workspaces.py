"""Terraform workspaces as people see them: versions, snapshots, locks. What Terraform calls sensitive is asterisks (rule 7)."""

from collections.abc import Iterable
from typing import Any

from litestar import Response
from sqlalchemy import select

from exclave.api.route import AnyRequest, MiB, Page, Routes
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.workspaces import queries, service, shapes
from exclave.kit import db
from exclave.kit.context import Ctx
from exclave.wire.base import JSONObject
from exclave.wire.public import workspaces as wire

route = Routes("runners")

STATE_LIMIT = 64 * MiB


@route.get("/v1/terraform-workspaces")
async def get_workspaces(ctx: Ctx) -> list[wire.TerraformWorkspace]:
    """List the workspaces of the org."""
    return [shapes.workspace(row) for row in await db.every(ctx.db, queries.visible_to(ctx.actor))]


@route.post("/v1/terraform-workspaces", deprecated=["/v1/terraform-workspace"])
async def create_workspace(ctx: Ctx, body: wire.CreateTerraformWorkspaceRequest) -> wire.TerraformWorkspace:
    """Make the workspace of an owner, or find it."""
    return shapes.workspace(await service.ensure_of(ctx, ctx.org_id, body.owner_type, body.owner_id))


@route.get("/v1/terraform-workspaces/{workspace_id}")
async def get_workspace(ctx: Ctx, workspace_id: str) -> wire.TerraformWorkspace:
    """Get a workspace."""
    return shapes.workspace(await service.find(ctx, workspace_id))


@route.delete("/v1/terraform-workspaces/{workspace_id}")
async def delete_workspace(ctx: Ctx, workspace_id: str) -> wire.TerraformWorkspace:
    """Delete a workspace whose state holds nothing any more."""
    return shapes.workspace(await service.remove(ctx, workspace_id))


@route.get("/v1/terraform-workspaces/{workspace_id}/lock")
async def get_lock(ctx: Ctx, workspace_id: str) -> wire.TerraformWorkspaceLock | None:
    """Tell who holds a workspace; null when nobody does."""
    lock = await service.lock_of(ctx, workspace_id)
    if lock is None:
        return None
    return shapes.lock(lock, (await _jobs(ctx, [lock.runner_job_id])).get(lock.runner_job_id))


@route.post("/v1/terraform-workspaces/{workspace_id}/lock", status=200)
async def lock_workspace(ctx: Ctx, workspace_id: str, raw: bytes, job_id: str = "") -> str:
    """Lock a workspace as a person: no job works on it until it is unlocked. `job_id` only runners need."""
    await service.lock(ctx, workspace_id, raw)
    return ""


@route.post("/v1/terraform-workspaces/{workspace_id}/unlock", status=200)
async def unlock_workspace(ctx: Ctx, workspace_id: str, raw: bytes) -> str:
    """Open the lock of a workspace, whoever holds it; of one id only when the body names it."""
    await service.force_unlock(ctx, workspace_id, raw)
    return ""


@route.get("/v1/terraform-backend", also=[204], answers=JSONObject)
async def get_current_state(ctx: Ctx, workspace_id: str = "") -> Response[bytes]:
    """Get the newest state without what is sensitive; 204 when there is none."""
    state = await service.newest(ctx, workspace_id)
    if state is None:
        return Response(b"", status_code=204)
    return Response(await service.shown(ctx, state), media_type="application/json")


@route.post("/v1/terraform-backend", status=200, limit=STATE_LIMIT)
async def put_state(ctx: Ctx, request: AnyRequest, raw: bytes, workspace_id: str = "") -> str:
    """Write a state as a person, under a lock of one's own (`ID`)."""
    await service.put(ctx, workspace_id, raw, lock_id=str(request.query_params.get("ID", "")))
    return ""


@route.get(
    "/v1/terraform-workspaces/{workspace_id}/states",
    deprecated=["/v1/runners/terraform-workspace/{workspace_id}/states", "/v1/terraform-workspace/{workspace_id}/states"],
)
async def get_states(ctx: Ctx, workspace_id: str, page: Page) -> list[wire.TerraformWorkspaceState]:
    """List the versions of a state, newest first, without contents."""
    found = queries.states_of(workspace_id, ctx.org_id).offset(page.offset).limit(page.fetch)
    rows = page.cut(await db.every(ctx.db, found))
    jobs = await _jobs(ctx, (row.runner_job_id for row in rows))
    return [shapes.state(row, job=jobs.get(row.runner_job_id)) for row in rows]


@route.get(
    "/v1/terraform-workspaces/{workspace_id}/states/{state_id}",
    deprecated=["/v1/runners/terraform-workspace/{workspace_id}/states/{state_id}"],
)
async def get_state(ctx: Ctx, workspace_id: str, state_id: str) -> wire.TerraformWorkspaceState:
    """Get one version of a state, without what is sensitive."""
    row = await service.state_by_id(ctx, workspace_id, state_id)
    return shapes.state(row, contents=await service.shown(ctx, row))


@route.get(
    "/v1/terraform-workspaces/{workspace_id}/state-json",
    deprecated=["/v1/runners/terraform-workspace/{workspace_id}/state-json"],
)
async def get_snapshots(ctx: Ctx, workspace_id: str, page: Page) -> list[wire.TerraformWorkspaceStateJSON]:
    """List `terraform show -json` snapshots, newest first, without contents."""
    found = queries.snapshots_of(workspace_id, ctx.org_id).offset(page.offset).limit(page.fetch)
    rows = page.cut(await db.every(ctx.db, found))
    jobs = await _jobs(ctx, (row.runner_job_id for row in rows))
    return [shapes.snapshot(row, jobs.get(row.runner_job_id)) for row in rows]


@route.get(
    "/v1/terraform-workspaces/{workspace_id}/state-json/{state_id}",
    deprecated=["/v1/runners/terraform-workspace/{workspace_id}/state-json/{state_id}"],
)
async def get_snapshot(ctx: Ctx, workspace_id: str, state_id: str) -> Any:
    """Get a snapshot, without what is sensitive."""
    return await service.shown_snapshot(ctx, await service.snapshot_by_id(ctx, workspace_id, state_id))


@route.get(
    "/v1/terraform-workspaces/{workspace_id}/state-json/{state_id}/resources",
    deprecated=[
        "/v1/terraform-workspace/{workspace_id}/state-json/{state_id}/resources",
        "/v1/runners/terraform-workspace/{workspace_id}/state-json/{state_id}/resources",
        "/v1/runners/terraform-workspace/{workspace_id}/states/{state_id}/resources",
    ],
)
async def get_resources(ctx: Ctx, workspace_id: str, state_id: str) -> list[str] | None:
    """List the addresses of the resources in a snapshot, sorted; null when it has none."""
    return await service.resources_in(ctx, await service.snapshot_by_id(ctx, workspace_id, state_id)) or None


async def _jobs(ctx: Ctx, job_ids: Iterable[str]) -> dict[str, RunnerJob]:
    wanted = {job_id for job_id in job_ids if job_id}
    if not wanted:
        return {}
    return {
        job.id: job for job in await db.every(ctx.db, select(RunnerJob).where(RunnerJob.id.in_(wanted), RunnerJob.org_id == ctx.org_id))
    }
