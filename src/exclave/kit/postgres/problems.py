"""What can go wrong with an embedded cluster. Every message names the thing, the place and the way out."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class PostgresProblem(Exception):
    """The embedded PostgreSQL cannot do what was asked."""


class AlreadyRunning(PostgresProblem):
    """A cluster runs on these data, or another start does not come to its end."""

    def __init__(self, pid: int, base: Path) -> None:
        self.pid = pid
        super().__init__(f"PostgreSQL is running already on {base} (process {pid}): stop that one, or choose another EXCLAVE_DATA_DIR")


class ProgramsMissing(PostgresProblem):
    """The programs of PostgreSQL are not there, or do not run."""


class UserNotMade(PostgresProblem):
    """PostgreSQL does not run as root, and there is no other user for it."""


class UserWithoutName(PostgresProblem):
    """The number that PostgreSQL would run as has no name on this system."""


class NotOurs(PostgresProblem):
    """The cluster belongs to another user."""


class Unreachable(PostgresProblem):
    """The user that PostgreSQL runs as cannot enter its directory."""


class OtherVersion(PostgresProblem):
    """The data were written by another major version of PostgreSQL."""


class NoHome(PostgresProblem):
    """There is no place for data that nobody named."""


class NoSocketPath(PostgresProblem):
    """No directory has a path short enough for a socket."""


class StartFailed(PostgresProblem):
    """PostgreSQL did not start."""


class StillRunning(PostgresProblem):
    """PostgreSQL did not end."""


ROOM = 64 << 20  # bytes of a new cluster, with a little to live on

WAYS_OUT = {
    errno.ENOSPC: "the disk is full: free some space (a new cluster takes 64 MB), or choose another EXCLAVE_DATA_DIR",
    errno.EDQUOT: "the quota is used up: free some space (a new cluster takes 64 MB), or choose another EXCLAVE_DATA_DIR",
    errno.EACCES: "this user may not write there: choose another EXCLAVE_DATA_DIR, or run as the owner of that path",
    errno.EPERM: "this user may not do that there: choose another EXCLAVE_DATA_DIR, or run as the owner of that path",
    errno.EROFS: "the file system is read-only: choose another EXCLAVE_DATA_DIR",
    errno.ENOTDIR: "part of that path is a file: choose another EXCLAVE_DATA_DIR",
    errno.EEXIST: "something else is in the way: move it, or choose another EXCLAVE_DATA_DIR",
}


@contextmanager
def explained(base: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a message with the path and the way out."""
    try:
        yield
    except OSError as refused:
        way_out = WAYS_OUT.get(refused.errno or 0, "see the cause, or choose another EXCLAVE_DATA_DIR")
        raise StartFailed(f"PostgreSQL cannot start on {base}: {refused.filename or base}: {refused.strerror}; {way_out}") from refused


def check_room(directory: Path) -> None:
    """Refuse to make a cluster where it does not fit: PostgreSQL's own words for that are dark."""
    free = shutil.disk_usage(directory).free
    if free < ROOM:
        raise StartFailed(f"PostgreSQL cannot start on {directory}: {free >> 20} MB are free there; {WAYS_OUT[errno.ENOSPC]}")


def failed(what: str, tail: str, log: Path) -> StartFailed:
    """Return the error for a program that ended: its last lines, and the way out when they tell it."""
    full = any(sign in tail for sign in ("No space left on device", "could not extend file"))
    way_out = f"; {WAYS_OUT[errno.ENOSPC]}" if full else ""
    return StartFailed(f"{what}{way_out}. Its last lines ({log}):\n{tail or '(nothing)'}")
