"""One `up` per data directory: a pid file that is locked as long as its process lives."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path


class AlreadyUp(Exception):
    """Another process holds the data directory. The message names its pid and the way out."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the pid file while the block runs. The lock ends with the process, however it ends."""
    with open(path, "a+", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise AlreadyUp(
                f"exclave is up on {path.parent} already (pid {file.read().strip() or 'unknown'}): "
                "stop it with Ctrl-C there, or name another directory in EXCLAVE_DATA_DIR"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def stop(path: Path, *, seconds: float = 120) -> None:
    """Ask the process that holds the file to end and wait until it has; kill it when it does not."""
    try:
        with path.open("r") as file:
            for number in (signal.SIGTERM, signal.SIGKILL):
                file.seek(0)
                text = file.read().strip()
                if not text or not _locked(file):
                    return
                os.kill(int(text), number)
                deadline = time.monotonic() + seconds
                while _locked(file) and time.monotonic() < deadline:
                    time.sleep(0.05)  # the lock of a process that is not our child tells nobody
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return


def _locked(file: object) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # type: ignore[arg-type]
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)  # type: ignore[arg-type]
    return False
