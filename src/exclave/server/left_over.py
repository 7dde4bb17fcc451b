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


def note(file: Path, pid: int) -> None:
    """Write down a runner that was started, with the time of its start: its number may be another's one day."""
    file.write_text(f"{pid} {_started(pid)}")


def running(directory: Path) -> Iterator[tuple[str, int]]:
    """Yield (runner id, pid) of those that are there still. The file of one that is gone is removed."""
    for file in directory.glob("*.pid"):
        with contextlib.suppress(OSError, ValueError):
            number, _, started = file.read_text().partition(" ")
            pid = int(number)
            if started in ("", _started(pid)) and b"exclave.runner" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield file.stem, pid
                continue
        with contextlib.suppress(OSError):
            file.unlink()


def _started(pid: int) -> str:
    """When a process was started, in the kernel's ticks; nothing where the system does not tell."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""
