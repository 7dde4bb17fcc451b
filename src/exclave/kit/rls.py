"""Row-level security, as migrations write it. Every tenant table is forced behind it from its first migration."""

from collections.abc import Iterable

APP = "exclave_app"  # requests: sees the rows of its org only
ENGINE = "exclave_engine"  # workflows and sweeps: sees all orgs

# `is true` keeps the planner from this condition: with the index on org_id it would read every entry of the org beside the few rows
# that a statement names by other keys (measured: three times the work of a page, and more with every run of the org). Statements that
# want an org's rows say so themselves.
ORG = "(org_id = current_setting('exclave.org_id', true)) is true"
ORGS = "org_id = any(string_to_array(current_setting('exclave.org_ids', true), ','))"


def protect(table: str, *, rule: str = ORG) -> Iterable[str]:
    """Yield the statements that put a table behind row-level security, for its owner too."""
    yield f'alter table "{table}" enable row level security'
    yield f'alter table "{table}" force row level security'
    yield f'create policy tenant on "{table}" to {APP} using ({rule}) with check ({rule})'
    yield f'create policy engine on "{table}" to {ENGINE} using (true) with check (true)'


def grant(table: str) -> Iterable[str]:
    """Yield the grants of the two roles on a table."""
    yield f'grant select, insert, update, delete on "{table}" to {APP}, {ENGINE}'
