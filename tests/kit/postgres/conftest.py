"""A place for a cluster, a running one, and an ordinary user."""

import os
import pwd
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from exclave.kit import postgres
from exclave.kit.postgres import account, programs, running
from tests.kit.postgres.machine import open_directory, quiet, remove_user


@pytest.fixture(scope="module", autouse=True)
def _own_system_user() -> Iterator[None]:
    """Let clusters of this module run as a user of its own, which leaves the machine afterwards."""
    name = f"exclave-test-{secrets.token_hex(3)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account, "SYSTEM_USER", name)
        yield
    remove_user(name)


@pytest.fixture
def room() -> Iterator[Path]:
    with open_directory() as path:
        yield path


@pytest.fixture
def base(room: Path) -> Path:
    return room / "base"


@pytest.fixture(scope="module")
def cluster(_own_system_user: None) -> Iterator[postgres.Cluster]:
    """A running cluster for the tests that only look."""
    with open_directory() as path:
        started = postgres.start(path / "base", progress=quiet)
        yield started
        started.stop()


@pytest.fixture
def ordinary_user(room: Path) -> Iterator[pwd.struct_passwd]:
    """A fresh user with a fresh HOME of mode 0700."""
    name = f"exclave-user-{secrets.token_hex(3)}"
    home = room / "home"
    subprocess.run(["/usr/sbin/useradd", "--no-create-home", "--home-dir", home, name], check=True, capture_output=True)
    home.mkdir()
    home.chmod(0o700)
    user = pwd.getpwnam(name)
    os.chown(home, user.pw_uid, user.pw_gid)
    try:
        if not account.Account(user.pw_uid, user.pw_gid, name).succeeds(programs.wheel_directory() / "pginstall18/bin/initdb", "--version"):
            pytest.skip("this checkout is out of an ordinary user's reach")
        yield user
    finally:
        for pid_file in home.glob("**/postmaster.pid"):
            running.stop_server(pid_file.parent)
        remove_user(name)
