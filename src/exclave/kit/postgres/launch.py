"""One launch of a cluster: make it when there is none, then serve it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from exclave.kit.postgres.account import Account
from exclave.kit.postgres.place import LOGINS, PORT, Place, keep_names, make_directory, new_passwords, private, remove_tree
from exclave.kit.postgres.problems import AlreadyRunning, PostgresProblem, check_room, failed
from exclave.kit.postgres.running import pid_file, running_pid

DATABASE = "exclave"
OWNER, APP, ENGINE = LOGINS
NEWS = 5.0  # seconds between two lines of progress

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",  # containers give /dev/shm 64 MB or nothing
    "max_connections": "100",
    "fsync": "on",
    "jit": "off",
    "timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",  # one a day, overwritten after a week
    "log_file_mode": "0600",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_timezone": "UTC",
    # A statement, or the detail of a violated constraint, can carry what somebody keeps secret.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
BOUND = ("dynamic_shared_memory_type", "shared_buffers", "log_min_error_statement", "log_error_verbosity")  # also while the cluster is made


@dataclass(frozen=True)
class Launch:
    """What every step of a launch needs."""

    place: Place
    account: Account
    bin: Path
    lock: int
    progress: Callable[[str], None]
    deadline: float

    def create(self) -> None:
        """Make the data directory with its logins and its database; it gets its name when all of it is there."""
        check_room(self.place.home)
        self.progress(f"creating the database in {self.place.data}")
        new = self.place.unfinished
        remove_tree(new)
        make_directory(new, 0o700, self.account.uid, self.account.gid)
        # The order of text is PostgreSQL's own, so that it does not change with the C library.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = [f"--username={OWNER}", "--auth-local=peer", "--auth-host=reject"]
        # One call to the file system instead of one for each of a thousand files: as durable, and a slow disk takes it better.
        sync = ["--sync-method=syncfs"] if sys.platform == "linux" else []
        self.run_to_end(self.bin / "initdb", "-D", new, *locale, *access, *sync, *options({name: SETTINGS[name] for name in BOUND}))
        passwords = new_passwords()
        self.run_sql(
            new,
            f"create role {APP} login nosuperuser nocreatedb nocreaterole nobypassrls",
            f"create role {ENGINE} login nosuperuser nocreatedb nocreaterole nobypassrls",
            *password_changes(passwords),
            f"create database {DATABASE} owner {OWNER}",
        )
        self.place.keep_passwords(passwords)
        new.rename(self.place.data)
        keep_names(self.place.home)

    def replace_passwords(self) -> None:
        """Give the logins new passwords, since the file with the old ones is gone."""
        self.progress(f"making new passwords, since {self.place.credentials} is gone")
        passwords = new_passwords()
        self.run_sql(self.place.data, *password_changes(passwords))
        self.place.keep_passwords(passwords)

    def run_sql(self, data: Path, *statements: str) -> None:
        """Run statements in a server of one session, without a socket: the way in before there is a password."""
        bound = options({"exit_on_error": "on", **{name: SETTINGS[name] for name in BOUND}})
        self.run_to_end(self.bin / "postgres", "--single", "-D", data, *bound, "postgres", text="".join(f"{s};\n" for s in statements))

    def run_to_end(self, program: Path, *arguments: str | Path, text: str = "") -> None:
        """Run one of PostgreSQL's programs to its end, with news while it takes long."""
        began = time.monotonic()
        with open(self.place.start_log, "wb", opener=private) as log:
            process = self.account.run(program, *arguments, stdin=subprocess.PIPE, stdout=log, keep=(self.lock,))
        try:
            given: bytes | None = text.encode()
            while process.poll() is None:
                try:
                    process.communicate(given, timeout=max(0.0, min(NEWS, self.deadline - time.monotonic())))
                except subprocess.TimeoutExpired:
                    given = None
                    waited = f"{time.monotonic() - began:.0f} s"
                    if time.monotonic() >= self.deadline:
                        raise failed(f"{program.name} was not done in {waited}", self.last_lines(), self.place.start_log) from None
                    self.progress(f"still waiting for {program.name} ({waited})")
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if process.returncode:
            raise failed(f"PostgreSQL's {program.name} ended with {process.returncode}", self.last_lines(), self.place.start_log)

    def serve(self, socket_dir: Path) -> subprocess.Popen[bytes]:
        """Start the server and return when it is ready; one that is not ready in time is ended."""
        self.progress(f"starting PostgreSQL on {self.place.data}")
        paths = {"unix_socket_directories": f'"{socket_dir}"', "log_directory": str(self.place.log), "hba_file": str(self.place.access)}
        while True:
            with open(self.place.start_log, "wb", opener=private) as log:
                process = self.account.run(self.bin / "postgres", "-D", self.place.data, *options({**SETTINGS, **paths}), stdout=log)
            try:
                self.await_ready(process)
                return process
            except PostgresProblem as problem:
                if (pid := running_pid(self.place.data)) is not None:  # its parent was killed before it had a pid file
                    raise AlreadyRunning(pid, self.place.base) from problem
                # After a kill -9 of the server its sessions end by themselves a moment later: until then it refuses to start again.
                if "shared memory block" not in self.last_lines() or time.monotonic() >= self.deadline:
                    raise
                self.progress("waiting for the sessions of the last run to end")
                time.sleep(0.2)

    def await_ready(self, process: subprocess.Popen[bytes]) -> None:
        began = time.monotonic()
        news, pause = began + NEWS, 0.005
        try:
            while (seen := pid_file(self.place.data)) is None or seen.pid != process.pid or seen.status != "ready":
                now = time.monotonic()
                waited = f"{now - began:.0f} s"
                if process.poll() is not None:
                    raise failed(f"PostgreSQL ended with {process.returncode} while it started", self.last_lines(), self.log())
                if now >= self.deadline:
                    raise failed(f"PostgreSQL was not ready in {waited}; start again to let it go on", self.last_lines(), self.log())
                if now >= news:
                    self.progress(f"still waiting for PostgreSQL ({waited}): {self.last_lines(1)}")
                    news = now + NEWS
                time.sleep(pause)
                pause = min(pause * 1.5, 0.1)
        except BaseException:
            end_now(process)
            raise

    def log(self) -> Path:
        """Return the file that PostgreSQL writes to: its own log once it has opened it."""
        logs = sorted(self.place.log.glob("*.log"), key=lambda path: path.stat().st_mtime)
        return logs[-1] if logs and "redirecting log output" in tail(self.place.start_log) else self.place.start_log

    def last_lines(self, count: int = 8) -> str:
        return "\n".join(tail(self.log()).splitlines()[-count:])


def options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def password_changes(passwords: Mapping[str, str]) -> list[str]:
    return [f"alter role {login} password '{password}'" for login, password in passwords.items()]


def tail(path: Path) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 8000))
        return file.read().decode(errors="replace")


def end_now(process: subprocess.Popen[bytes]) -> None:
    """End a server that is of no use; the next start recovers what it had."""
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
