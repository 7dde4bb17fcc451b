"""The page that this product was asked for: the sandbox runs of an install (spec nesting.md 3.1 and 4)."""

import functools
from typing import Any

from sqlalchemy import ColumnElement, select

from exclave.api.pages.derived import FINISHERS
from exclave.api.pages.relations import LINKS, SANDBOX_RUN
from exclave.api.pages.tree import Page, Tree, parameter
from exclave.domain.installs.models import Install
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.ids import is_id
from exclave.kit.session import on_driver
from exclave.wire.public.sandboxes import InstallSandboxRun as Shape

_HIDDEN = ("drift-detected", "no-drift")  # plain statuses that the original leaves out: a drifted run has `drifted` and stays

DEFAULT_DEPTH: dict[str, Any] = {
    "created_by": {},
    "app_sandbox_config": {"public_git_vcs_config": {}, "connected_github_vcs_config": {"vcs_connection": {}}},
    "runner_jobs": {},
    "log_stream": {},
    "action_workflow_runs": {},
}
# For the rest of the transaction. Planning such a statement anew, as PostgreSQL would choose to, takes longer than running it.
_PLAN_ONCE = "select set_config('plan_cache_mode', 'force_generic_plan', true)"

_AS_THE_ORIGINAL = Tree(SANDBOX_RUN, LINKS, FINISHERS, DEFAULT_DEPTH)
_EVERYTHING = Tree(SANDBOX_RUN, LINKS, FINISHERS)


async def sandbox_runs(ctx: Ctx, install: str, *, offset: int, fetch: int, everything: bool) -> list[Shape]:
    """Return at most `fetch` runs of an install (id or name), newest first, at the original's depth or with everything below them.

    The last of `fetch` runs only tells that there are more, and has nothing below it. One statement finds the install, its runs and what
    hangs on them, then one more for each wave below: a constant number, whatever the rows.
    Errors: NotFound for an install that the caller may not see.
    """
    if everything:
        await on_driver(ctx.db, _PLAN_ONCE, (), reads=frozenset())
    page = _page(is_id(install), everything)
    found: list[Shape] | None = await page.read(ctx, install, ctx.org_id, offset, fetch, at_most=max(fetch - 1, 0))
    if found is None:
        raise errors.NotFound(f"no install {install!r} in this org")
    return found


@functools.cache
def _page(by_id: bool, everything: bool) -> Page:
    """The install named by $1 in the org $2, and its runs from offset $3 on, at most $4."""
    run = InstallSandboxRun
    named: ColumnElement[bool] = (Install.id if by_id else Install.name) == parameter(1, "text")
    mine = select(Install.id).where(named, Install.org_id == parameter(2, "text"), Install.deleted_at == 0)
    install = mine.order_by(Install.created_at).limit(1).cte("mine")
    newest_first: tuple[Any, ...] = (run.created_at.desc(), run.id.desc())
    rows = (
        select(*run.__table__.c)
        .where(run.install_id == select(install.c.id).scalar_subquery(), run.deleted_at == 0, run.status.not_in(_HIDDEN))
        .order_by(*newest_first)
        .offset(parameter(3, "bigint"))
        .limit(parameter(4, "bigint"))
    )
    tree = _EVERYTHING if everything else _AS_THE_ORIGINAL
    return Page(tree, rows=rows, order=newest_first, last=parameter(4, "bigint"), beside=select(install.c.id))
