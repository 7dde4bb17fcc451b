"""Processes of this machine, from outside: who runs, and waiting for what no process announces."""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(holds: Callable[[], T], *, wait: float = 20.0, what: str = "") -> T:
    """Wait for what no process announces, and return it."""
    ends = time.monotonic() + wait
    while not (found := holds()):
        assert time.monotonic() < ends, f"waited {wait:g} s in vain {what}"
        time.sleep(0.02)
    return found


def is_alive(pid: int) -> bool:
    """A process that has ended and only waits to be noticed does not live."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return False


def processes_with(text: str) -> list[int]:
    """The processes that name this text among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text.encode() in (entry / "cmdline").read_bytes() and is_alive(int(entry.name)):
                    found.append(int(entry.name))
    return found


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """What a process of the tests starts from: nothing of the caller's settings."""
    kept = ("PATH", "LANG", "EXCLAVE_TERRAFORM", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}
