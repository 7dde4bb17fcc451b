"""Processes are killed and stopped in the middle of their work: nothing is lost, and nothing is done twice."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.apps import ledger, lines, write_app
from tests.e2e.conftest import Watched
from tests.e2e.system import System
from tests.processes import is_alive, processes_with, until

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
    until(lambda: not [pid for pid in before if is_alive(pid)], what="for the end of what was left")
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


def begun(system: Watched, name: str, *options: str) -> tuple[str, str, str]:
    """Provision an install up to the middle of its sandbox's apply, which goes on when `<name>.hold` is removed."""
    ledger_of(system, name).with_suffix(".hold").touch()
    system.vendor(write_app(system.apps / name, sandbox=ledger(ledger_of(system, name), hold=ledger_of(system, name).with_suffix(".hold"))))
    install, workflow, runner_id = system.customer(name, name, "--approve-all", *options)
    until(lambda: lines(ledger_of(system, name)) == ["began"])
    return install, workflow, runner_id


def ledger_of(system: System, name: str):  # type: ignore[no-untyped-def]
    return system.base / f"{name}.ledger"


def sandbox_workspace(system: System, install: str) -> str:
    return system.workspace_of(system.get(f"/v1/installs/{install}")["sandbox"]["id"])


def applying(system: Watched, runner_id: str) -> str:
    """The execution whose Terraform wrote to the witness last."""
    return [call.login[0] for call in system.witness.calls if call.login[0]][-1]


@pytest.mark.parametrize("how", ["killed", "wiped"])
def test_the_job_of_a_killed_runner_is_lost_in_time_and_a_retry_repairs(watched: Watched, how: str) -> None:
    """What protects: the execution. Terraform, an orphan now, is interrupted by the kernel's signal and may still give back its lock
    and its state while the lease holds, which is right: it was never anybody else's turn. Afterwards both are refused, the server
    takes the lock away, and the runner's next process ends what it finds of the last one. `wiped`: Terraform is killed with it, as
    with a machine that is gone, and leaves its lock.
    """
    install, workflow, runner_id = begun(watched, how)
    workspace, execution = sandbox_workspace(watched, install), applying(watched, runner_id)
    killed = watched.runner_pid(runner_id)
    assert watched.lock_of(workspace)
    below = watched.data / "server" / "runners" / runner_id
    children = [pid for pid in watched.working_below(below) if pid != killed] if how == "wiped" else []
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGSTOP)  # so that it does nothing more when its runner ends
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    for child in children:
        with contextlib.suppress(ProcessLookupError):  # a helper of one that has just ended
            os.kill(child, signal.SIGKILL)
    if how == "wiped":
        assert children
        assert watched.lock_of(workspace), "nobody has given it back"
    step = until(lambda: (s := watched.step(workflow, APPLY))["status"]["status"] == "error" and s, wait=2 + 5, what="for the loss")
    assert time.monotonic() - began <= 2 + 5
    assert "the runner was lost" in step["status"]["status_human_description"]
    assert watched.lock_of(workspace) is None
    assert "ended with error" in watched.watch(workflow, code=1)
    until(lambda: runner_pid_or_0(watched, runner_id) not in (0, killed), what="for the next process")
    until(lambda: not processes_with(str(ledger_of(watched, how).with_suffix(".hold"))), what="for the end of the orphans")
    lost = [call for call in watched.witness.calls if call.writes_for(execution) and call.status < 300]

    ledger_of(watched, how).with_suffix(".hold").unlink()
    watched.exclave("workflows", "retry", workflow)
    watched.watch(workflow)
    assert lines(ledger_of(watched, how)) == ["began", "began", "ended"]
    state = watched.state_of(workspace)
    assert {found["name"]: [i.get("status") for i in found["instances"]] for found in state["resources"]} == {
        "first": [None],
        "slow": [None],
    }
    assert watched.get(f"/v1/installs/{install}")["sandbox"]["status"] == "active"
    assert watched.lock_of(workspace) is None
    assert lost == [call for call in watched.witness.calls if call.writes_for(execution) and call.status < 300]


def runner_pid_or_0(system: System, runner_id: str) -> int:
    try:
        return system.runner_pid(runner_id)
    except (OSError, ValueError):
        return 0


def test_a_runner_that_was_stopped_past_its_lease_is_refused_every_write(watched: Watched) -> None:
    install, workflow, runner_id = begun(watched, "stopped")
    workspace, execution = sandbox_workspace(watched, install), applying(watched, runner_id)
    pid = watched.runner_pid(runner_id)
    until(lambda: {"logs", "renew"} <= {c.path.rpartition("/")[2] for c in watched.witness.calls if c.writes_for(execution)})
    os.kill(pid, signal.SIGSTOP)
    stopped = len(watched.witness.calls)
    until(lambda: watched.step(workflow, APPLY)["status"]["status"] == "error", wait=2 + 5, what="for the loss")
    lost = len(watched.witness.calls)
    serial = (watched.state_of(workspace) or {"serial": 0})["serial"]
    # Terraform was not stopped with its runner: it ends its apply and wants to write.
    ledger_of(watched, "stopped").with_suffix(".hold").unlink()
    until(lambda: "ended" in lines(ledger_of(watched, "stopped")))
    late = until(
        lambda: [c for c in watched.witness.calls[lost:] if c.login[0] == execution and c.path.startswith("/v1/terraform-backend?")]
    )
    assert {call.status for call in late} == {409}
    os.kill(pid, signal.SIGCONT)
    until(lambda: "execution ended: " + execution in watched.runner_said(runner_id))

    # The runner fences itself, and whatever it would still say is refused.
    written = [call for call in watched.witness.calls[:stopped] if call.writes_for(execution)]
    kinds = {call.path.partition("?")[0].rpartition("/")[2] for call in written}
    assert {"lock", "logs", "renew", execution} <= kinds, kinds
    run = f"/v1/runner-jobs/{job_of(watched, execution)}/executions/{execution}"
    bearer = next(call for call in written if call.path == run).authorization
    for method, path, body in (
        ("PATCH", run, {"status": "finished"}),
        ("POST", run + "/result", {"success": True}),
        ("POST", run + "/outputs", {"outputs": {"version": 9}}),
        ("POST", run + "/renew", {}),
    ):
        assert watched.runner_api(method, path, bearer, body) == 409, path
    for call in {call.path.partition("?")[0]: call for call in [*written, *late]}.values():
        if not call.path.startswith(run):
            assert watched.witness.repeat(call) == 409, call.path
    state = {"version": 4, "terraform_version": "1.8.0", "serial": serial + 1, "lineage": "late", "outputs": {}, "resources": []}
    assert watched.runner_api("POST", late[0].path, late[0].authorization, state) == 409
    # To unlock what is not locked (any more) changes nothing and is answered as done; another's lock it may not touch.
    after = [
        call for call in watched.witness.calls[lost:] if call.writes_for(execution) and not call.path.partition("?")[0].endswith("/unlock")
    ]
    assert {call.status for call in after} <= {409}, [(call.method, call.path, call.status) for call in after]
    assert (watched.state_of(workspace) or {"serial": 0})["serial"] == serial

    assert is_alive(pid)
    watched.exclave("workflows", "retry", workflow)
    watched.watch(workflow)
    assert watched.get(f"/v1/installs/{install}")["sandbox"]["status"] == "active"
    assert [found["name"] for found in watched.state_of(workspace)["resources"]] == ["first", "slow"]


def job_of(system: System, execution: str) -> str:
    with system.database() as database:
        row = database.execute("select runner_job_id from runner_job_executions where id = %s", [execution]).fetchone()
    assert row is not None
    return str(row[0])


def test_two_processes_of_one_runner_never_run_the_same_job(watched: Watched) -> None:
    ledgers = {name: watched.base / f"twins-{name}.ledger" for name in ("one", "two", "three", "four", "five", "six", "seven")}
    hold = watched.base / "twins.hold"
    sandbox, *components = ledgers
    modules = {name: ledger(ledgers[name]) for name in components}
    watched.vendor(write_app(watched.apps / "twins", sandbox=ledger(ledgers[sandbox], hold=hold), components=modules))
    hold.touch()
    _, workflow, runner_id = watched.customer("twins", "twins", "--approve-all")
    until(lambda: lines(ledgers[sandbox]) == ["began"])
    twin = watched.another_runner(runner_id, url=watched.witness.url)
    until(lambda: "takes jobs of" in twin.said())
    hold.unlink()
    watched.watch(workflow)
    assert all(lines(file) == ["began", "ended"] for file in ledgers.values())
    claims = [set(re.findall(r"job claimed: (\w+)", said)) for said in (watched.runner_said(runner_id), twin.said())]
    assert all(claims), "both take part"
    assert not claims[0] & claims[1]
    assert len(claims[0] | claims[1]) == 2 * len(ledgers)


def test_a_stale_plan_is_made_again_and_asked_about_again(watched: Watched) -> None:
    file = watched.base / "stale.ledger"
    watched.vendor(write_app(watched.apps / "stale", sandbox=ledger(file)))
    install, first, _ = watched.customer("stale", "stale")
    watched.exclave("workflows", "approve", first, "--all")
    watched.watch(first)
    write_app(watched.apps / "stale", sandbox=ledger(file, version=2))
    watched.exclave("apps", "sync", str(watched.apps / "stale"))
    workflow = watched.exclave("installs", "reprovision", "stale").split()[-1]
    watched.exclave("workflows", "watch", workflow, "--until", "approval")
    asked = watched.step(workflow, "reprovision sandbox plan")
    assert asked["status"]["status"] == "approval-awaiting"

    # Somebody else writes a state between the plan and its apply.
    workspace = sandbox_workspace(watched, install)
    state = watched.state_of(workspace)
    lock = {"ID": "by-hand", "Operation": "push", "Who": "somebody"}
    assert watched.api("POST", f"/v1/terraform-workspaces/{workspace}/lock", json=lock).status_code == 200
    pushed = watched.api(
        "POST", "/v1/terraform-backend", params={"workspace_id": workspace, "ID": "by-hand"}, json=state | {"serial": state["serial"] + 1}
    )
    assert pushed.status_code == 200, pushed.text
    assert watched.api("POST", f"/v1/terraform-workspaces/{workspace}/unlock", json=lock).status_code == 200

    watched.exclave("workflows", "approve", workflow)
    until(lambda: watched.step(workflow, "reprovision sandbox apply plan")["status"]["status"] != "pending")
    watched.exclave("workflows", "watch", workflow, "--until", "approval")
    again = [s for s in watched.workflow(workflow)["steps"] if s["status"]["status"] == "approval-awaiting"]
    assert len(again) == 1
    assert again[0]["approval"]["id"] != asked["approval"]["id"]
    assert lines(file) == ["began", "ended"], "nothing was applied"
    assert not [s for s in watched.workflow(workflow)["steps"] if s["status"]["status"] == "error"]

    watched.exclave("workflows", "approve", workflow, "--all")
    watched.watch(workflow)
    assert lines(file) == ["began", "ended"] * 2
    assert watched.state_of(workspace)["outputs"]["version"]["value"] == 2


def test_a_killed_postgresql_is_started_again_and_the_provision_completes(up: Up) -> None:
    system = up()
    file, hold = system.base / "database.ledger", system.base / "hold"
    hold.touch()
    system.vendor(write_app(system.apps / "database", sandbox=ledger(file, hold=hold)))
    install, workflow, _ = system.customer("acme", "database", "--approve-all")
    until(lambda: lines(file) == ["began"])
    before = system.postgres_pid()
    os.kill(before, signal.SIGKILL)
    hold.unlink()
    until(lambda: "PostgreSQL ended by itself (-9), starting it again" in system.said())
    until(lambda: system.api("GET", f"/v1/installs/{install}").status_code == 200)
    assert system.postgres_pid() != before
    system.watch(workflow)
    assert lines(file) == ["began", "ended"]
    assert {job["execution_count"] for job in jobs_of(system)} == {1}
    assert "Traceback" not in system.said()
    assert system.stop() < 10
    assert not processes_with(str(system.data))
