"""What Terraform asks of its backend while its job runs, each as one statement made once: the fence and what it allows.

A run of Terraform waits for these calls, so none takes more turns with the database than it must. They only do what everything allows:
when one finds nothing to do, `service` looks closer and says why. The fence is that of `jobs.fencing`, for a job on this workspace.
"""

# ruff: noqa: S608 - the statements are put together once, of words in this file; values are bound

from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, BigInteger, DateTime, Integer, LargeBinary, Select, String, bindparam, literal_column, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB

from exclave.domain.jobs import fencing
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecution
from exclave.domain.runners import access
from exclave.domain.workspaces.models import (
    TerraformWorkspace,
    TerraformWorkspaceLock,
    TerraformWorkspaceState,
    TerraformWorkspaceStateJSON,
)
from exclave.kit import time
from exclave.kit.context import Ctx
from exclave.kit.prepared import Prepared, in_org

_row = select(TerraformWorkspace.id).where(
    TerraformWorkspace.id == bindparam("workspace"), in_org(TerraformWorkspace), TerraformWorkspace.deleted_at == 0
)
_no_turn = _row.cte("workspace")
# The turn of a workspace, until the end of the transaction. `live` reads from it, so it is taken before the execution is locked.
_turn = _row.with_for_update(key_share=True).cte("workspace")


def _of(workspace: CTE, fence: Select[str]) -> CTE:
    """The execution that may write for a job on the workspace; the one that is named, if one is."""
    named = or_(bindparam("execution", type_=String) == literal_column("''"), RunnerJobExecution.id == bindparam("execution"))
    return fence.where(RunnerJob.workspace_id == workspace.c.id, named).cte("live")


_ROW = "id, org_id, created_by_id, created_at, updated_at, deleted_at"
_ROW_VALUES = ":id, :org, :account, :moment, :moment, 0"
_NEWEST = """
    from terraform_workspace_states
    where terraform_workspace_id = :workspace and (org_id = :org) is true and deleted_at = 0
    order by revision desc
    limit 1"""


@dataclass(frozen=True)
class Newest:
    """The newest version of a state, without what it holds."""

    revision: int
    serial: int
    lineage: str
    digest: str


@dataclass(frozen=True)
class Now:
    """How a workspace stands: the id of its lock (empty: not locked) and its newest version."""

    lock_id: str
    newest: Newest | None


def _statement(words: str, live: CTE | None = None, **types: Any) -> Prepared[Any]:
    made = text(words).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))
    return Prepared(made if live is None else made.columns().add_cte(live))


_READ = _statement(
    f"select live.id, newest.id, newest.contents from live left join (select id, contents {_NEWEST}) newest on true",
    _of(_no_turn, fencing.running()),
)

_TAKE_TURN = _statement("select id from live", _of(_turn, fencing.running()))

_LOOK = _statement(f"""
    select held.lock_id, newest.revision, newest.serial, newest.lineage, newest.digest
    from (select 1) one
    left join terraform_workspace_locks held on held.workspace_id = :workspace and (held.org_id = :org) is true
    left join (select revision, serial, lineage, digest {_NEWEST}) newest on true""")

_LOCK = _statement(
    f"""
    insert into terraform_workspace_locks ({_ROW}, workspace_id, runner_job_id, runner_job_execution_id, lock_id, lock)
    select {_ROW_VALUES}, :workspace, :job, live.id, :lock_id, :lock from live
    on conflict (workspace_id) do nothing
    returning runner_job_execution_id""",
    _of(_turn, fencing.live()),
    moment=DateTime(timezone=True),
    lock=JSONB,
)

_UNLOCK = _statement(
    """
    delete from terraform_workspace_locks held using live
    where held.workspace_id = :workspace and (held.org_id = :org) is true and held.runner_job_execution_id = live.id
      and (:lock_id = '' or held.lock_id = :lock_id)
    returning held.id""",
    _of(_turn, fencing.live()),
)

# A plan and its apply are jobs of one owner. Who planned before that is not meant: what was made of it may write no more.
_APPLIES = _statement("""
    select applies.id
    from runner_jobs planned
    join runner_jobs applies on applies.owner_id = planned.owner_id and applies.created_at > planned.created_at
    where planned.id = :job and planned.workspace_id = :workspace and planned.runner_id = :runner and (planned.org_id = :org) is true
      and planned.operation in ('create-apply-plan', 'create-teardown-plan') and planned.status = 'finished'
      and applies.workspace_id = :workspace and applies.runner_id = :runner and applies.operation = 'apply-plan'
      and not exists (
        select from runner_jobs later
        where later.owner_id = planned.owner_id and later.created_at > planned.created_at and later.workspace_id = :workspace
          and later.operation in ('create-apply-plan', 'create-teardown-plan'))
    order by applies.created_at desc
    limit 1""")

# For whoever has the turn, or only asks.
_WRITER = _statement("select id from live", _of(_no_turn, fencing.live()))

_INSERT_STATE = _statement(
    f"""
    insert into terraform_workspace_states
      ({_ROW}, terraform_workspace_id, runner_job_id, revision, serial, lineage, contents, digest)
    select {_ROW_VALUES}, :workspace, :job, :revision, :serial, :lineage, :contents, :digest from live
    returning id""",
    _of(_no_turn, fencing.live()),
    moment=DateTime(timezone=True),
    revision=Integer,
    serial=BigInteger,
    contents=LargeBinary,
)

_INSERT_SNAPSHOT = _statement(
    f"""
    insert into terraform_workspace_state_jsons ({_ROW}, workspace_id, runner_job_id, contents)
    select {_ROW_VALUES}, :workspace, :job, :contents from live
    returning id""",
    _of(_no_turn, fencing.live()),
    moment=DateTime(timezone=True),
    contents=LargeBinary,
)


async def read(ctx: Ctx, workspace_id: str) -> tuple[str, bytes | None] | None:
    """Return the newest state (its id and sealed contents, `("", None)` when there is none) to a running execution; None to others."""
    if not ctx.actor.scope:
        return None
    found = await _READ.records(ctx.db, **_who(ctx, workspace_id, ""))
    return (found[0][1] or "", found[0][2]) if found else None


async def works_for(ctx: Ctx, workspace_id: str, job_id: str) -> str:
    """Return the job that an official runner works for: the one that it names, or the one that applies what that one planned.

    Terraform applies a plan file at the address that is written in it: that names the job that planned. Our own runner names none.
    """
    if not job_id or not ctx.actor.runner_id or ctx.actor.scope:
        return job_id
    who = _who(ctx, workspace_id, job_id)
    del who["execution"]
    found = await _APPLIES.records(ctx.db, **who)
    return str(found[0][0]) if found else job_id


async def writer(ctx: Ctx, workspace_id: str, job_id: str) -> str | None:
    """Return the running execution that the token or the job names, if its job works on this workspace."""
    found = await _WRITER.records(ctx.db, **_who(ctx, workspace_id, job_id))
    return found[0][0] if found else None


async def take_turn(ctx: Ctx, workspace_id: str, job_id: str) -> bool:
    """Let the running execution of a job take the turn of a workspace until the end of the transaction. Tell whether it did."""
    return bool(await _TAKE_TURN.records(ctx.db, **_who(ctx, workspace_id, job_id)))


async def look(ctx: Ctx, workspace_id: str) -> Now:
    """Return what a write must know. Take the turn first, in a statement before this one, or it may be another's past."""
    ((lock_id, *newest),) = await _LOOK.records(ctx.db, workspace=workspace_id, org=ctx.org_id)
    return Now(lock_id or "", Newest(*newest) if newest[0] is not None else None)


async def take_lock(ctx: Ctx, row: TerraformWorkspaceLock) -> bool:
    """Insert a lock for the running execution of its job unless the workspace is locked. Tell whether it was taken."""
    given = {"lock_id": row.lock_id, "lock": row.lock}
    taken = await _LOCK.records(ctx.db, **_new(ctx, row, row.workspace_id, given))
    if not taken:
        return False
    row.runner_job_execution_id = taken[0][0]
    return True


async def give_lock_back(ctx: Ctx, workspace_id: str, lock_id: str, *, job_id: str) -> bool:
    """Delete the lock that the running execution holds, by its id where one is named. Tell whether it was there."""
    given = {**_who(ctx, workspace_id, job_id), "lock_id": lock_id}
    return bool(await _UNLOCK.records(ctx.db, **given))


async def insert_state(ctx: Ctx, row: TerraformWorkspaceState) -> bool:
    """Insert a version of the state if the execution of its job runs. Tell whether it was inserted."""
    given = {name: getattr(row, name) for name in ("revision", "serial", "lineage", "contents", "digest")}
    return bool(await _INSERT_STATE.records(ctx.db, **_new(ctx, row, row.terraform_workspace_id, given)))


async def insert_snapshot(ctx: Ctx, row: TerraformWorkspaceStateJSON) -> bool:
    """Insert a snapshot if the execution of its job runs. Tell whether it was inserted."""
    given = {"contents": row.contents}
    return bool(await _INSERT_SNAPSHOT.records(ctx.db, **_new(ctx, row, row.workspace_id, given)))


def _who(ctx: Ctx, workspace_id: str, job_id: str) -> dict[str, Any]:
    """Who asks: the execution that the token is of, or else whichever runs of the job that is named. Nobody without a runner."""
    scoped_job, scoped_execution = access.execution_in_scope(ctx.actor)
    return {
        "workspace": workspace_id,
        "org": ctx.org_id,
        "runner": ctx.actor.runner_id,
        "job": scoped_job or job_id,
        "execution": scoped_execution,
    }


def _new(ctx: Ctx, row: Any, workspace_id: str, given: dict[str, Any]) -> dict[str, Any]:
    who = _who(ctx, workspace_id, row.runner_job_id)
    return {**who, "id": row.id, "account": ctx.actor.account_id, "moment": time.now(), **given}
