"""Processes are killed and stopped in the middle of their work: nothing is lost, and nothing is done twice."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.apps import ledger, lines, write_app
from tests.e2e.system import System, is_alive, until

pytestmark = [pytest.mark.fault, pytest.mark.slow]

Up = Callable[..., System]

PLAN, APPLY = "provision sandbox plan", "provision sandbox apply plan"


def test_a_killed_server_completes_its_provision_when_it_is_started_again(up: Up) -> None:
    system = up()
    sandbox, component, hold = system.base / "sandbox.ledger", system.base / "component.ledger", system.base / "hold"
    app = write_app(system.apps / "once", sandbox=ledger(sandbox, hold=hold), components={"api": ledger(component, hold=hold)})
    system.vendor(app)
    hold.touch()
    _, workflow, runner_id = system.customer("acme", "once", "--approve-all")

    until(lambda: lines(sandbox) == ["began"])
    before = [system.runner_pid(runner_id), system.postgres_pid()]
    system.kill()
    hold.unlink()
    system.start()
    assert not [pid for pid in before if is_alive(pid)]
    hold.touch()

    until(lambda: lines(component) == ["began"])
    system.kill()
    hold.unlink()
    system.start()

    system.watch(workflow)
    assert lines(sandbox) == lines(component) == ["began", "ended"]
    assert system.workflow(workflow)["status"]["status"] == "success"
    executions = [job["execution_count"] for job in jobs_of(system)]
    assert executions
    assert set(executions) == {1}


def jobs_of(system: System) -> list[dict[str, int]]:
    with system.database() as database:
        rows = database.execute("select type, operation, status, execution_count from runner_jobs order by created_at").fetchall()
    return [dict(zip(("type", "operation", "status", "execution_count"), row, strict=True)) for row in rows]
