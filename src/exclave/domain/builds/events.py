"""What builds tell: whoever waits for a build may look again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BuildFinished:
    """A build reached its end, active or error."""

    build_id: str
