"""Where a cluster lives: directories that are private, full, linked, or named strangely."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exclave.kit import postgres
from exclave.kit.postgres import problems, programs, running, settle
from exclave.kit.postgres.place import Place
from tests.kit.postgres.machine import AS_ROOT, connect, mode, needs_root, processes_with, quiet, value


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_no_mode_or_owner_of_what_we_did_not_make_changes(room, umask):
    (room / "mine").mkdir(mode=0o755)
    (room / "mine" / "notes").write_text("")
    base = room / "mine" / "a" / "b"
    watched = [room / "mine" / "notes", room / "mine", *(room / "mine").parents, *programs.wheel_directory().parents]
    watched += [*programs.wheel_directory().rglob("*"), Path.home(), Path("/var/lib"), Path("/tmp")]
    before = {path: (path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_gid) for path in watched}
    old = os.umask(umask)
    try:
        cluster = postgres.start(base, progress=quiet)
        assert value(cluster.app_url, "select 1") == 1
        cluster.stop()
    finally:
        os.umask(old)
    assert before == {path: (path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_gid) for path in watched}
    assert mode(base) == (0o711 if AS_ROOT else 0o700)
    assert mode(base / "postgres" / "data") == 0o700
    made = [path for path in base.rglob("*") if not path.is_symlink() and path.lstat().st_mode & 0o022]
    assert made == [], "nobody else may write"


@needs_root
@pytest.mark.parametrize("base_exists", [True, False])
def test_below_a_private_directory_of_root_the_files_are_where_the_server_can_reach_them(room, monkeypatch, base_exists):
    monkeypatch.setattr(settle, "default_base", lambda: room / "lib" / "exclave")
    private = room / "private"
    private.mkdir(mode=0o700)
    base = private if base_exists else private / "base"
    said: list[str] = []
    old = os.umask(0o077)
    try:
        cluster = postgres.start(base, progress=said.append)
    finally:
        os.umask(old)
    home = (base / "postgres").readlink()
    assert home.parent == room / "lib" / "exclave" / "clusters"
    assert cluster.data == home / "data"
    assert said[0].startswith(f"PostgreSQL's files go to {home}: the user exclave-test-")
    with connect(cluster.owner_url) as connection:
        connection.execute("create table kept (x int)")
    cluster.stop()
    again = postgres.start(base, progress=quiet)
    assert value(again.owner_url, "select count(*) from kept") == 0
    with pytest.raises(postgres.AlreadyRunning):
        postgres.start(base, progress=quiet)
    assert postgres.find(base) == again
    postgres.remove(base)
    assert list(home.parent.iterdir()) == list(base.iterdir()) == []
    assert processes_with(home) == []
    assert mode(private) == 0o700


@needs_root
def test_a_directory_that_the_server_cannot_pass_anywhere_is_named_and_stays_as_it_is(room, monkeypatch):
    private = room / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setattr(settle, "default_base", lambda: private / "exclave")
    with pytest.raises(postgres.Unreachable, match=rf"cannot enter {private} \(mode 0700\).* such as /var/lib/exclave"):
        postgres.start(private / "base", progress=quiet)
    assert mode(private) == 0o700


@needs_root
def test_root_follows_no_link_that_somebody_else_laid(room):
    base = room / "base"
    base.mkdir(mode=0o755)
    (room / "target").mkdir()
    (base / "postgres").symlink_to(room / "target")
    os.chown(base / "postgres", 65534, 65534, follow_symlinks=False)
    with pytest.raises(postgres.NotOurs, match=f"{base}/postgres belongs to the user"):
        postgres.start(base, progress=quiet)
    assert list((room / "target").iterdir()) == []


# Where others cannot reach the clone, the programs are copied below the base, and they do not run from such a path.
_IS_SHARED = all(path.stat().st_mode & 0o001 for path in Path(sys.prefix).resolve().parents)
_QUOTED = pytest.param('a "double quote"', marks=pytest.mark.skipif(AS_ROOT and not _IS_SHARED, reason="the clone is private"))


def test_programs_that_would_not_run_are_not_copied(room):
    class Stranger:
        name = "stranger"

        def succeeds(self, *_: object) -> bool:
            return False

    place = Place(room / 'a "quote"')
    with pytest.raises(postgres.ProgramsMissing, match='choose an EXCLAVE_DATA_DIR without "'):
        programs.reachable_programs(Stranger(), place, quiet)
    assert list(room.iterdir()) == []


@pytest.mark.parametrize("name", ["long-" * 30, "with space, 'quote' and comma, %41+ü", _QUOTED])
def test_a_base_that_no_socket_or_url_can_name_gets_a_short_private_directory(room, name):
    base = room / name
    cluster = postgres.start(base, progress=quiet)
    assert not cluster.socket_dir.is_relative_to(base)
    assert mode(cluster.socket_dir) == 0o700
    assert value(cluster.app_url, "select 1") == 1
    cluster.stop()
    again = postgres.start(base, progress=quiet)
    assert again.socket_dir == cluster.socket_dir
    assert postgres.find(base) == again
    again.stop()

    (again.socket_dir).chmod(0o755)  # as if somebody else had made it after /tmp was emptied
    third = postgres.start(base, progress=quiet)
    assert third.socket_dir != again.socket_dir
    assert value(third.app_url, "select 1") == 1
    postgres.remove(base)
    assert not third.socket_dir.exists()
    assert again.socket_dir.exists(), "who knows whose that is"
    again.socket_dir.rmdir()


@needs_root
def test_a_full_disk_is_called_so_and_leaves_nothing_half_made(room, monkeypatch):
    small = room / "small"
    small.mkdir(mode=0o755)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=755", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("no mounts here")
    try:
        for room_needed in (problems.ROOM, 0):  # seen at once; or by PostgreSQL, when it fills up on the way
            monkeypatch.setattr(problems, "ROOM", room_needed)
            with pytest.raises(postgres.StartFailed, match="the disk is full: free some space"):
                postgres.start(small / "base", progress=quiet)
            assert not (small / "base" / "postgres" / "data").exists()
        subprocess.run(["mount", "-o", "remount,size=200m", small], check=True)
        cluster = postgres.start(small / "base", progress=quiet)
        assert value(cluster.app_url, "select 1") == 1
        cluster.stop()
    finally:
        running.stop_server(small / "base/postgres/data")
        subprocess.run(["umount", small], check=True)


def test_a_file_in_the_place_of_the_base_is_named(base):
    base.write_text("")
    with pytest.raises(postgres.StartFailed, match=f"{base}.*EXCLAVE_DATA_DIR"):
        postgres.start(base, progress=quiet)
