"""Runners that a server which was killed has left running, by their pid files.

They take no more jobs. What one runs comes to its end, since its lease goes on with the server that starts next; then it ends by itself.
Where no server starts next, they are stopped.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

# At the second signal a runner kills what it runs: left to itself, Terraform would go on trying to write its state.
_STOPS = ((os.kill, signal.SIGTERM, 1.0), (os.kill, signal.SIGTERM, 10.0), (os.killpg, signal.SIGKILL, 5.0))


def retire(directory: Path) -> None:
    """Have them take no more jobs; an idle one ends at once. Called before a server listens, so that they claim nothing of it."""
    for _, pid in running(directory):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGUSR1)


def stop(directory: Path) -> None:
    """End them, whatever they do, and wait until they are gone: no server comes that could take what they bring home."""
    for send, number, seconds in _STOPS:
        for _, pid in running(directory):
            with contextlib.suppress(OSError):
                send(pid, number)
        deadline = time.monotonic() + seconds
        while any(running(directory)) and time.monotonic() < deadline:
            time.sleep(0.05)  # the end of a process that is not our child tells nobody


def running(directory: Path) -> Iterator[tuple[str, int]]:
    """Yield (runner id, pid) of those that are there still. The file of one that is gone is removed."""
    for file in directory.glob("*.pid"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text())
            if b"exclave.runner" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield file.stem, pid
                continue
        with contextlib.suppress(OSError):
            file.unlink()
