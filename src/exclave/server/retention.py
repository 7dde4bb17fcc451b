"""What nobody can ask for again leaves after a week: answers of side work, tokens past their end, plan files that nothing applies any more.

What people can read stays: workflows, jobs and their results, logs, versions of a state, the audit rows.
"""

from datetime import timedelta

from sqlalchemy import TextClause, text

from exclave.kit.context import Runtime

KEEP = timedelta(days=7)
_AT_A_TIME = 500  # rows in a transaction: nobody waits long for a lock, and a chore that is cut off has not worked for nothing

# A step reads its answer while it runs, and its next attempt makes a call of its own.
_ANSWERS = text("""
delete from engine_calls where id in (
    select c.id from engine_calls c join install_workflows w on w.id = c.workflow_id
    where c.state <> 'queued' and c.updated_at < clock_timestamp() - cast(:keep as interval)
      and w.state = 'finished' and w.finished_at < clock_timestamp() - cast(:keep as interval)
    limit :size)
returning 1
""")
# Each claim of a job makes one, each start of a local runner another. They open nothing: past their end, or revoked.
_TOKENS = text("""
delete from tokens where id in (
    select id from tokens where expires_at < clock_timestamp() - cast(:keep as interval)
       or (deleted_at <> 0 and to_timestamp(deleted_at) < clock_timestamp() - cast(:keep as interval))
    limit :size)
returning 1
""")
# The file is there to be applied by a later step of its workflow, and a workflow that ended well or was cancelled never goes on.
# One that failed may be retried at any time: its files stay. So does what people see of a plan, `contents_display`.
_PLAN_FILES = text("""
update runner_job_execution_results set contents = null where id in (
    select r.id from runner_job_execution_results r
    join runner_job_executions e on e.id = r.runner_job_execution_id
    join runner_jobs j on j.id = e.runner_job_id
    join install_workflow_steps s on s.id = split_part(j.step_key, ':', 1)
    join install_workflows w on w.id = s.install_workflow_id
    where r.contents is not null and w.state = 'finished' and w.status ->> 'status' in ('success', 'cancelled')
      and w.finished_at < clock_timestamp() - cast(:keep as interval)
    limit :size)
returning 1
""")


async def remove_spent(runtime: Runtime) -> int:
    """Remove all of it that is a week old, some rows at a time; return how many rows that were."""
    return sum([await _in_batches(runtime, statement) for statement in (_ANSWERS, _TOKENS, _PLAN_FILES)])


async def _in_batches(runtime: Runtime, statement: TextClause) -> int:
    removed = 0
    while True:
        async with runtime.sweep() as ctx:
            batch = len((await ctx.db.execute(statement, {"keep": KEEP, "size": _AT_A_TIME})).all())
        removed += batch
        if batch < _AT_A_TIME:
            return removed
