"""The page that this product was asked for: the sandbox runs of an install (spec nesting.md 3.1 and 4)."""

from typing import Any

from sqlalchemy import select

from exclave.api.pages.derived import FINISHERS
from exclave.api.pages.relations import LINKS, SANDBOX_RUN
from exclave.api.pages.tree import Plan, documents, grow, node_of
from exclave.domain.installs.models import Install
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.ids import is_id
from exclave.wire.public.sandboxes import InstallSandboxRun as Shape

_HIDDEN = ("drift-detected", "no-drift")  # plain statuses that the original leaves out: a drifted run has `drifted` and stays

DEFAULT_DEPTH: dict[str, Any] = {
    "created_by": {},
    "app_sandbox_config": {"public_git_vcs_config": {}, "connected_github_vcs_config": {"vcs_connection": {}}},
    "runner_jobs": {},
    "log_stream": {},
    "action_workflow_runs": {},
}
_DEFAULT = Plan(SANDBOX_RUN, LINKS, DEFAULT_DEPTH)
_ALL = Plan(SANDBOX_RUN, LINKS, None)
_COLUMNS = documents(SANDBOX_RUN, {link.key for link in LINKS[Shape]}, LINKS)


async def sandbox_runs(ctx: Ctx, install: str, *, offset: int, fetch: int, everything: bool) -> list[Shape]:
    """Return at most `fetch` runs of an install (id or name), newest first, at the original's depth or with everything below them.

    One statement finds the install and its runs, then one for each wave of nested objects: a constant number, whatever the rows.
    Errors: NotFound for an install that the caller may not see.
    """
    named = Install.id == install if is_id(install) else Install.name == install
    mine = (
        select(Install.id)
        .where(named, Install.org_id == ctx.org_id, Install.deleted_at == 0)
        .order_by(Install.created_at)
        .limit(1)
        .cte("mine")
    )
    page = (
        select(InstallSandboxRun)
        .where(InstallSandboxRun.install_id == select(mine.c.id).scalar_subquery(), InstallSandboxRun.deleted_at == 0)
        .where(InstallSandboxRun.org_id == ctx.org_id, InstallSandboxRun.status.not_in(_HIDDEN))
        .order_by(InstallSandboxRun.created_at.desc(), InstallSandboxRun.id.desc())
        .offset(offset)
        .limit(fetch)
        .subquery()
    )
    statement = (
        select(InstallSandboxRun.id, *_COLUMNS)
        .select_from(mine)
        .outerjoin(InstallSandboxRun, InstallSandboxRun.id.in_(select(page.c.id)))
        .order_by(InstallSandboxRun.created_at.desc(), InstallSandboxRun.id.desc())
    )
    found = (await ctx.db.execute(statement)).all()
    if not found:
        raise errors.NotFound(f"no install {install!r} in this org")
    roots = [node_of(Shape, doc, keys, None) for run_id, doc, keys, _ in found if run_id is not None]
    await grow(ctx.db, _ALL if everything else _DEFAULT, roots[: max(fetch - 1, 0)], FINISHERS, ctx.runtime.settings)
    return [root.shape for root in roots]
