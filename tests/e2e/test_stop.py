"""`exclave up` ends well: runners first, PostgreSQL last, nothing left running; and says so when it is up already."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.apps import ledger, lines, write_app
from tests.e2e.system import System
from tests.processes import is_alive, processes_with, until

pytestmark = [pytest.mark.fault, pytest.mark.slow]

SELF = (sys.executable, "-P", "-m")


def test_nothing_stays_after_ctrl_c_and_sigterm(up: Callable[..., System]) -> None:
    system = up()
    for how in (signal.SIGINT, signal.SIGTERM):
        if system.server.poll() is not None:
            system.start()
        runner = until(system.runner_pids)[0]
        database = system.postgres_pid()
        ends = watch_ends({"runner": runner, "server": system.server.pid, "PostgreSQL": database})
        assert system.stop(how) < 10
        assert order_of(ends) == ["runner", "PostgreSQL", "server"]
        assert not processes_with(str(system.data))
        assert not system.runner_pids()
        assert not system.runner_files()


def watch_ends(pids: dict[str, int]) -> "dict[str, subprocess.Popen[bytes]]":
    """A process for each that ends, with the time, when the other does."""
    script = """
import os, select, sys, time
poll = select.poll()
poll.register(os.pidfd_open(int(sys.argv[1])), select.POLLIN)
print("on", flush=True)
poll.poll(60000)
print(time.monotonic())
"""
    watchers = {}
    for name, pid in pids.items():
        watchers[name] = subprocess.Popen([sys.executable, "-c", script, str(pid)], stdout=subprocess.PIPE)
    for watcher in watchers.values():
        assert watcher.stdout is not None
        watcher.stdout.readline()
    return watchers


def ends_of(watchers: "dict[str, subprocess.Popen[bytes]]") -> dict[str, float]:
    return {name: float(watcher.communicate(timeout=60)[0]) for name, watcher in watchers.items()}


def order_of(watchers: "dict[str, subprocess.Popen[bytes]]") -> list[str]:
    ended = ends_of(watchers)
    return sorted(ended, key=lambda name: ended[name])


def test_the_command_that_users_type_stops_all_and_refuses_a_second_one() -> None:
    """The command and its server share a process group, as in a terminal."""
    system = System()
    try:
        command = system.spawn("exclave.cli", "up")
        system.server = command
        until(lambda: "running; Ctrl-C stops everything" in system.said(), wait=30)
        second = subprocess.run(
            [*SELF, "exclave.cli", "up"],
            env=system.environ,
            cwd=system.base,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert second.returncode == 2
        assert second.stdout == ""
        assert len(second.stderr.splitlines()) == 1
        assert "exclave is up on" in second.stderr
        assert str(system.data) in second.stderr
        assert "EXCLAVE_DATA_DIR" in second.stderr
        assert system.json("apps", "list") == []
        assert (system.base / "cli.toml").stat().st_mode & 0o777 == 0o600

        began = time.monotonic()
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(20) == 0
        assert time.monotonic() - began < 10
        assert not processes_with(str(system.data))
        assert not system.runner_pids()
        assert "Traceback" not in system.said()
    finally:
        system.close()


def test_what_a_killed_server_left_is_stopped_and_an_interrupted_job_can_be_retried(up: Callable[..., System]) -> None:
    """The server and the runner are gone at once, as after a power failure: PostgreSQL and Terraform are left over."""
    system = up(EXCLAVE_LEASE="2")
    file, hold = system.base / "left.ledger", system.base / "left.hold"
    hold.touch()
    system.vendor(write_app(system.apps / "left", sandbox=ledger(file, hold=hold)))
    _, workflow, runner_id = system.customer("left", "left", "--approve-all")
    until(lambda: lines(file) == ["began"])
    left = [*system.runner_pids(), system.postgres_pid()]
    system.kill()
    os.kill(system.runner_pid(runner_id), signal.SIGKILL)
    system.start()
    until(lambda: not [pid for pid in left if is_alive(pid)], what="for the end of what was left")
    assert "ended with error" in system.watch(workflow, code=1)
    until(lambda: not processes_with(str(hold)), what="for the end of orphans")
    hold.unlink()
    system.exclave("workflows", "retry", workflow)
    system.watch(workflow)
    assert lines(file) == ["began", "began", "ended"]


SLOW_TERRAFORM = """#!/bin/bash
[ "$1" = apply ] || exec {terraform} "$@"
trap 'interrupted=yes' INT
setsid {terraform} "$@" & child=$!
wait $child
[ "$interrupted" ] || exit
sleep 26 & wait $!
kill -INT $child
wait $child
"""


def test_an_apply_that_takes_long_to_be_interrupted_writes_its_state_before_all_ends(up: Callable[..., System], tmp_path: Path) -> None:
    """As with a cloud that takes its time: Terraform hears of the interruption within the 30 s that the runner gives it, but late."""
    terraform = tmp_path / "terraform"
    terraform.write_text(SLOW_TERRAFORM.format(terraform=shutil.which("terraform") or shutil.which("tofu")))
    terraform.chmod(0o755)
    system = up(EXCLAVE_RUNNER_DRAIN_SECONDS="1", EXCLAVE_TERRAFORM=str(terraform))
    file, hold = system.base / "long.ledger", system.base / "long.hold"
    hold.touch()
    system.vendor(write_app(system.apps / "long", sandbox=ledger(file, hold=hold)))
    install, _, _ = system.customer("long", "long", "--approve-all")
    until(lambda: lines(file) == ["began"])
    workspace = system.workspace_of(system.get(f"/v1/installs/{install}")["sandbox"]["id"])
    assert system.stop() > 25
    system.start()
    assert [resource["name"] for resource in system.state_of(workspace)["resources"]] == ["first", "slow"]
    assert system.lock_of(workspace) is None


def left_working(system: System, name: str) -> tuple[str, str, dict[str, int]]:
    """Kill the server in the middle of an apply that goes on when `<name>.hold` is removed; return install, workflow and both runners."""
    file, hold = system.base / f"{name}.ledger", system.base / f"{name}.hold"
    hold.touch()
    system.vendor(write_app(system.apps / name, sandbox=ledger(file, hold=hold)))
    install, workflow, runner_id = system.customer(name, name, "--approve-all")
    until(lambda: lines(file) == ["began"])
    busy = system.runner_pid(runner_id)
    left = {"idle": next(pid for pid in system.runner_pids() if pid != busy), "busy": busy}
    system.kill()
    assert all(is_alive(pid) for pid in left.values()), "they outlive the server: they may be in the middle of something"
    return install, workflow, left


def leased_until(system: System) -> datetime:
    with system.database() as database:
        found = database.execute("select max(leased_until) from runner_job_executions").fetchone()
    assert found is not None
    until: datetime = found[0]
    return until


def test_after_a_kill_the_next_start_leaves_a_runner_that_works_to_its_end(up: Callable[..., System]) -> None:
    """An idle runner ends at once. An apply goes on under the server that came, for as long as it takes, and is made once."""
    system = up(EXCLAVE_LEASE="8")
    _, workflow, left = left_working(system, "busy")
    ends = watch_ends(left)

    began = time.monotonic()
    system.start()
    ready, renewed = time.monotonic(), leased_until(system)
    until(lambda: leased_until(system) > renewed + timedelta(seconds=9), wait=30, what="for the lease of a runner that outlived its server")
    assert is_alive(left["busy"])
    (system.base / "busy.hold").unlink()
    system.watch(workflow)
    ended = ends_of(ends)

    print(f"ready after {ready - began:.1f} s; ended: {', '.join(f'{who} {at - began:.1f} s' for who, at in ended.items())}")
    assert ready - began < 10
    assert ended["idle"] < ready
    assert lines(system.base / "busy.ledger") == ["began", "ended"]
    with system.database() as database:
        assert database.execute("select max(execution_count) from runner_jobs").fetchone() == (1,)
    until(lambda: len(system.runner_pids()) == 2, what="for its successor")
    assert left["busy"] not in system.runner_pids()


def test_a_runner_that_outlived_its_server_is_stopped_with_the_next_one(up: Callable[..., System]) -> None:
    """As any other: it is given its time, then interrupted as on cancel, so that its state is written, and can be retried."""
    system = up(EXCLAVE_RUNNER_DRAIN_SECONDS="1")
    install, workflow, left = left_working(system, "left-over")
    system.start()
    workspace = system.workspace_of(system.get(f"/v1/installs/{install}")["sandbox"]["id"])
    assert is_alive(left["busy"])
    system.stop()
    assert not is_alive(left["busy"])
    assert not processes_with("left-over.hold")

    system.start()
    assert "ended with error" in system.watch(workflow, code=1)
    said = system.step(workflow, "provision sandbox apply plan")["status"]["status_human_description"]
    assert "the runner was stopped while the job ran" in said
    assert [resource["name"] for resource in system.state_of(workspace)["resources"]] == ["first", "slow"]
    assert system.lock_of(workspace) is None
    (system.base / "left-over.hold").unlink()
    system.exclave("workflows", "retry", workflow)
    system.watch(workflow)
    assert lines(system.base / "left-over.ledger") == ["began", "began", "ended"]


def test_runners_that_a_killed_server_left_are_stopped_before_their_data_are_removed(up: Callable[..., System]) -> None:
    """As the next demo does: whoever takes away the pid files leaves nobody whom no later start would find."""
    system = up()
    _, _, left = left_working(system, "removed")
    subprocess.run([*SELF, "exclave.server", "stop"], env=system.environ, check=True, timeout=60)
    until(lambda: not any(is_alive(pid) for pid in left.values()), wait=2)
    until(lambda: not processes_with("removed.hold"))
