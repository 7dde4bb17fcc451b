"""Start, find and stop a cluster."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from exclave.kit.postgres import programs
from exclave.kit.postgres.account import need_name, server_account
from exclave.kit.postgres.launch import DATABASE, Launch
from exclave.kit.postgres.place import LOGINS, PORT, Place, create_base, is_private, make_directory, remove_tree, write_file
from exclave.kit.postgres.problems import AlreadyRunning, explained
from exclave.kit.postgres.running import disown_stale_pid, running_pid, stop_server
from exclave.kit.postgres.settle import settle


@dataclass(frozen=True)
class Cluster:
    """A running cluster. The URLs carry passwords."""

    data: Path
    socket_dir: Path
    port: int
    owner_url: str = field(repr=False)
    app_url: str = field(repr=False)
    engine_url: str = field(repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    def stop(self) -> None:
        """End the server: open transactions are rolled back, what was committed stays. Harmless when it has ended."""
        stop_server(self.data)
        if self.process is not None:
            self.process.wait()


def check_user(base: Path) -> None:
    """Refuse, before anything is written, a user for whom no cluster can be made below `base`."""
    with explained(base):
        if os.geteuid() != 0 and _is_to_be_made(Place(base.resolve())):
            need_name(os.geteuid())


def _is_to_be_made(place: Place) -> bool:
    return not place.data.exists() or place.passwords() is None


def start(base: Path, *, progress: Callable[[str], None], timeout: float = 120) -> Cluster:
    """Start the cluster below `base`, making it first when there is none, and return when it takes connections.

    `timeout` is in seconds; `progress` gets a line for people whenever something takes time.
    Two starts at a time take turns. Errors: AlreadyRunning and the other problems of this package.
    """
    deadline = time.monotonic() + timeout
    check_user(base)
    with explained(base):
        place = Place(create_base(base))
        settle(place, server_account(place.data), progress)
        with place.locked(progress, deadline) as lock:
            if (pid := running_pid(place.data)) is not None:
                raise AlreadyRunning(pid, place.base)
            account = server_account(place.data)
            if _is_to_be_made(place):
                need_name(account.uid)
            bin_ = programs.reachable_programs(account, place, progress)
            launch = Launch(place, account, bin_, lock, progress, deadline)
            make_directory(place.log, 0o700, account.uid, account.gid)
            write_file(place.access, "local all all scram-sha-256\n", 0o644)
            if place.data.exists():
                programs.check_version(place.data)
                disown_stale_pid(place.data)
            else:
                launch.create()
            if place.passwords() is None:
                launch.replace_passwords()
            return opened(place, launch.serve(place.make_socket_dir(account.uid, account.gid)))


def find(base: Path) -> Cluster | None:
    """Return the cluster that runs below `base`, whoever started it."""
    place = Place(base.resolve())
    return None if running_pid(place.data) is None or place.passwords() is None else opened(place, None)


def stop_left_over(base: Path) -> bool:
    """Stop the cluster that a killed parent left running below `base`; say whether there was one."""
    return stop_server(Place(base.resolve()).data)


def remove(base: Path) -> None:
    """Stop the cluster below `base` and delete all of its files, wherever they are: nothing comes back."""
    place = Place(base.resolve())
    stop_server(place.data)
    socket_dir = place.socket_dir()
    if place.data.exists() and socket_dir.exists() and is_private(socket_dir, place.data.stat().st_uid):
        remove_tree(socket_dir)
    remove_tree(place.home)
    (place.base / "postgres").unlink(missing_ok=True)


def opened(place: Place, process: subprocess.Popen[bytes] | None) -> Cluster:
    passwords = place.passwords() or {}
    socket_dir = place.socket_dir()
    # The port is named, since drivers would else take it from PGPORT.
    owner, app, engine = (f"postgresql+asyncpg://{login}:{passwords[login]}@/{DATABASE}?host={socket_dir}&port={PORT}" for login in LOGINS)
    return Cluster(place.data, socket_dir, PORT, owner_url=owner, app_url=app, engine_url=engine, process=process)
