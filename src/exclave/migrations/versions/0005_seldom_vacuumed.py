"""Small tables are vacuumed and analyzed less often.

PostgreSQL does both after 50 changed rows and a fifth or a tenth of the table, which on a young database is once a minute for every table,
one after the other. Each time all connections throw away the plans that read the table, and plan anew with their next statements: a burst
of 0.3 s in which an event took three to six times as long, and nothing was gained, since rows are found by their keys whatever the
statistics say. From some ten thousand rows on the fractions decide, as before. Nor does a vacuum lock out everybody to give the empty end
of a table back, which a table of wake-ups would need again at once.
"""

from alembic import op

from exclave.migrations.scripts import run_script

revision = "0005"
down_revision = "0004"

# 5,000 rows of a table, besides the fraction of it.
SELDOM = """
do $$
declare
    name text;
begin
    for name in select quote_ident(relname) from pg_class
        where relnamespace = current_schema()::regnamespace and relkind = 'r' and relowner = current_user::regrole loop
        execute 'alter table ' || name || ' set (autovacuum_vacuum_threshold = 5000, '
            'autovacuum_vacuum_insert_threshold = 5000, autovacuum_analyze_threshold = 5000, vacuum_truncate = off)';
    end loop;
end $$;
"""


def upgrade() -> None:
    run_script(op.get_bind(), SELDOM)
