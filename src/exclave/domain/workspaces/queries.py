"""Every SELECT on workspaces, limited to what the actor may see."""

from sqlalchemy import Select, bindparam, delete, exists, select

from exclave.domain.jobs.models import RunnerJob
from exclave.domain.runners import access
from exclave.domain.workspaces.models import (
    TerraformWorkspace,
    TerraformWorkspaceLock,
    TerraformWorkspaceState,
    TerraformWorkspaceStateJSON,
)
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org


def visible_to(actor: Actor) -> Select[TerraformWorkspace]:
    """People see all of their org; a runner what its jobs work on; the token of an execution the one workspace of its job."""
    found = select(TerraformWorkspace).where(TerraformWorkspace.org_id == actor.org_id, TerraformWorkspace.deleted_at == 0)
    job_id, _ = access.execution_in_scope(actor)
    if job_id:
        return found.where(exists().where(RunnerJob.id == job_id, RunnerJob.workspace_id == TerraformWorkspace.id))
    if actor.runner_id:
        return found.where(exists().where(RunnerJob.runner_id == actor.runner_id, RunnerJob.workspace_id == TerraformWorkspace.id))
    return found


def by_id(actor: Actor, workspace_id: str) -> Select[TerraformWorkspace]:
    return visible_to(actor).where(TerraformWorkspace.id == workspace_id)


OF_OWNER: Prepared[TerraformWorkspace] = Prepared(
    select(TerraformWorkspace).where(
        in_org(TerraformWorkspace),
        TerraformWorkspace.owner_type == bindparam("owner_type"),
        TerraformWorkspace.owner_id == bindparam("owner"),
        TerraformWorkspace.deleted_at == 0,
    )
)

RELEASE: Prepared[None] = Prepared(
    delete(TerraformWorkspaceLock).where(TerraformWorkspaceLock.runner_job_execution_id == bindparam("execution"))
)


def lock_of(workspace_id: str, org_id: str) -> Select[TerraformWorkspaceLock]:
    return select(TerraformWorkspaceLock).where(
        TerraformWorkspaceLock.workspace_id == workspace_id, TerraformWorkspaceLock.org_id == org_id
    )


def states_of(workspace_id: str, org_id: str) -> Select[TerraformWorkspaceState]:
    """Versions of the state, newest first."""
    return (
        select(TerraformWorkspaceState)
        .where(
            TerraformWorkspaceState.terraform_workspace_id == workspace_id,
            TerraformWorkspaceState.org_id == org_id,
            TerraformWorkspaceState.deleted_at == 0,
        )
        .order_by(TerraformWorkspaceState.revision.desc())
    )


def snapshots_of(workspace_id: str, org_id: str) -> Select[TerraformWorkspaceStateJSON]:
    """`terraform show -json` snapshots, newest first."""
    return (
        select(TerraformWorkspaceStateJSON)
        .where(
            TerraformWorkspaceStateJSON.workspace_id == workspace_id,
            TerraformWorkspaceStateJSON.org_id == org_id,
            TerraformWorkspaceStateJSON.deleted_at == 0,
        )
        .order_by(TerraformWorkspaceStateJSON.created_at.desc())
    )
