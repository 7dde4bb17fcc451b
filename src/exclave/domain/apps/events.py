"""What apps tell the slices above."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AppMayDelete:
    """Somebody wants to delete the app: a subscriber raises when something still lives in it."""

    app_id: str


@dataclass(frozen=True)
class RunnerConfigCreated:
    """An app has another runner config: its installs follow."""

    app_id: str
    runner_config_id: str
