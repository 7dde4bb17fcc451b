"""Terraform's HTTP state backend, and its locks (spec runner.md 1.7; rows 20-24)."""

import base64
import hashlib

from litestar import Response

from exclave.api.route import AnyRequest, MiB, Reply, Routes
from exclave.domain.runners import access
from exclave.domain.workspaces import queries, service, shapes
from exclave.kit import db, errors
from exclave.kit.context import Ctx
from exclave.wire.base import JSONObject
from exclave.wire.public import workspaces as wire

route = Routes("terraform", "runner")

STATE_LIMIT = 64 * MiB


@route.get("/v1/terraform-backend", also=[204], answers=JSONObject)
async def get_state(ctx: Ctx, reply: Reply, workspace_id: str = "") -> Response[bytes]:
    """Get the newest state; 204 when there is none."""
    access.runner_only(ctx.actor)  # people read it, masked, on the public API
    state = await service.get(ctx, workspace_id)
    if state is None:
        return Response(b"", status_code=204)
    return Response(state, media_type="application/json")


@route.post("/v1/terraform-backend", status=200, limit=STATE_LIMIT)
async def put_state(ctx: Ctx, request: AnyRequest, raw: bytes, workspace_id: str = "", job_id: str = "") -> str:
    """Keep the next version of the state, under the lock `ID`."""
    check_md5(request, raw)
    await service.put(ctx, workspace_id, raw, lock_id=str(request.query_params.get("ID", "")), job_id=job_id)
    return ""


@route.delete("/v1/terraform-backend")
async def delete_state(ctx: Ctx, workspace_id: str = "") -> str:
    """Do nothing: versions of a state are kept, as the original does."""
    await service.find(ctx, workspace_id)
    return ""


@route.post("/v1/terraform-workspaces/{workspace_id}/lock", status=200)
async def lock(ctx: Ctx, workspace_id: str, raw: bytes, job_id: str = "") -> str:
    """Take the lock; 423 with its holder when somebody has it."""
    await service.lock(ctx, workspace_id, raw, job_id=job_id)
    return ""


@route.post("/v1/terraform-workspaces/{workspace_id}/unlock", status=200)
async def unlock(ctx: Ctx, workspace_id: str, raw: bytes, job_id: str = "") -> str:
    """Give the lock back."""
    await service.unlock(ctx, workspace_id, raw, job_id=job_id)
    return ""


@route.post("/v1/terraform-workspaces/{workspace_id}/state-json", status=200, limit=STATE_LIMIT)
async def put_snapshot(ctx: Ctx, workspace_id: str, raw: bytes, job_id: str = "") -> dict[str, str]:
    """Keep a `terraform show -json` document."""
    await service.put_snapshot(ctx, workspace_id, raw, job_id=job_id)
    return {"message": "state was stored"}


@route.get("/v1/terraform-workspaces")
async def get_workspaces(ctx: Ctx) -> list[wire.TerraformWorkspace]:
    """List the workspaces that the runner's jobs work on."""
    return [shapes.workspace(row) for row in await db.every(ctx.db, queries.visible_to(ctx.actor))]


@route.get("/v1/terraform-workspaces/{workspace_id}", deprecated=["/v1/terraform-workspace/{workspace_id}"])
async def get_workspace(ctx: Ctx, workspace_id: str) -> wire.TerraformWorkspace:
    """Get a workspace."""
    return shapes.workspace(await service.find(ctx, workspace_id))


def check_md5(request: AnyRequest, body: bytes) -> None:
    """Terraform sends the MD5 of what it meant to write."""
    announced = request.headers.get("content-md5", "")
    if announced and base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode() != announced:
        raise errors.Invalid("the body is not what its Content-MD5 says: it was cut or changed on the way")
