"""`exclave server` on a PostgreSQL 15 of somebody else: an owner for the schema, a login that is neither owner nor superuser."""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from exclave.kit.session import on_driver
from tests.e2e.apps import ledger, lines, write_app
from tests.e2e.installation import Installation
from tests.e2e.served import CommandFailed
from tests.processes import free_port, until

BIN = Path("/usr/lib/postgresql/15/bin")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (BIN / "initdb").exists(), reason="no PostgreSQL 15 from Debian here")]


@dataclass(frozen=True)
class Elsewhere:
    """A PostgreSQL on TCP, with passwords."""

    port: int
    password: str

    def url(self, user: str, database: str = "product") -> str:
        return f"postgresql://{user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url("postgres", database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    base = Path(tempfile.mkdtemp(prefix="exclave-pg15-"))
    made = Elsewhere(free_port(), secrets.token_hex(12))
    change: dict[str, object] = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(base, user.pw_uid, user.pw_gid)
        change = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    (base / "password").write_text(made.password)
    (base / "password").chmod(0o644)
    initdb = [
        BIN / "initdb",
        "-D",
        base / "data",
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
        f"--pwfile={base / 'password'}",
        "-N",
        "-E",
        "UTF8",
    ]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **change)  # type: ignore[call-overload]
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    files = ["-keyout", base / "data" / "server.key", "-out", base / "data" / "server.crt"]
    subprocess.run([*certificate, *files], check=True, stderr=subprocess.DEVNULL, cwd="/", **{**change, "umask": 0o077})  # type: ignore[call-overload]
    settings = ("ssl=on", "listen_addresses=127.0.0.1", f"unix_socket_directories={base}", "fsync=off")
    options = ["-p", str(made.port), *(part for setting in settings for part in ("-c", setting))]
    with (base / "log").open("wb") as log:
        server = subprocess.Popen([BIN / "postgres", "-D", base / "data", *options], stdout=log, stderr=log, cwd="/", **change)  # type: ignore[call-overload]
    try:
        until(lambda: answers(made), what="for PostgreSQL 15")
        yield made
    finally:
        server.terminate()
        server.send_signal(2)
        server.wait(20)
        shutil.rmtree(base, ignore_errors=True)


def answers(database: Elsewhere) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        database.run("select 1")
        return True
    return False


@pytest.fixture
def database(elsewhere: Elsewhere) -> Iterator[Elsewhere]:
    """A fresh database `product` of the login `schema_owner`, and the logins `web` (which may work) and `bare` (which may not)."""
    password = elsewhere.password
    elsewhere.run(
        f"create role schema_owner login createrole password '{password}'",
        f"create role web login password '{password}'",
        f"create role bare login password '{password}'",
        "create database product owner schema_owner",
    )
    yield elsewhere
    elsewhere.run("drop database product with (force)", "drop role web, bare, exclave_app, exclave_engine, schema_owner")


@pytest.fixture
def installation(database: Elsewhere) -> Iterator[Callable[..., Installation]]:
    """Server processes with the login `web`."""
    made: list[Installation] = []

    def make(**settings: str) -> Installation:
        made.append(Installation(database.url("web"), database.url("schema_owner"), **settings))
        made[-1].migrate()
        database.run("grant exclave_app, exclave_engine to web")
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_api_and_worker_are_two_processes_of_a_login_without_power(database: Elsewhere, installation: Callable[..., Installation]) -> None:
    system = installation(EXCLAVE_ALLOW_LOCAL_PLATFORM="1", EXCLAVE_OWNER_URL="postgresql://nobody@127.0.0.1:1/none")
    system.let_in()
    system.serve("api", "worker")
    system.another_runner(system.build_runner(), mode="build")
    file = system.base / "apart.ledger"
    system.vendor(write_app(system.apps / "apart", sandbox=ledger(file)))
    install, workflow, runner_id = system.customer("acme", "apart", "--approve-all")
    system.another_runner(runner_id)
    system.watch(workflow)
    assert lines(file) == ["began", "ended"]
    assert system.json("installs", "state", install)["sandbox"]["outputs"]["version"] == 1
    with psycopg.connect(database.url("web")) as connection:
        # The login itself sees nothing: it works as the two roles, and those are behind row-level security.
        row = connection.execute("select rolsuper or rolbypassrls or rolcreaterole from pg_roles where rolname = current_user").fetchone()
        assert row == (False,)
        owner = connection.execute("select tableowner from pg_tables where tablename = 'installs'").fetchone()
        assert owner == ("schema_owner",)
        connection.execute("set role exclave_app")
        assert connection.execute("select count(*) from installs").fetchone() == (0,)
    assert "Traceback" not in system.said()


def test_sslmode_in_a_url_holds_for_every_connection(database: Elsewhere) -> None:
    with Installation(database.url("web") + "?sslmode=require", database.url("schema_owner") + "?sslmode=require") as system:
        system.migrate()
        database.run("grant exclave_app, exclave_engine to web")
        system.let_in()
        system.serve("all")
        system.vendor(write_app(system.apps / "private"))
        with psycopg.connect(database.url("postgres"), autocommit=True) as connection:
            rows = connection.execute(
                "select application_name, bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'web' group by 1"
            ).fetchall()
        assert {"exclave", "exclave bus"} <= {name for name, _ in rows}
        assert all(encrypted for _, encrypted in rows), rows
        assert "Traceback" not in system.said()


def test_a_database_that_becomes_read_only_is_unavailable_until_it_is_not(
    database: Elsewhere, installation: Callable[..., Installation]
) -> None:
    system = installation()
    system.let_in()
    system.serve("api")

    def read_only(switch: str) -> None:
        database.run(
            f"alter database product set default_transaction_read_only = {switch}",
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'product'",
        )

    read_only("on")
    for _ in range(3):
        assert "503: the database cannot answer now" in system.exclave("apps", "create", "one", code=1)
    assert "read-only" in one_line(system.exclave("server", "--role", "api", code=2))
    read_only("off")
    until(lambda: creates(system, "one"), what="for the database to be written to again")
    assert "Traceback" not in system.said()


async def test_the_system_asks_whether_a_database_is_still_there(database: Elsewhere, installation: Callable[..., Installation]) -> None:
    """Nobody says that its machine was lost: who waits for an answer then must not wait for ever."""
    async with installation().process() as process:
        for opened in (process.runtime.unknown, process.runtime.sweep):
            async with opened() as ctx:
                (row,) = await on_driver(ctx.db, "select inet_client_port()", ())
                assert timer_of(row[0]) == KEEPALIVE


KEEPALIVE = "02"


def timer_of(port: int) -> str:
    """Which timer runs for the connection from this port of 127.0.0.1."""
    connections = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return next(fields[5].partition(":")[0] for fields in connections if fields[1] == f"0100007F:{port:04X}")


def creates(system: Installation, app: str) -> bool:
    with contextlib.suppress(CommandFailed):
        return app in system.exclave("apps", "create", app)
    return False


def test_the_platform_local_is_refused_where_nobody_allowed_it(installation: Callable[..., Installation]) -> None:
    system = installation()
    system.let_in()
    system.serve("all")
    system.another_runner(system.build_runner(), mode="build")
    system.vendor(write_app(system.apps / "refused"))
    said = system.exclave("installs", "create", "acme", "--app", "refused", code=1)
    assert "EXCLAVE_ALLOW_LOCAL_PLATFORM" in said
    assert system.json("installs", "list") == []


def one_line(said: str) -> str:
    assert len(said.splitlines()) == 1, said
    assert said.startswith("exclave: "), said
    return said


def test_what_is_wrong_with_a_database_is_said_in_one_line(database: Elsewhere) -> None:
    with Installation(database.url("bare"), database.url("schema_owner")) as system:
        server = ("server", "--role", "api")
        assert "run `exclave migrate`" in one_line(system.exclave(*server, code=2))
        system.migrate()
        assert "grant exclave_app, exclave_engine to bare" in one_line(system.exclave(*server, code=2))
        wrong = {
            "refuses the login": database.url("bare").replace(database.password, "wrong"),
            "has no database": database.url("bare", "elsewhere"),
            "cannot be reached": f"postgresql://bare:x@127.0.0.1:{free_port()}/product",
            "EXCLAVE_DATABASE_URL is no URL": database.url("bare").replace(str(database.port), "port"),
            "is no URL of a PostgreSQL": database.url("bare").replace("postgresql", "mysql"),
            "PGSSLROOTCERT": database.url("bare") + "?sslrootcert=/ca.pem",
        }
        for words, url in wrong.items():
            said = one_line(system.exclave_with({"EXCLAVE_DATABASE_URL": url}, *server, code=2))
            assert words in said
            assert database.password not in said
        assert "cannot be reached" in one_line(system.exclave_with({"EXCLAVE_DATABASE_URL": wrong["cannot be reached"]}, "migrate", code=2))
        assert set(json.loads(system.exclave_with({"EXCLAVE_OWNER_URL": system.owner}, "migrate", "--json"))) == {"schema"}
        refused = one_line(system.exclave_with({"EXCLAVE_OWNER_URL": database.url("bare")}, "migrate", code=2))
        assert "permission denied" in refused
        assert "EXCLAVE_OWNER_URL" in refused
        del system.settings["EXCLAVE_DATABASE_URL"]
        assert "EXCLAVE_DATABASE_URL is not set" in one_line(system.exclave(*server, code=2))
        assert not system.data.exists(), "nothing was written before the database was looked at"
