"""Where a cluster lives on disk, and who may enter.

base/                     0711 when root makes it (the server's user has to pass), else 0700
  postgres/               the same; ours
    data/ log/            0700, of the user that the server runs as
    run/                  0700, of that user: the socket; or a directory below /tmp, named in `socket_dir`, when this path is too long
    credentials.json      0600, ours: the passwords of the three logins
    programs-<version>/   only when that user cannot reach the wheel: a copy of its programs

As root, below a directory that the server's user cannot enter, `postgres` is a link to a directory in /var/lib/exclave/clusters.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exclave.kit.postgres.problems import AlreadyRunning, NoHome, NoSocketPath

PORT = 5432  # only names the socket: every cluster has a directory of its own
LONGEST_SOCKET_PATH = 103  # sun_path holds 107 bytes on Linux, 103 on macOS
PLAIN = re.compile(r"[A-Za-z0-9/._-]+")  # needs no quoting in a URL, and is no list of hosts to any driver
LOGINS = ("exclave_owner", "exclave_app", "exclave_engine")


def default_base() -> Path:
    """Return where data live unless EXCLAVE_DATA_DIR says otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/exclave")
    try:
        return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "exclave"
    except RuntimeError as error:
        raise NoHome(f"the user {os.geteuid()} has no home directory, and HOME is not set: name one in EXCLAVE_DATA_DIR") from error


def create_base(base: Path) -> Path:
    """Make the data directory and its missing parents, so that the server's user can pass; what exists stays as it is."""
    base = base.absolute()
    as_root = os.geteuid() == 0
    for path in [*reversed(base.parents), base]:
        make_directory(path, (0o711 if path == base else 0o755) if as_root else 0o700)
    return base.resolve()


@dataclass(frozen=True)
class Place:
    """The paths of one cluster."""

    base: Path

    @property
    def home(self) -> Path:
        return (self.base / "postgres").resolve()

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def unfinished(self) -> Path:
        return self.home / "data.new"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def start_log(self) -> Path:
        return self.home / "start.log"

    @property
    def access(self) -> Path:
        return self.home / "pg_hba.conf"

    @property
    def credentials(self) -> Path:
        return self.home / "credentials.json"

    @contextmanager
    def locked(self, progress: Callable[[str], None], deadline: float) -> Iterator[int]:
        """Take turns with other starts, and give the lock's file descriptor.

        Whoever inherits it holds the lock too: so do the programs that make a cluster, which may outlive a parent that is killed.
        """
        with open(self.home / "start.lock", "a+", encoding="utf-8", opener=private) as lock:
            told = False
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    lock.seek(0)
                    holder = int(lock.read().strip() or 0)
                if time.monotonic() >= deadline:
                    raise AlreadyRunning(holder, self.base)
                if not told:
                    progress(f"waiting for another start on {self.base} (process {holder})")
                    told = True
                time.sleep(0.05)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield lock.fileno()

    def passwords(self) -> dict[str, str] | None:
        """Return the password of each login, or nothing when they are not (all) there."""
        try:
            known = json.loads(self.credentials.read_text(encoding="utf-8"))
            return {login: str(known[login]) for login in LOGINS}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def keep_passwords(self, passwords: Mapping[str, str]) -> None:
        """Keep the passwords that the database has by now: in this order, a kill between the two costs nothing."""
        write_file(self.credentials, json.dumps(passwords, indent=2) + "\n", 0o600)

    def socket_dir(self) -> Path:
        """Return where the socket is: below the base, or where an earlier start put it because that path is too long."""
        try:
            return Path((self.home / "socket_dir").read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            return self.home / "run"

    def make_socket_dir(self, uid: int, gid: int) -> Path:
        """Make the directory of the socket for the user that the server runs as; one that somebody else made is never used."""
        path = self.socket_dir()
        if not fits(path) or (path.exists() and not is_private(path, uid)):
            path = short_directory()
            os.chown(path, uid, gid)
            write_file(self.home / "socket_dir", str(path), 0o644)
        else:
            make_directory(path, 0o700, uid, gid)
        for left_over in path.glob(".s.PGSQL.*"):  # we know that no server runs: a reused process id shall not keep us out
            left_over.unlink()
        return path


def new_passwords() -> dict[str, str]:
    return {login: secrets.token_urlsafe(32) for login in LOGINS}


def fits(directory: Path) -> bool:
    """Can a socket in this directory be named by the system's calls and in a URL?"""
    return len(os.fsencode(directory / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH and bool(PLAIN.fullmatch(str(directory)))


def is_private(directory: Path, uid: int) -> bool:
    """Is this a real directory that only its expected owner may enter?"""
    seen = directory.lstat()
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == uid and not seen.st_mode & 0o077


def short_directory() -> Path:
    """Make a private directory with a short path."""
    for parent in ("/tmp", os.environ.get("XDG_RUNTIME_DIR", "")):
        if parent and os.access(parent, os.W_OK | os.X_OK) and fits(Path(parent, "exclave-12345678")):
            return Path(tempfile.mkdtemp(prefix="exclave-", dir=parent))
    raise NoSocketPath(
        f"no short directory for PostgreSQL's socket: choose an EXCLAVE_DATA_DIR of less than {LONGEST_SOCKET_PATH - 30} characters"
    )


def make_directory(path: Path, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Make one directory with exactly this mode, whatever the umask; one that is there stays as it is."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_dir():
            return
        raise
    if os.geteuid() == 0:
        os.chown(path, uid, gid)
    path.chmod(mode)


def write_file(path: Path, text: str, mode: int) -> None:
    """Replace a file of ours in one move, so that no reader or crash meets half of it."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def private(path: str, flags: int) -> int:
    """Open a file that only we may read and write, whatever the umask."""
    return os.open(path, flags, 0o600)


def keep_names(directory: Path) -> None:
    """Make what was made and renamed in a directory survive a loss of power."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_tree(path: Path) -> None:
    """Remove a directory that a start left unfinished, if there is one."""
    if path.exists():
        shutil.rmtree(path)
