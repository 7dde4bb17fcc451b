"""An execution carries the serial key of its job: whether a key is in use is one look at the executions that hold a lease.

Before, a claim went through the jobs of a key, and through their executions for those that were cancelled and still stop.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

COLUMN = """
alter table runner_job_executions add column serial_key varchar not null default '';
update runner_job_executions e set serial_key = j.serial_key from runner_jobs j
 where j.id = e.runner_job_id and e.leased_until is not null;
alter table runner_job_executions alter column serial_key drop default;
create index executions_serial on runner_job_executions (serial_key) where leased_until is not null and serial_key <> '';
"""


def upgrade() -> None:
    for statement in COLUMN.split(";"):
        if statement.strip():
            op.execute(statement)
