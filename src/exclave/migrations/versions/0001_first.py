"""The first schema."""

from alembic import op

from exclave.kit.rls import APP, ENGINE, ORGS, grant, protect
from exclave.migrations.upgrade import metadata

revision = "0001"
down_revision = None

# Entered by id or hash only, above orgs: no row-level security.
OPEN = {"accounts", "tokens"}
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


def upgrade() -> None:
    tables = metadata()
    tables.create_all(op.get_bind())
    op.execute(f"grant usage on schema public to {APP}, {ENGINE}")
    for table in tables.sorted_tables:
        for statement in grant(table.name):
            op.execute(statement)
        if table.name == "wakeup" or table.name in OPEN:
            continue
        for statement in protect(table.name, rule=RULES[table.name]) if table.name in RULES else protect(table.name):
            op.execute(statement)
    op.execute(
        "alter table wakeup set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)"
    )
    op.execute("alter table install_workflow_steps set (fillfactor = 85)")
    op.execute(ENTER)
    op.execute(f"grant {ENGINE} to current_user")
    op.execute(f"grant create on schema public to {ENGINE}")
    op.execute(f"alter function exclave_enter(bytea, text) owner to {ENGINE}")
    op.execute(f"revoke create on schema public from {ENGINE}")
    op.execute("revoke execute on function exclave_enter(bytea, text) from public")
    op.execute(f"grant execute on function exclave_enter(bytea, text) to {APP}, {ENGINE}")
