"""Statuses of runs, deploys and what they mirror to: the plain word, and the composite one with the contract's words only."""

from typing import Any, Protocol

from exclave.engine.status import moved

# Plain words that the contract's composite status does not have.
_WORDS = {
    "pending-approval": "approval-awaiting",
    "executing": "applying",
    "syncing": "applying",
    "reprovisioning": "provisioning",
    "deprovisioning": "deleting",
    "deprovisioned": "success",
    "inactive": "success",
}


class Statused(Protocol):
    """A row with a status in both of its forms."""

    status: Any
    status_description: Any
    status_v2: Any


def word(status: str) -> str:
    """The contract's word for a plain status."""
    return _WORDS.get(status, status)


def move(row: Statused, status: str, description: str = "", *, by: str = "") -> None:
    """Give a row another status. The composite one keeps the plain word in its metadata where it has to use another."""
    before = row.status_v2 or {}
    detail = {"detail": status} if word(status) != status or "detail" in before.get("metadata", {}) else {}
    row.status, row.status_description = status, description
    row.status_v2 = moved(before, word(status), description, by=by, metadata=detail)
