"""Terraform workspaces: state versions with serial and lineage, and one lock each.

Every write comes from a live execution of a job that works on the workspace, or from a person of the org who holds the lock.
Writers of one workspace take turns on its row.
"""

import hashlib
from typing import Any

import msgspec

from exclave.domain.audit import service as audit
from exclave.domain.jobs import rules as job_rules
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.events import ExecutionEnded
from exclave.domain.orgs import keys
from exclave.domain.runners import access
from exclave.domain.workspaces import fencing, queries, rules
from exclave.domain.workspaces.models import (
    TerraformWorkspace,
    TerraformWorkspaceLock,
    TerraformWorkspaceState,
    TerraformWorkspaceStateJSON,
)
from exclave.kit import db, errors, time
from exclave.kit.context import Ctx
from exclave.kit.db import Tenant


async def ensure(ctx: Ctx, owner: Tenant) -> TerraformWorkspace:
    """Return the workspace of an owner; make it once."""
    return await ensure_of(ctx, owner.org_id, owner.__tablename__, owner.id)


async def ensure_of(ctx: Ctx, org_id: str, owner_type: str, owner_id: str) -> TerraformWorkspace:
    known = await queries.OF_OWNER.first(ctx.db, org=org_id, owner_type=owner_type, owner=owner_id)
    if known is not None:
        return known
    workspace = TerraformWorkspace(org_id=org_id, created_by_id=ctx.actor.account_id, owner_id=owner_id, owner_type=owner_type)
    ctx.db.add(workspace)
    await audit.record(ctx, "create", workspace)
    return workspace


async def find(ctx: Ctx, workspace_id: str) -> TerraformWorkspace:
    """Return a workspace, or raise `NotFound`."""
    workspace: TerraformWorkspace = await db.one(
        ctx.db, queries.by_id(ctx.actor, workspace_id), or_raise=errors.NotFound(f"no Terraform workspace {workspace_id}")
    )
    return workspace


async def remove(ctx: Ctx, workspace_id: str) -> TerraformWorkspace:
    """Delete a workspace. Raises `Conflict` while it is locked, or while its state holds resources: nothing else knows them."""
    workspace = await _turn(ctx, workspace_id)
    if await lock_of(ctx, workspace_id) is not None:
        raise errors.Conflict(f"the workspace {workspace_id} is locked")
    state = await get(ctx, workspace_id)
    if state is not None and rules.holds_resources(state):
        raise errors.Conflict(f"the state of the workspace {workspace_id} holds resources: destroy them first")
    workspace.deleted_at = int(time.now().timestamp())
    await audit.record(ctx, "delete", workspace)
    return workspace


async def get(ctx: Ctx, workspace_id: str) -> bytes | None:
    """Return the newest state with its secrets, for the runner's Terraform; None when there is none."""
    if (found := await fencing.read(ctx, workspace_id)) is not None:
        state_id, sealed = found
        if sealed is None:
            return None
        return await keys.unseal_value(ctx, ctx.org_id, TerraformWorkspaceState.__tablename__, "contents", state_id, sealed)
    await find(ctx, workspace_id)
    if ctx.actor.scope:
        raise await _stale(ctx, "")
    newest = await db.first(ctx.db, queries.states_of(workspace_id, ctx.org_id).limit(1))
    return await keys.unseal(ctx, newest, "contents") if newest is not None else None


async def put(ctx: Ctx, workspace_id: str, contents: bytes, *, lock_id: str = "", job_id: str = "") -> TerraformWorkspaceState:
    """Keep the next version of the state. The same serial with the same bytes is a repeat and answered as before.

    Raises `Stale` from an execution that may not write any more, and `Conflict` when the lock is another's, the serial did not
    grow, or the lineage is another.
    """
    if len(contents) > rules.STATE_LIMIT:
        raise errors.TooLarge(f"a state of more than {rules.STATE_LIMIT} bytes is not kept")
    state = rules.read_state(contents)
    job_id = await fencing.works_for(ctx, workspace_id, job_id)
    digest = "sha256:" + hashlib.sha256(contents).hexdigest()
    person = _is_person(ctx)
    if person or not await fencing.take_turn(ctx, workspace_id, job_id):
        await _turn(ctx, workspace_id)
        if not person:
            raise await _stale(ctx, job_id)
    now = await fencing.look(ctx, workspace_id)
    rules.check_lock(now.lock_id, lock_id, must_hold=person)
    if (newest := now.newest) is not None and rules.is_repeat(
        state, digest, serial=newest.serial, lineage=newest.lineage, digest_before=newest.digest
    ):
        known: TerraformWorkspaceState = await db.one(ctx.db, queries.states_of(workspace_id, ctx.org_id).limit(1))
        return known
    row = TerraformWorkspaceState(
        org_id=ctx.org_id,
        created_by_id=ctx.actor.account_id,
        terraform_workspace_id=workspace_id,
        runner_job_id=_job(ctx, job_id),
        revision=newest.revision + 1 if newest is not None else 1,
        serial=state.serial,
        lineage=state.lineage,
        digest=digest,
    )
    row.contents = await keys.seal(ctx, row, "contents", contents)
    if person:
        ctx.db.add(row)
        await ctx.db.flush()
        await audit.record(ctx, "write_state", row, serial=state.serial)
    elif not await fencing.insert_state(ctx, row):
        raise await _stale(ctx, job_id)
    return row


async def lock(ctx: Ctx, workspace_id: str, body: bytes, *, job_id: str = "") -> TerraformWorkspaceLock:
    """Take the lock of a workspace. Taking it again with the same id is a repeat.

    Raises `Locked` with the holder as Terraform reads it, or `Stale` from an execution that may not write any more.
    """
    wanted = rules.read_lock(body)
    if not wanted.id:
        raise errors.Invalid("the body names no lock id (`ID`)")
    job_id = await fencing.works_for(ctx, workspace_id, job_id)
    person = _is_person(ctx)
    row = TerraformWorkspaceLock(
        org_id=ctx.org_id,
        created_by_id=ctx.actor.account_id,
        workspace_id=workspace_id,
        runner_job_id=_job(ctx, job_id),
        runner_job_execution_id="",
        lock_id=wanted.id,
        lock=rules.stored_lock(wanted),
    )
    if not person and await fencing.take_lock(ctx, row):
        return row
    await _turn(ctx, workspace_id)
    execution_id = "" if person else await fencing.writer(ctx, workspace_id, job_id)
    if execution_id is None:
        raise await _stale(ctx, job_id)
    held: TerraformWorkspaceLock | None = await db.first(ctx.db, queries.lock_of(workspace_id, ctx.org_id))
    if held is not None:
        if held.lock_id == wanted.id and held.runner_job_execution_id == execution_id:
            return held
        raise errors.Locked(
            f"the workspace {workspace_id} is locked by {held.lock.get('who') or 'somebody'} ({held.lock.get('operation') or 'unknown'})",
            raw_body=rules.terraform_lock(held.lock),
        )
    if person:
        ctx.db.add(row)
        await ctx.db.flush()
        await audit.record(ctx, "lock", row)
    elif not await fencing.take_lock(ctx, row):  # the lock was given back while this waited for its turn
        raise await _stale(ctx, job_id)
    return row


async def unlock(ctx: Ctx, workspace_id: str, body: bytes, *, job_id: str = "") -> None:
    """Give the lock back, by its id. A workspace that is not locked is unlocked already.

    An official runner that shuts down names no id: it gives back the lock of its own job. Raises `Conflict` for another id,
    `Stale` from an execution that may not write any more.
    """
    given = rules.read_lock(body)
    job_id = await fencing.works_for(ctx, workspace_id, job_id)
    if await fencing.give_lock_back(ctx, workspace_id, given.id, job_id=job_id):
        return
    await _turn(ctx, workspace_id)
    # Whoever cannot be told apart from the holder may not unlock: the id alone is no proof.
    execution_id = await fencing.writer(ctx, workspace_id, job_id)
    held = await db.first(ctx.db, queries.lock_of(workspace_id, ctx.org_id))
    if held is None:
        return
    if _is_person(ctx):
        raise errors.Forbidden("a lock is forced open through the public API only")
    if execution_id is None and not job_id and ctx.actor.runner_id and not ctx.actor.scope:
        execution_id = await fencing.writer(ctx, held.workspace_id, held.runner_job_id)
    if execution_id is None:
        raise await _stale(ctx, job_id)
    if held.runner_job_execution_id != execution_id or (given.id and given.id != held.lock_id):
        raise errors.Conflict(f"the lock of the workspace {workspace_id} is {held.lock_id}, held by {held.lock.get('who') or 'somebody'}")
    await ctx.db.delete(held)


async def force_unlock(ctx: Ctx, workspace_id: str, body: bytes = b"") -> None:
    """Open the lock of a workspace as a person, whoever holds it. When the body names a lock id, only that one is opened."""
    given = rules.read_lock(body)
    workspace = await _turn(ctx, workspace_id)
    held = await db.first(ctx.db, queries.lock_of(workspace_id, ctx.org_id))
    if held is None:
        return
    if given.id and given.id != held.lock_id:
        raise errors.Conflict(f"the lock of the workspace {workspace_id} is {held.lock_id}")
    await ctx.db.delete(held)
    await audit.record(
        ctx, "force_unlock", workspace, lock_id=held.lock_id, job_id=held.runner_job_id, execution_id=held.runner_job_execution_id
    )


async def lock_of(ctx: Ctx, workspace_id: str) -> TerraformWorkspaceLock | None:
    """Return who holds a workspace."""
    await find(ctx, workspace_id)
    return await db.first(ctx.db, queries.lock_of(workspace_id, ctx.org_id))


async def release_locks_of(ctx: Ctx, execution_id: str) -> None:
    """Give back what an execution that is over still holds."""
    await queries.RELEASE.send(ctx.db, execution=execution_id)


async def release_after(ctx: Ctx, event: ExecutionEnded) -> None:
    """Follow the end of an execution (subscriber of `ExecutionEnded`)."""
    await release_locks_of(ctx, event.execution_id)


async def put_snapshot(ctx: Ctx, workspace_id: str, contents: bytes, *, job_id: str = "") -> TerraformWorkspaceStateJSON:
    """Keep a `terraform show -json` document, which is what people look at."""
    rules.read_show(contents)
    row = TerraformWorkspaceStateJSON(
        org_id=ctx.org_id, created_by_id=ctx.actor.account_id, workspace_id=workspace_id, runner_job_id=_job(ctx, job_id)
    )
    row.contents = await keys.seal(ctx, row, "contents", contents)
    if not await fencing.insert_snapshot(ctx, row):
        await find(ctx, workspace_id)
        raise await _stale(ctx, job_id)
    return row


async def newest(ctx: Ctx, workspace_id: str) -> TerraformWorkspaceState | None:
    """Return the newest version of the state; None when there is none."""
    await find(ctx, workspace_id)
    return await db.first(ctx.db, queries.states_of(workspace_id, ctx.org_id).limit(1))


async def state_by_id(ctx: Ctx, workspace_id: str, state_id: str) -> TerraformWorkspaceState:
    """Return a version of the state, or raise `NotFound`."""
    await find(ctx, workspace_id)
    row: TerraformWorkspaceState = await db.one(
        ctx.db,
        queries.states_of(workspace_id, ctx.org_id).where(TerraformWorkspaceState.id == state_id),
        or_raise=errors.NotFound(f"no state {state_id}"),
    )
    return row


async def shown(ctx: Ctx, state: TerraformWorkspaceState) -> bytes:
    """Return what people may see of a version of the state."""
    contents = await keys.unseal(ctx, state, "contents")
    return rules.masked_state(contents, await _given_in_secret(ctx, state.runner_job_id))


async def _given_in_secret(ctx: Ctx, job_id: str) -> list[Any]:
    """The variables that the job was given as secrets; none where a person wrote what is shown."""
    try:
        plan = await jobs.plan_of(ctx, job_id)
    except errors.NotFound:
        return []
    return job_rules.secret_variables(msgspec.json.decode(plan))


async def snapshot_by_id(ctx: Ctx, workspace_id: str, snapshot_id: str) -> TerraformWorkspaceStateJSON:
    """Return a `terraform show -json` snapshot, or raise `NotFound`."""
    await find(ctx, workspace_id)
    row: TerraformWorkspaceStateJSON = await db.one(
        ctx.db,
        queries.snapshots_of(workspace_id, ctx.org_id).where(TerraformWorkspaceStateJSON.id == snapshot_id),
        or_raise=errors.NotFound(f"no state {snapshot_id}"),
    )
    return row


async def shown_snapshot(ctx: Ctx, snapshot: TerraformWorkspaceStateJSON) -> Any:
    """Return what people may see of a snapshot. Our runner sends it masked, others as Terraform shows it."""
    document = msgspec.json.decode(await keys.unseal(ctx, snapshot, "contents"))
    return rules.masked_show(document, await _given_in_secret(ctx, snapshot.runner_job_id))


async def resources_in(ctx: Ctx, snapshot: TerraformWorkspaceStateJSON) -> list[str]:
    """Return the addresses of the resources in a snapshot, sorted."""
    return rules.resources_in(msgspec.json.decode(await keys.unseal(ctx, snapshot, "contents")))


async def _turn(ctx: Ctx, workspace_id: str) -> TerraformWorkspace:
    """Take the turn of a workspace until the end of the transaction."""
    statement = queries.by_id(ctx.actor, workspace_id).with_for_update(key_share=True, of=TerraformWorkspace)
    workspace: TerraformWorkspace = await db.one(ctx.db, statement, or_raise=errors.NotFound(f"no Terraform workspace {workspace_id}"))
    return workspace


def _is_person(ctx: Ctx) -> bool:
    return not ctx.actor.runner_id and not ctx.actor.scope


def _job(ctx: Ctx, job_id: str) -> str:
    return access.execution_in_scope(ctx.actor)[0] or job_id


async def _stale(ctx: Ctx, job_id: str) -> errors.Problem:
    scoped_job, scoped_execution = access.execution_in_scope(ctx.actor)
    if scoped_execution:
        return errors.Stale(f"the execution {scoped_execution} of the job {scoped_job} is over, or its lease has ended: stop working on it")
    if not job_id:
        return errors.Invalid("the query names no job (`job_id`): Terraform state is written for a job only")
    return errors.Stale(f"the job {job_id} is not running: nothing is written for it")
