"""Side work of a worker process: the tasks that steps call, and the chores that keep its disk and its tables small.

Each chore is one look at what nobody needs any more. It may run twice or not at all: the next hour sees the same rows.
"""

import asyncio
import contextlib
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import and_, delete, exists, func, literal, or_, select, text
from sqlalchemy.orm import aliased

from exclave.domain.artifacts.models import Blob, OCIArtifact
from exclave.domain.runners.models import Runner, RunnerHealthCheck, RunnerHeartBeat
from exclave.domain.vcs.models import PublicGitVCSConfig
from exclave.engine.tasks import Calls
from exclave.kit.context import Runtime
from exclave.server.retention import remove_spent

log = logging.getLogger(__name__)

UNNAMED_FOR = timedelta(days=1)  # longer than any request that stores bytes and then a row that names them
KEEP_CHECKS = timedelta(days=1)
KEEP_BEATS = timedelta(days=30)
KEEP_JOBS = timedelta(days=1)
_AT_A_TIME = 500
_LEAVING = ".leaving-"
_OURS = re.compile(rf"({re.escape(_LEAVING)})?[0-9a-f]{{64}}|\.incoming-.*")  # names that the blob store gives


def calls(runtime: Runtime) -> Calls:
    """What the worker of a process knows."""
    made = Calls(runtime)
    # Every hour: a machine that is on for an hour a day clears up, too.
    made.schedule("blobs.remove-unnamed", remove_unnamed_blobs, cron="7 * * * *")
    made.schedule("runners.prune-health", prune_health, cron="17 * * * *")
    made.schedule("engine.remove-orphan-wakeups", remove_orphan_wakeups, cron="27 * * * *")
    made.schedule("side.remove-ended-jobs", remove_ended_jobs, cron="37 * * * *")
    made.schedule("retention.remove-spent", remove_spent, cron="47 * * * *")
    return made


async def remove_unnamed_blobs(runtime: Runtime) -> int:
    """Remove what no row names and nobody touched for a day: uploads that were refused after they came in, or broke off."""
    directory = runtime.blobs.directory
    removed = 0
    before = time.time() - UNNAMED_FOR.total_seconds()
    for paths in _batches(await asyncio.to_thread(lambda: list(_old_files(directory, before)))):
        digests = {path: f"sha256:{path.name.removeprefix(_LEAVING)}" for path in paths}
        # Files first, then rows: whoever names an old file anew touches it before, and `_leave` sees that.
        named = await _named(runtime, digests.values())
        for path, digest in digests.items():
            if digest not in named:
                removed += await asyncio.to_thread(_leave, path, before)
            elif path.name.startswith(_LEAVING):  # the process ended between a look and its answer
                path.rename(path.with_name(path.name.removeprefix(_LEAVING)))
    if removed:
        log.info("removed %d blobs that no row names", removed)
    return removed


async def _named(runtime: Runtime, digests: Iterable[str]) -> set[str]:
    """Those of the digests that rows of any org name, also rows that are deleted but still there."""
    wanted = list(digests)
    named: set[str] = set()
    async with runtime.sweep() as ctx:
        for column in (Blob.digest, OCIArtifact.digest, PublicGitVCSConfig.archive):
            named |= set((await ctx.db.execute(select(column).where(column.in_(wanted)))).scalars())
    return named


def _old_files(directory: Path, before: float) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                yield from _old_files(Path(entry.path), before)
            elif _OURS.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < before:
                yield Path(entry.path)


def _leave(path: Path, before: float) -> int:
    """Remove a file unless it was touched meanwhile: moved aside first, so that what is looked at is what is removed."""
    aside = path.with_name(_LEAVING + path.name.removeprefix(_LEAVING))
    try:
        path.rename(aside)
        if aside.stat().st_mtime >= before:
            aside.rename(path)
            return 0
        aside.unlink()
    except FileNotFoundError:
        return 0  # another process was faster
    return 1


def _batches(paths: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(paths), _AT_A_TIME):
        yield paths[start : start + _AT_A_TIME]


async def prune_health(runtime: Runtime) -> int:
    """Drop health checks of the day before, and beats of deleted runners and of processes that a younger one has replaced."""
    younger = aliased(RunnerHeartBeat)
    replaced = exists().where(younger.runner_id == RunnerHeartBeat.runner_id, younger.beat_at > RunnerHeartBeat.beat_at)
    gone = exists().where(Runner.id == RunnerHeartBeat.runner_id, Runner.deleted_at != 0)
    moment = func.clock_timestamp()
    async with runtime.sweep() as ctx:
        checks = delete(RunnerHealthCheck).where(RunnerHealthCheck.minute < moment - literal(KEEP_CHECKS))
        beats = delete(RunnerHeartBeat).where(
            or_(
                and_(gone, RunnerHeartBeat.beat_at < moment - literal(KEEP_CHECKS)),
                and_(replaced, RunnerHeartBeat.beat_at < moment - literal(KEEP_BEATS)),
            )
        )
        removed = 0
        for statement, column in ((checks, RunnerHealthCheck.id), (beats, RunnerHeartBeat.id)):
            quiet = statement.returning(column).execution_options(synchronize_session=False)
            removed += len((await ctx.db.execute(quiet)).all())
    return removed


_ORPHANS = text("""
delete from wakeup k where k.waited_for = '' and k.due < clock_timestamp() - interval '1 hour'
and not exists (select 1 from install_workflows w where w.id = k.workflow_id) returning 1
""")


async def remove_orphan_wakeups(runtime: Runtime) -> int:
    """Drop wake-ups of workflows that do not exist: nobody would ever eat them."""
    async with runtime.sweep() as ctx:
        return len((await ctx.db.execute(_ORPHANS)).all())


# A job's last event says when it ended; one that has none any more is as old as it gets.
_ENDED = text("""
delete from procrastinate_jobs j where j.status not in ('todo', 'doing')
and not exists (select 1 from procrastinate_events e where e.job_id = j.id and e.at >= clock_timestamp() - cast(:keep as interval))
returning 1
""")
_SILENT = text("delete from procrastinate_workers where last_heartbeat < clock_timestamp() - cast(:keep as interval) returning 1")


async def remove_ended_jobs(runtime: Runtime) -> int:
    """Drop jobs that ended a day ago (those that went well left at once), and workers that nobody heard of since."""
    async with runtime.sweep() as ctx:
        ended = (await ctx.db.execute(_ENDED, {"keep": KEEP_JOBS})).all()
        silent = (await ctx.db.execute(_SILENT, {"keep": KEEP_JOBS})).all()
    return len(ended) + len(silent)
