"""What jobs tell the slices above."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JobFinished:
    """A job reached a final status: `finished`, or one of those that count as failure. Told once for each job."""

    job_id: str
    status: str
    owner_id: str
    owner_type: str
    org_id: str


@dataclass(frozen=True)
class ExecutionEnded:
    """An execution is over, however it came: what it held (a Terraform lock) is free again. Told once for each execution."""

    execution_id: str
    job_id: str
    org_id: str
