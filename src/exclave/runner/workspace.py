"""Directories of jobs: one for each, mode 0700, and none outlives its job, its process or the next start.

A process owns `<work>/<runner id>/process-<pid>-…`, which it locks; a directory whose lock is free was left by a dead process.
What such a process had started (process groups are written down) is killed before its directory goes.

Beside its jobs a process keeps what the next one is likely to need again: plan and apply work on the same archive.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_PREFIX = "process-"
_LOCK = "lock"
_CHILDREN = "children"
_KEPT_BYTES = 256 << 20


class Workspace:
    """The directory of this process. `open` it first, `close` it last."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root
        self.archives = Archives(root / "archives")
        self._lock = -1

    def open(self) -> int:
        """Remove what dead processes of this runner left, then make and lock a directory; return how many were removed."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        removed = sum(_remove_if_dead(left) for left in sorted(self.root.glob(_PREFIX + "*")))
        # Made under another name, so that nobody takes it for a left-over before it is locked.
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
        self._lock = os.open(fresh / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = self.root / f"{_PREFIX}{os.getpid()}-{fresh.name.removeprefix('.new-')}"
        fresh.rename(self.path)
        self.plugin_cache.mkdir(exist_ok=True, mode=0o700)
        self.archives = Archives(self.path / "archives")
        return removed

    @property
    def plugin_cache(self) -> Path:
        """Terraform providers, shared by all jobs of this runner."""
        return self.root / "terraform-plugins"

    @property
    def initialised(self) -> Path:
        """What `terraform init` left, for the next job of the same module."""
        return self.path / "terraform-initialised"

    def job(self, execution_id: str) -> Path:
        """Make the directory of a job."""
        path = self.path / execution_id
        path.mkdir(mode=0o700)
        (path / "tmp").mkdir(mode=0o700)
        return path

    def record_child(self, pid: int) -> None:
        """Write down a process group, so that the next start can end it if we cannot."""
        with open(self.path / _CHILDREN, "a") as file:
            file.write(f"{pid}\n")

    def close(self) -> None:
        remove(self.path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Archives:
    """Archives that were downloaded before, by kind and digest. The ones that nobody asked for the longest go when there are too many.

    A job gets a link of its own (the same bytes, which nobody changes), so that what it reads stays when the other one goes.
    """

    def __init__(self, directory: Path, *, limit: int = _KEPT_BYTES) -> None:
        self._directory = directory
        self._limit = limit
        self._sizes: dict[str, int] = {}  # by name, in the order of use

    def take(self, key: str, into: Path) -> bool:
        """Put an archive where a job wants it; tell whether it was there."""
        name = _name(key)
        if (size := self._sizes.pop(name, None)) is None:
            return False
        try:
            os.link(self._directory / name, into)
        except OSError:
            return False
        self._sizes[name] = size
        return True

    def keep(self, key: str, archive: Path) -> None:
        """Keep an archive that was downloaded, if there is room for it and the file system can."""
        name, size = _name(key), archive.stat().st_size
        if size > self._limit // 2:
            return
        with suppress(OSError):
            self._directory.mkdir(exist_ok=True, mode=0o700)
            (self._directory / name).unlink(missing_ok=True)
            os.link(archive, self._directory / name)
            self._sizes[name] = size
        while sum(self._sizes.values()) > self._limit:
            oldest = next(iter(self._sizes))
            del self._sizes[oldest]
            (self._directory / oldest).unlink(missing_ok=True)


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def remove(path: Path) -> None:
    """Remove a directory with all that is in it, also what was made read-only; links are removed, not followed."""

    def make_writable_and_retry(function: Callable[..., Any], name: str, _: Any) -> None:
        with suppress(OSError):
            parent = os.path.dirname(name)
            os.chmod(parent, stat.S_IRWXU)
            if not os.path.islink(name):
                os.chmod(name, stat.S_IRWXU)
            if function is os.open or function is os.scandir:
                shutil.rmtree(name, ignore_errors=True)
            else:
                function(name)

    if path.exists():
        shutil.rmtree(path, onerror=make_writable_and_retry)


def _remove_if_dead(path: Path) -> bool:
    try:
        handle = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        remove(path)
        return True
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # its process lives
    else:
        _end_children(path)
        remove(path)
        return True
    finally:
        os.close(handle)


def _end_children(path: Path) -> None:
    groups: set[int] = set()
    with suppress(OSError, ValueError):
        groups = {int(line) for line in (path / _CHILDREN).read_text().split()}
    if not groups:
        return
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdecimal()):
        # A number may have been given away again since: only what lives in the directory that was left is ours.
        if _group(pid) in groups and _is_ours(pid, path):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _is_ours(pid: int, path: Path) -> bool:
    """Tell whether a process works in, or has for its HOME, the directory that was left."""
    with suppress(OSError):
        if Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(path):
            return True
    with suppress(OSError):
        return f"HOME={path}/".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0
