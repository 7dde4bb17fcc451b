"""Side work: the tables and functions of Procrastinate, and what the two roles may do with them.

The script is the one that the installed package carries, so that its functions and its worker belong together. Its version is
kept as a comment on the table of jobs: the migration that moves the pin in pyproject.toml reads there what a database has.
"""

from importlib.metadata import distribution
from pathlib import Path

from alembic import op

from exclave.kit.rls import APP, ENGINE
from exclave.migrations.scripts import run_script

revision = "0002"
down_revision = "0001"

# A job names a call and nothing else, so its table needs no wall between orgs: what was asked and answered is in `engine_calls`.
# Requests may defer. They may not look at jobs, change them, or say that one is done.
RIGHTS = f"""
grant insert (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at), select (id) on procrastinate_jobs to {APP};
grant insert (job_id, type, at) on procrastinate_events to {APP};
grant usage on sequence procrastinate_jobs_id_seq, procrastinate_events_id_seq to {APP}, {ENGINE};
grant usage on sequence procrastinate_periodic_defers_id_seq to {ENGINE};
grant select, insert, update, delete
    on procrastinate_jobs, procrastinate_events, procrastinate_workers, procrastinate_periodic_defers to {ENGINE};
"""

# When a call is tried is now the job's business.
CALLS = """
drop index engine_calls_due;
alter table engine_calls drop column due;
create index engine_calls_queued on engine_calls (updated_at) where state = 'queued';
"""


def upgrade() -> None:
    # Read as a file: importing the package would cost a first start 0.2 s.
    package = distribution("procrastinate")
    script = Path(str(package.locate_file("procrastinate/sql/schema.sql"))).read_text(encoding="utf-8")
    mark = f"comment on table procrastinate_jobs is 'schema of Procrastinate {package.version}';"
    run_script(op.get_bind(), "\n".join([script, mark, RIGHTS, CALLS]))
