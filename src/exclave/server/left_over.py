"""Runners that a server which was killed has left running, by their pid files.

They take no more jobs. What one runs comes to its end, since its lease goes on with the server that starts next; then it ends by itself.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


def retire(directory: Path) -> None:
    """Have them take no more jobs; an idle one ends at once. Called before a server listens, so that they claim nothing of it."""
    for _, pid in running(directory):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGUSR1)


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
