"""Rows of this slice as the wire shows them (spec nesting.md, runners)."""

from exclave.domain.jobs import shapes as jobs
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.workspaces.models import (
    TerraformWorkspace,
    TerraformWorkspaceLock,
    TerraformWorkspaceState,
    TerraformWorkspaceStateJSON,
)
from exclave.wire.public import workspaces as wire


def workspace(row: TerraformWorkspace) -> wire.TerraformWorkspace:
    return wire.TerraformWorkspace(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        owner_id=row.owner_id,
        owner_type=row.owner_type,
    )


def lock(row: TerraformWorkspaceLock, job: RunnerJob | None) -> wire.TerraformWorkspaceLock:
    return wire.TerraformWorkspaceLock(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        workspace_id=row.workspace_id,
        lock=wire.TerraformLock(**row.lock),
        runner_job_id=row.runner_job_id,
        runner_job=jobs.brief(job) if job is not None else None,
    )


def state(row: TerraformWorkspaceState, *, job: RunnerJob | None = None, contents: bytes = b"") -> wire.TerraformWorkspaceState:
    return wire.TerraformWorkspaceState(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        terraform_workspace_id=row.terraform_workspace_id,
        revision=row.revision,
        contents=contents,
        runner_job_id=row.runner_job_id,
        runner_job=jobs.brief(job) if job is not None else None,
    )


def snapshot(row: TerraformWorkspaceStateJSON, job: RunnerJob | None) -> wire.TerraformWorkspaceStateJSON:
    return wire.TerraformWorkspaceStateJSON(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        workspace_id=row.workspace_id,
        runner_job_id=row.runner_job_id,
        runner_job=jobs.brief(job) if job is not None else None,
    )
