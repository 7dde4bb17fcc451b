"""A child that does not outlive its parent: the kernel sends it a signal when the parent dies, even by SIGKILL.

A child asks the kernel for that itself, before it becomes its program. Where `setpriv` can ask for it, the child is started without
a copy of this process, which takes less than half the time; elsewhere a copy runs our own code first (`preexec_fn`).
"""

import ctypes
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"  # never that of a plan

try:
    prctl: Callable[..., int] | None = ctypes.CDLL(None, use_errno=True).prctl
except (OSError, AttributeError):  # not Linux: orphans are then only found by the next start
    prctl = None


def ending_with_parent(orphan_signal: signal.Signals) -> Callable[[], None]:
    """Return what a child must do before it becomes its program, to get this signal when its parent dies (`preexec_fn`)."""
    parent = os.getpid()

    def prepare() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
            if os.getppid() != parent:  # the parent died before the line above
                os._exit(125)

    return prepare


def words_before(orphan_signal: signal.Signals) -> tuple[str, ...]:
    """Return the words before a command that make it end with this process; none where only code of our own can.

    Is this process killed in the millisecond before the child has asked, then the child lives on until the next start finds it, as it
    does everywhere but on Linux.
    """
    if not (found := setpriv()):
        return ()
    return (found, "--pdeathsig", orphan_signal.name.removeprefix("SIG"), "--")


@functools.cache
def setpriv() -> str:
    """Return the path of a `setpriv` that knows `--pdeathsig` (util-linux 2.33, not that of busybox), or nothing."""
    found = shutil.which("setpriv", path=_SYSTEM_PATH)
    if not found:
        return ""
    with suppress(OSError, subprocess.SubprocessError):
        tried = [found, "--pdeathsig", "KILL", "--", found, "--version"]
        return found if subprocess.run(tried, env={}, capture_output=True, timeout=5).returncode == 0 else ""
    return ""
