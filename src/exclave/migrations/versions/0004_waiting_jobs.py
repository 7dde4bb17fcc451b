"""The jobs that wait for a runner are indexed in the order in which they are taken.

Before, their group came first, and PostgreSQL rather walked through all jobs that a runner ever had, oldest first.
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("drop index runner_jobs_waiting")
    op.execute("create index runner_jobs_waiting on runner_jobs (runner_id, created_at) where status = 'available'")
