"""Who runs PostgreSQL: ourselves, or, since it refuses root, a system user."""

import errno
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from exclave.kit.postgres.problems import UserNotMade, UserWithoutName

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

    def can_enter(self, directory: Path) -> bool:
        """Try it as this user: modes, access lists and mounts all have a say."""
        try:
            return self.succeeds("/bin/sh", "-c", 'cd -- "$1"', "sh", directory)
        except OSError as refused:
            raise UserNotMade(
                f"PostgreSQL does not run as root, and this process may not become the user {self.name} ({refused.strerror}): "
                "give the container CAP_SETUID, CAP_SETGID and CAP_CHOWN, or start it as an ordinary user"
            ) from refused


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
    return known_name(uid) or str(uid)


def known_name(uid: int) -> str:
    """Return what the system calls this number; empty when it has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def need_name(uid: int) -> None:
    """Refuse a number without a name: PostgreSQL's programs look it up when they make a cluster, and nothing can tell them another."""
    if not known_name(uid):
        raise UserWithoutName(
            f"PostgreSQL makes no cluster for the user {uid}, who has no line in /etc/passwd: "
            f"add one (exclave:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin), run as a user who has a name, "
            "or run `exclave server` with EXCLAVE_DATABASE_URL of a PostgreSQL that you have"
        )
