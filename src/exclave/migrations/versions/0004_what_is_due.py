"""What is due next is the first of an index.

The jobs that wait for a runner are indexed in the order in which they are taken: with their group first, PostgreSQL rather walked through
all jobs that the runner ever had, oldest first. Wake-ups that name a workflow are apart from those that look who waits for something.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

INDEXES = """
drop index runner_jobs_waiting;
create index runner_jobs_waiting on runner_jobs (runner_id, created_at) where status = 'available';
drop index wakeup_due;
create index wakeup_due on wakeup (due) where workflow_id <> '';
"""


def upgrade() -> None:
    for statement in INDEXES.split(";"):
        if statement.strip():
            op.execute(statement)
