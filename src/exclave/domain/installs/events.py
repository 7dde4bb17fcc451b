"""What installs tell the slices above."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InstallCreated:
    """An install and its one-to-one rows are there; its provision workflow is started in the same transaction."""

    install_id: str
    app_id: str
    org_id: str


@dataclass(frozen=True)
class InstallForgotten:
    """The row of an install is gone; what ran for it must end."""

    install_id: str
    org_id: str
