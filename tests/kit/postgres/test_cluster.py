"""What a cluster is: its logins, its settings, who runs it."""

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from exclave.kit.postgres import place
from tests.kit.postgres.machine import AS_ROOT, connect, mode, pid_of, value
from tests.processes import until


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
    until(lambda: b"duplicate key" in logged(home), what="for the collector of logs to write what it was told")
    files = [path for path in (*home.home.iterdir(), *home.log.iterdir(), *home.data.iterdir()) if path.is_file()]
    written = b"".join(path.read_bytes() for path in files if path != home.credentials)
    written += subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout + repr(cluster).encode()
    assert not [secret for secret in passwords if secret.encode() in written]
    assert b"canary-4711" not in logged(home)


def logged(home: place.Place) -> bytes:
    return b"".join(path.read_bytes() for path in home.log.iterdir())
