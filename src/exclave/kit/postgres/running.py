"""What runs on a data directory, and how it ends.

The truth about a running server is PostgreSQL's own `postmaster.pid`: its process, and whether it is ready. So a cluster that a killed
parent left behind is found and stopped by the same code as our own child.
"""

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from exclave.kit.postgres.place import write_file
from exclave.kit.postgres.problems import StillRunning

STOPS = (
    (signal.SIGINT, 30.0),
    (signal.SIGQUIT, 10.0),
    (signal.SIGKILL, 10.0),
)  # fast, immediate, by force; what is committed survives each
NO_PROCESS = 2**31 - 1  # above the highest process id of any kernel


@dataclass(frozen=True)
class PidFile:
    """What the server says about itself."""

    pid: int
    status: str


def pid_file(data: Path) -> PidFile | None:
    """Read `postmaster.pid`: the first line is the process, the eighth its status."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        return PidFile(int(lines[0]), lines[7].strip() if len(lines) > 7 else "")
    except (FileNotFoundError, IndexError, ValueError):
        return None


def running_pid(data: Path) -> int | None:
    """Return the process of the server that runs on these data; a process that only has got the same number is none."""
    seen = pid_file(data)
    return seen.pid if seen is not None and seen.pid > 0 and is_server(seen.pid, data) else None


def is_server(pid: int, data: Path) -> bool:
    """Does this process serve these data? A dead child that nobody has waited for does not."""
    proc = Path("/proc", str(pid))
    if not Path("/proc/self").exists():
        return is_alive(pid)
    try:
        argv = (proc / "cmdline").read_bytes().split(b"\0")
        return (
            proc.stat().st_uid == data.stat().st_uid and b"-D" in argv and os.path.samefile(argv[argv.index(b"-D") + 1], os.fsencode(data))
        )
    except (OSError, IndexError):
        return False


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def disown_stale_pid(data: Path) -> None:
    """Let PostgreSQL start when the number in its stale pid file belongs to another process by now (a container, a reboot).

    The file stays, with a number that nobody can have: its other lines tell PostgreSQL which shared memory the sessions
    of a killed server may still use, and it must not start before they have ended.
    """
    path = data / "postmaster.pid"
    seen = pid_file(data)
    if seen is None or not is_alive(seen.pid):
        return
    _, rest = path.read_text(encoding="utf-8").split("\n", 1)
    owner = path.stat()
    write_file(path, f"{NO_PROCESS}\n{rest}", 0o600)
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def stop_server(data: Path) -> bool:
    """Stop the server on these data, harder when it takes long; say whether there was one."""
    pid = running_pid(data)
    if pid is None:
        return False
    for how, seconds in STOPS:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return True
        if ends_within(pid, seconds):
            return True
    raise StillRunning(f"PostgreSQL on {data} does not end (process {pid}), not even by force: it hangs in the kernel, look at the disk")


def ends_within(pid: int, seconds: float) -> bool:
    """Wait for the end of a process, whether it is our child or not."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except (AttributeError, OSError):  # no such call on this system
        deadline = time.monotonic() + seconds
        while is_alive(pid) and time.monotonic() < deadline:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.02)
        return not is_alive(pid)
    try:
        poll = select.poll()
        poll.register(watch, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(watch)
