"""The first schema: tables (0001_tables.sql), row-level security, the two roles' rights, what the database itself refuses."""

import re
from importlib.resources import files

from alembic import op

from exclave.kit.rls import APP, ENGINE, ORG, ORGS, grant, protect
from exclave.migrations.scripts import run_script

revision = "0001"
down_revision = None

# Above orgs, entered by id or hash only; the engine's wake-ups hold nothing but ids.
OPEN = {"accounts", "tokens", "wakeup"}
RULES = {
    "orgs": ORGS.replace("org_id", "id", 1),
    "org_keys": ORGS,
    "roles": ORGS,
    "policies": ORGS,
    "account_roles": ORGS,
}

ENTER = """
create function exclave_enter(hash bytea, wanted text) returns jsonb
language plpgsql security definer set search_path = public as $$
declare
    token record;
    rights jsonb;
    ids text[];
    chosen text;
begin
    select t.id, t.scope, t.expires_at <= clock_timestamp() as expired, a.id as account_id, a.email, a.subject, a.account_type
      into token from tokens t join accounts a on a.id = t.account_id and a.deleted_at = 0
     where t.token_hash = hash and t.deleted_at = 0;
    if not found then return null; end if;
    if token.expired then return jsonb_build_object('expired', true); end if;
    select coalesce(jsonb_object_agg(p.key, p.value), '{}'), coalesce(array_agg(distinct p.key) filter (where p.key like 'org%'), '{}')
      into rights, ids
      from account_roles r join policies q on q.role_id = r.role_id and q.deleted_at = 0, jsonb_each_text(q.permissions) p
     where r.account_id = token.account_id and r.deleted_at = 0
       and exists (select 1 from orgs o where o.id = r.org_id and o.deleted_at = 0);
    chosen := case when wanted = any(ids) then wanted when wanted = '' and cardinality(ids) = 1 then ids[1] else '' end;
    perform set_config('exclave.org_id', chosen, true), set_config('exclave.org_ids', array_to_string(ids, ','), true);
    return jsonb_build_object('account_id', token.account_id, 'email', token.email, 'subject', token.subject,
        'account_type', token.account_type, 'token_id', token.id, 'scope', token.scope, 'org_ids', to_jsonb(ids),
        'permissions', rights, 'org_id', chosen, 'foreign_org', wanted <> '' and chosen = '');
end $$
"""


# The database itself refuses what no code path may do: leave a terminal state. The condition is checked without calling the function.
REFUSE = """
create function exclave_refuse_revival() returns trigger language plpgsql as $$
begin
    raise exception 'a % row may not go from % to %', tg_table_name, old.state, new.state
        using errcode = 'integrity_constraint_violation';
end $$;

create trigger no_revival before update of state, status on install_workflows for each row
when (old.state = 'finished' and old.status ->> 'status' in ('success', 'cancelled')
      and (new.state <> 'finished' or new.status ->> 'status' is distinct from old.status ->> 'status'))
execute function exclave_refuse_revival();

create trigger no_revival before update of state on install_workflow_steps for each row
when (old.state is distinct from new.state
      and (old.state in ('skipped', 'cancelled', 'discarded') or (old.state = 'done' and new.state <> 'discarded')))
execute function exclave_refuse_revival();
"""

# Rows that change often stay on their page; wake-ups come and go, and their dead rows slow down every claim.
ROOM = """
alter table install_workflows set (fillfactor = 85);
alter table install_workflow_steps set (fillfactor = 85);
alter table wakeup set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
"""

# The function sees all orgs, so it belongs to the role that does.
RIGHTS = f"""
grant usage on schema public to {APP}, {ENGINE};
grant {ENGINE} to current_user;
grant create on schema public to {ENGINE};
alter function exclave_enter(bytea, text) owner to {ENGINE};
revoke create on schema public from {ENGINE};
revoke execute on function exclave_enter(bytea, text) from public;
grant execute on function exclave_enter(bytea, text) to {APP}, {ENGINE};
"""


def upgrade() -> None:
    tables = files("exclave.migrations.versions").joinpath("0001_tables.sql").read_text()
    parts = [tables, REFUSE, ROOM]
    for name in re.findall(r"^CREATE TABLE (\w+)", tables, re.MULTILINE):
        parts += [f"{statement};" for statement in grant(name)]
        if name not in OPEN:
            parts += [f"{statement};" for statement in protect(name, rule=RULES.get(name, ORG))]
    run_script(op.get_bind(), "\n".join([*parts, ENTER + ";", RIGHTS]))
