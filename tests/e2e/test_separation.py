"""Nothing but the runner API joins a runner and its server: it works as another user, somewhere else, when the source is gone."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from exclave.kit import postgres
from tests.e2e.apps import ledger, lines, write_app
from tests.e2e.installation import Installation

pytestmark = pytest.mark.slow

ANOTHER = 65534


@contextlib.contextmanager
def installation(**settings: str) -> Iterator[Installation]:
    """`exclave server` on an embedded PostgreSQL that the test started: no process of it starts runners."""
    base = Path(tempfile.mkdtemp(prefix="exclave-e2e-pg-"))
    base.chmod(0o711)
    cluster = postgres.start(base, progress=lambda line: None)
    url = make_url(cluster.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with Installation(url, url, **settings) as made:
            made.migrate()
            yield made
    finally:
        postgres.remove(base)
        shutil.rmtree(base, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_runner_of_another_user_with_nothing_but_an_empty_directory_provisions() -> None:
    with installation(EXCLAVE_ALLOW_LOCAL_PLATFORM="1") as system:
        system.let_in()
        system.serve("all")
        builder = system.another_runner(system.build_runner(), mode="build", uid=ANOTHER)
        # What the runner leaves is written by another user, into a directory of its own.
        traces = Path(tempfile.mkdtemp(prefix="exclave-traces-"))
        os.chown(traces, ANOTHER, ANOTHER)
        system.leavings.append(traces)
        app = write_app(
            system.apps / "apart", sandbox=ledger(traces / "sandbox.ledger"), components={"api": ledger(traces / "component.ledger")}
        )
        system.vendor(app)
        shutil.rmtree(app)
        builder.process.terminate()
        assert builder.process.wait(20) == 0, builder.said()
        assert list(builder.home.rglob("*.tf")) == []

        install, workflow, runner_id = system.customer("acme", "apart", "--approve-all")
        runner = system.another_runner(runner_id, uid=ANOTHER)
        system.watch(workflow)
        for file in (traces / "sandbox.ledger", traces / "component.ledger"):
            assert lines(file) == ["began", "ended"]
            assert file.stat().st_uid == ANOTHER
        state = system.json("installs", "state", install)
        assert state["sandbox"]["outputs"]["version"] == 1
        assert state["components"]["api"]["outputs"]["version"] == 1
        runner.process.terminate()
        assert runner.process.wait(20) == 0, runner.said()
        assert not list(runner.home.rglob("process-*")), "nothing of a job outlives it"
