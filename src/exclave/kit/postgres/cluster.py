"""Start, find and stop a cluster."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from exclave.kit.postgres import programs
from exclave.kit.postgres.launch import DATABASE, Launch
from exclave.kit.postgres.place import LOGINS, PORT, Place, create_base, make_directory, write_file
from exclave.kit.postgres.problems import AlreadyRunning, explained
from exclave.kit.postgres.running import disown_stale_pid, running_pid, stop_server


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


def start(base: Path, *, progress: Callable[[str], None], timeout: float = 120) -> Cluster:
    """Start the cluster below `base`, making it first when there is none, and return when it takes connections.

    `timeout` is in seconds; `progress` gets a line for people whenever something takes time.
    Two starts at a time take turns. Errors: AlreadyRunning and the other problems of this package.
    """
    deadline = time.monotonic() + timeout
    with explained(base):
        place = Place(create_base(base))
        if not place.home.exists():
            make_directory(place.home, 0o711 if os.geteuid() == 0 else 0o700)
        programs.check_owner(place.home)
        with place.locked(progress, deadline) as lock:
            if (pid := running_pid(place.data)) is not None:
                raise AlreadyRunning(pid, place.base)
            account = programs.server_account(place.data)
            programs.check_way(account, place.home)
            bin_ = programs.reachable_programs(account, place, progress)
            launch = Launch(place, account, bin_, lock, progress, deadline)
            programs.make_own(place.log, account)
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


def opened(place: Place, process: subprocess.Popen[bytes] | None) -> Cluster:
    passwords = place.passwords() or {}
    socket_dir = place.socket_dir()
    # The port is named, since drivers would else take it from PGPORT.
    owner, app, engine = (f"postgresql+asyncpg://{login}:{passwords[login]}@/{DATABASE}?host={socket_dir}&port={PORT}" for login in LOGINS)
    return Cluster(place.data, socket_dir, PORT, owner_url=owner, app_url=app, engine_url=engine, process=process)
