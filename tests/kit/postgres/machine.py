"""What the tests of the embedded PostgreSQL look at a machine with: real programs, real users, real kills."""

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from exclave.kit.postgres import account, running

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="root only")
needs_useradd = pytest.mark.skipif(not AS_ROOT or not shutil.which("useradd", path=account.ADMIN_PATH), reason="root with useradd only")


def quiet(_: str) -> None:
    """Nobody listens to the progress."""


def remove_user(name: str) -> None:
    if AS_ROOT and account.system_user(name):
        subprocess.run(["/usr/sbin/userdel", name], check=True, capture_output=True)


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that other users may pass, as /var/lib is."""
    path = Path(tempfile.mkdtemp(prefix="x-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        for home in path.glob("**/postmaster.pid"):
            running.stop_server(home.parent)
        shutil.rmtree(path)


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+asyncpg", ""), autocommit=True)


def value(url: str, query: str) -> object:
    with connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def pid_of(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split()[0])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def processes_with(text: Path) -> list[str]:
    lines = subprocess.run(["ps", "-eo", "stat,args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if str(text) in line and not line.startswith("Z")]


class Away:
    """A child of ours, forked after all imports: it may become a user who cannot even read this Python."""

    def __init__(self, work: Callable[[], object], *, user: pwd.struct_passwd | None = None, umask: int = 0o022) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            try:
                os.umask(umask)
                if user is not None:
                    os.setgroups([])
                    os.setgid(user.pw_gid)
                    os.setuid(user.pw_uid)
                    os.environ["HOME"] = user.pw_dir
                    os.environ.pop("XDG_DATA_HOME", None)
                answer = {"ok": work()}
            except BaseException as problem:
                answer = {"error": f"{type(problem).__name__}: {problem}"}
            os.write(writing, json.dumps(answer).encode())
            os.close(writing)
            signal.pause()  # killed, as a parent may be
        os.close(writing)
        self.reading = reading

    def kill(self) -> None:
        os.close(self.reading)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def answer(self) -> object:
        """Return what the child found out, and kill -9 it."""
        with os.fdopen(os.dup(self.reading)) as pipe:
            said = json.loads(pipe.read())
        self.kill()
        assert "error" not in said, said["error"]
        return said["ok"]
