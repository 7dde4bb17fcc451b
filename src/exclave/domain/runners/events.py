"""What runners tell the slices above."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunnerHealthy:
    """A runner that was not active is now: its process beats."""

    runner_id: str
    org_id: str
