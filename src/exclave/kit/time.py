"""Clocks and durations. The server's clock is the only one that decides; durations on the wire are nanoseconds."""

import threading
from datetime import UTC, datetime, timedelta

_lock = threading.Lock()
_last = datetime.min.replace(tzinfo=UTC)


def now() -> datetime:
    """Return the time in UTC, strictly later than any answer before in this process, so that rows sort as they were made."""
    global _last
    with _lock:
        current = datetime.now(UTC)
        if current <= _last:
            current = _last + timedelta(microseconds=1)
        _last = current
        return current


def nanoseconds(duration: timedelta) -> int:
    """Return a duration as the wire counts it."""
    return (duration.days * 86_400 + duration.seconds) * 1_000_000_000 + duration.microseconds * 1000


def from_nanoseconds(count: int) -> timedelta:
    """Return the duration that the wire counted."""
    return timedelta(microseconds=count / 1000)


def rfc3339(moment: datetime | None) -> str:
    """Write a time as the wire does, in UTC with microseconds; the empty string for none."""
    if moment is None:
        return ""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
