"""What runners tell the slices above."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunnerHealthy:
    """A runner that was not active is now: its process beats."""

    runner_id: str
    org_id: str


@dataclass(frozen=True)
class RunnerGroupCreated:
    """An org or an install has got its runner group, with one runner in it."""

    group_id: str
    runner_id: str
    owner_id: str
    owner_type: str
    org_id: str
