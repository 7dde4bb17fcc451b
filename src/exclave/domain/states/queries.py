"""Every SELECT over state documents. The engine reads across orgs: a system actor is bound by the install alone."""

from typing import Any

from sqlalchemy import Select, String, bindparam, cast, or_, select, text

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

# Who writes the document of an install has the turn until the end of the transaction: version numbers are unique, and a later version
# never holds an older document. The turn comes before any row, so that two writers never wait for each other in a circle.
_TURN = "select pg_advisory_xact_lock(hashtextextended('state:' || cast(:install as text), 0))"
TURN: Prepared[None] = Prepared(text(_TURN))

# The turn, and the ids of the branches that are to be written, since what is sealed is bound to its row.
CLAIM: Prepared[Any] = Prepared(
    text(f"""
with turn as materialized ({_TURN})
insert into install_state_branches (id, branch, org_id, created_by_id, install_id, created_at, updated_at, deleted_at)
select q.id, q.branch, :org, :by, :install, clock_timestamp(), clock_timestamp(), 0
from turn, unnest(cast(:ids as text[]), cast(:branches as text[])) as q(id, branch) order by q.branch
on conflict (install_id, branch) do update set updated_at = clock_timestamp(), deleted_at = 0 returning id, branch""")  # noqa: S608 - no values
)
_FILL = """
update install_state_branches b set contents = q.contents
from unnest(cast(:ids as text[]), cast(:contents as bytea[])) as q(id, contents) where b.id = q.id"""
FILL: Prepared[Any] = Prepared(text(_FILL))

# Write the claimed branches, archive the version that one more makes too old, and return what a version holds beside those branches: name,
# contents, id and org of each, and the newest version there is. A statement sees what was committed before it began: ask when the turn
# was taken. Without any other branch one row comes that has only the version.
FILL_AND_READ: Prepared[Any] = Prepared(
    text(f"""
with filled as ({_FILL}
), newest as (
    select coalesce((select version from install_states where install_id = :install order by version desc limit 1), 0) as version
), archived as (
    update install_states s set contents = null, archived = true, updated_at = clock_timestamp() from newest
    where s.install_id = :install and s.version = newest.version + 1 - cast(:kept as int)
)
select b.branch, b.contents, b.id, b.org_id, newest.version from newest left join install_state_branches b
on b.install_id = :install and b.contents is not null and b.deleted_at = 0 and b.id <> all(cast(:ids as text[]))
and (cast(:org as text) = '' or (b.org_id = :org) is true)""")  # noqa: S608 - no values
)


def versions_of(actor: Actor, install_id: str) -> Select[*tuple[Any, ...]]:
    """Return the versions, newest first."""
    return (
        select(InstallState)
        .where(InstallState.org_id == actor.org_id, InstallState.install_id == install_id, InstallState.deleted_at == 0)
        .order_by(InstallState.version.desc())
    )
