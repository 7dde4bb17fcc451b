"""Every SELECT over state documents. The engine reads across orgs: a system actor is bound by the install alone."""

from typing import Any

from sqlalchemy import Select, String, bindparam, cast, func, or_, select, text, update

from exclave.domain.states.models import InstallState, InstallStateBranch
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org

# Name, contents, id and org of every branch that has contents. No org: any.
BRANCHES_OF: Prepared[tuple[str, bytes, str, str]] = Prepared(
    select(InstallStateBranch.branch, InstallStateBranch.contents, InstallStateBranch.id, InstallStateBranch.org_id).where(
        InstallStateBranch.install_id == bindparam("install"),
        InstallStateBranch.contents.is_not(None),
        InstallStateBranch.deleted_at == 0,
        or_(cast(bindparam("org"), String) == "", in_org(InstallStateBranch)),
    )
)

# One at a time for each install: version numbers are unique, and a later version never holds an older document.
TURN: Prepared[None] = Prepared(text("select pg_advisory_xact_lock(hashtextextended('state:' || cast(:install as text), 0))"))
NEWEST: Prepared[int] = Prepared(
    select(func.coalesce(func.max(InstallState.version), 0)).where(InstallState.install_id == bindparam("install"))
)
ARCHIVE: Prepared[None] = Prepared(
    update(InstallState)
    .where(
        InstallState.install_id == bindparam("install"),
        InstallState.version <= bindparam("until"),
        InstallState.contents.is_not(None),
    )
    .values(contents=None, archived=True)
)

# The id of a branch comes first, since what is sealed is bound to its row. Ordered by name, so that two writers of the same branches
# never wait for each other in a circle.
CLAIM: Prepared[Any] = Prepared(
    text("""
insert into install_state_branches (id, branch, org_id, created_by_id, install_id, created_at, updated_at, deleted_at)
select q.id, q.branch, :org, :by, :install, clock_timestamp(), clock_timestamp(), 0
from unnest(cast(:ids as text[]), cast(:branches as text[])) as q(id, branch) order by q.branch
on conflict (install_id, branch) do update set updated_at = clock_timestamp(), deleted_at = 0 returning id, branch""")
)
FILL: Prepared[Any] = Prepared(
    text("""
update install_state_branches b set contents = q.contents
from unnest(cast(:ids as text[]), cast(:contents as bytea[])) as q(id, contents) where b.id = q.id""")
)


def versions_of(actor: Actor, install_id: str) -> Select[*tuple[Any, ...]]:
    """Return the versions, newest first."""
    return (
        select(InstallState)
        .where(InstallState.org_id == actor.org_id, InstallState.install_id == install_id, InstallState.deleted_at == 0)
        .order_by(InstallState.version.desc())
    )
