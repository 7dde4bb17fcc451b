"""The composite status (spec domain.md 2.1): what is, since when, by whom, why, and what was before."""

from collections.abc import Mapping
from typing import Any

from exclave.kit.time import now

HISTORY = 50


def composite(status: str, description: str = "", *, by: str = "", metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a first status."""
    return {
        "created_by_id": by,
        "created_at_ts": int(now().timestamp()),
        "status": status,
        "status_human_description": description,
        "metadata": dict(metadata or {}),
        "history": [],
    }


def moved(
    old: Mapping[str, Any] | None, status: str, description: str = "", *, by: str = "", metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the status after a change: the old one joins the history without its own, old metadata is carried over.

    The history keeps the newest 50.
    """
    if not old:
        return composite(status, description, by=by, metadata=metadata)
    before = {key: value for key, value in old.items() if key != "history"}
    return {
        **composite(status, description, by=by, metadata={**old.get("metadata", {}), **(metadata or {})}),
        "history": [*old.get("history", []), before][-HISTORY:],
    }
