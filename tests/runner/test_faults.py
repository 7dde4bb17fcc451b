"""Cancellation, lost leases, killed and stopped runners, and a control plane that does not answer: with real processes."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from exclave.kit.ids import new_id
from exclave.runner import execution as executions
from tests.runner.conftest import Work, needs_terraform, until
from tests.runner.control_plane import RUNNER_TOKEN, ControlPlane, Execution
from tests.runner.test_actions import action, processes_with
from tests.runner.test_terraform import CANARY, approved, plan_of

pytestmark = pytest.mark.fault

Runners = Any


# Processes are found by the number that they sleep for: one of this run's own, lest what an earlier run left is taken for ours.
_RUN = f"{secrets.randbelow(900) + 100}{os.getpid()}"


def m(number: int) -> str:
    return f"{number}.{_RUN}"


def slow_module(marker: str) -> dict[str, str]:
    """A module whose apply makes one resource, then runs a program for a long time."""
    return {
        "main.tf": f"""
variable "name" {{}}
variable "secret" {{
  sensitive = true
}}
resource "terraform_data" "first" {{ input = var.secret }}
resource "terraform_data" "slow" {{
  depends_on = [terraform_data.first]
  provisioner "local-exec" {{
    command = "sleep {marker}"
  }}
}}
"""
    }


async def slow_apply(plane: ControlPlane, work: Work, marker: str) -> Execution:
    """Plan and start to apply; return when the long program runs."""
    plan = plan_of(plane, slow_module(marker))
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    execution = await work.started(plane.submit("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan"))
    await until(lambda: processes_with(f"sleep {marker}"))
    return execution


def proc(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # a helper of Terraform's that has just ended
        return b""


def resources(plane: ControlPlane) -> list[str]:
    return [r["name"] for r in json.loads(plane.states.get("tfwtest") or '{"resources": []}')["resources"]]


@needs_terraform
async def test_a_cancelled_apply_is_interrupted_and_keeps_its_state(plane: ControlPlane, work: Work) -> None:
    plane.lease_seconds = 1.5
    execution = await slow_apply(plane, work, f"{m(611)}")
    execution.job_status = "cancelled"
    assert await asyncio.to_thread(execution.done.wait, 10)
    assert execution.status == "cancelled"
    assert execution.error["reason"] == "cancelled"
    assert "first" in resources(plane)
    assert plane.locks == {}
    assert not processes_with(f"sleep {m(611)}")
    await work.idle()


async def test_a_cancelled_action_ends_all_that_it_started(plane: ControlPlane, work: Work) -> None:
    plane.lease_seconds = 0.6
    script = f"trap '' INT TERM\n(trap '' INT TERM; sleep {m(612)}) &\nsleep {m(612)}"
    work.agent.runtime.patience = type(work.agent.runtime.patience)(interrupt=0.3, terminate=0.3)
    execution = await work.started(plane.submit("actions-workflow", action({"interpolated_inline_contents": script})))
    await until(lambda: len(processes_with(f"sleep {m(612)}")) >= 2)
    execution.job_status = "cancelled"
    assert await asyncio.to_thread(execution.done.wait, 10)
    assert execution.status == "cancelled"
    assert not processes_with(f"sleep {m(612)}")
    assert plane.action_steps["step0"][-1]["status"] == "error"


@needs_terraform
async def test_a_lease_that_cannot_be_renewed_ends_the_job_before_the_server_gives_it_away(plane: ControlPlane, work: Work) -> None:
    plane.lease_seconds = 1.5
    execution = await slow_apply(plane, work, f"{m(613)}")
    plane.renew_is_down = True
    await until(lambda: not processes_with(f"{m(613)}"), wait=5)
    assert time.monotonic() < execution.ends + 0.5
    await work.idle()
    plane.renew_is_down = False
    written = (list(execution.statuses), execution.result, len(execution.log), resources(plane))
    await asyncio.sleep(0.7)
    assert written == (execution.statuses, execution.result, len(execution.log), resources(plane))
    assert execution.statuses == ["in-progress"]
    assert execution.result is None
    assert execution.refused == []


async def test_a_job_that_was_given_away_ends_at_the_next_renewal(plane: ControlPlane, work: Work) -> None:
    plane.lease_seconds = 1.0
    plan = action({"interpolated_inline_contents": f"sleep {m(614)}"})
    execution = await work.started(plane.submit("actions-workflow", plan))
    await until(lambda: processes_with(f"sleep {m(614)}"))
    execution.ends = 0  # as if another one had it now
    await until(lambda: not processes_with(f"{m(614)}"), wait=3)
    await work.idle()
    assert execution.statuses == ["in-progress"]
    assert execution.result is None
    assert not [call for call in execution.refused if "renew" not in call and call != "logs"]


async def test_nothing_runs_before_the_server_knows_that_the_job_is_begun(plane: ControlPlane, work: Work, tmp_path: Path) -> None:
    """A job whose claim was never heard of again is given to another runner: what ran here unheard would run twice."""
    ran = tmp_path / "ran"
    plane.lease_seconds = 1.5
    plane.failing["PATCH executions"] = 10_000
    plane.renew_is_down = True
    await work.started(plane.submit("actions-workflow", action({"interpolated_inline_contents": f"touch {ran}"})))
    await work.idle()
    assert not ran.exists()


async def test_a_short_outage_of_renewals_is_not_noticed(plane: ControlPlane, work: Work) -> None:
    plane.lease_seconds = 1.5
    plan = action({"interpolated_inline_contents": "sleep 2; echo done"})
    execution = await work.started(plane.submit("actions-workflow", plan))
    plane.renew_is_down = True
    await asyncio.sleep(0.9)
    plane.renew_is_down = False
    assert await asyncio.to_thread(execution.done.wait, 10)
    assert execution.status == "finished"
    assert "done" in execution.lines


async def test_a_job_that_takes_too_long_is_interrupted(plane: ControlPlane, work: Work) -> None:
    done = await work.do("actions-workflow", action({"interpolated_inline_contents": f"sleep {m(615)}"}), timeout=0.4)
    assert done.status == "timed-out"
    assert done.error["reason"] == "timed-out"
    assert not processes_with(f"{m(615)}")


async def test_a_job_that_the_server_timed_out_is_told_as_such(plane: ControlPlane, work: Work) -> None:
    plane.lease_seconds = 0.6
    execution = await work.started(plane.submit("actions-workflow", action({"interpolated_inline_contents": f"sleep {m(623)}"})))
    await until(lambda: processes_with(f"sleep {m(623)}"))
    execution.job_status = "timed-out"
    assert await asyncio.to_thread(execution.done.wait, 10)
    assert execution.status == "timed-out"


@needs_terraform
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_a_runner_of_another_user_with_nothing_but_an_empty_directory_works(plane: ControlPlane, tmp_path: Path) -> None:
    """Modules are imported before the change of user, who may not be able to read where they lie."""
    script = """
import importlib, os, pkgutil, sys
import exclave.runner.handlers as handlers
from exclave.runner.main import main
for module in pkgutil.iter_modules(handlers.__path__):
    importlib.import_module(f"{handlers.__name__}.{module.name}")
import asyncio, encodings.idna, importlib.resources
from exclave.client.http import Http
async def call_once():
    await asyncio.to_thread(os.getpid)
    async with Http("http://127.0.0.1:9", patience=0) as http:
        try:
            await http.request("GET", "/")
        except Exception:
            pass
asyncio.run(call_once())
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(["all"]))
"""
    with tempfile.TemporaryDirectory() as home:  # below the temporary directory of the machine, which everybody may enter
        os.chown(home, 65534, 65534)
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "HOME": home,
            "RUNNER_API_URL": plane.url,
            "RUNNER_API_TOKEN": RUNNER_TOKEN,
            "RUNNER_ID": new_id("run"),
        }
        runner = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", script], env=env, cwd=home, stderr=subprocess.PIPE)
        try:
            plan = plan_of(plane, {"main.tf": 'output "who" {\n  value = 1\n}\n'}, vars={})
            job = plane.submit("sandbox-terraform", plan, operation="create-apply-plan")
            await until(lambda: (e := plane.execution_of(job)) is not None and e.done.is_set(), wait=15)
            planned = plane.execution_of(job)
            assert planned is not None
            assert planned.status == "finished", planned.error
            who = plane.submit("actions-workflow", action({"interpolated_inline_contents": "id -u"}))
            await until(lambda: (e := plane.execution_of(who)) is not None and e.done.is_set(), wait=15)
            acted = plane.execution_of(who)
            assert acted is not None
            assert "65534" in acted.lines
        finally:
            runner.terminate()
            _, said = await asyncio.to_thread(runner.communicate, timeout=20)
        assert runner.returncode == 0, said


async def test_log_lines_arrive_once_and_in_order_when_the_server_fails(plane: ControlPlane, work: Work) -> None:
    plane.failing["POST /logs"] = 4
    script = "for i in $(seq 1 3000); do echo line $i; done"
    done = await work.do("actions-workflow", action({"interpolated_inline_contents": script}))
    assert [line for line in done.lines if line.startswith("line ")] == [f"line {i}" for i in range(1, 3001)]
    assert [seq for seq, _, _ in done.log] == list(range(1, len(done.log) + 1))


async def test_all_that_a_noisy_job_said_is_there_before_it_is_reported(
    plane: ControlPlane, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "_FLUSH_SECONDS", 0.5)
    plane.log_seconds = 0.1  # a server far away: what was said takes longer to send than a report may take
    plan = action({"interpolated_inline_contents": "seq 10000; echo last words; exit 3"})
    done = await work.do("actions-workflow", plan)
    assert done.status == "failed"
    assert "last words" in done.lines
    assert [line for line in done.lines if line.isdecimal()] == [str(i) for i in range(1, 10001)]


async def test_a_job_that_has_only_its_log_to_send_is_reported_when_its_runner_is_stopped(
    plane: ControlPlane, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "_FLUSH_SECONDS", 1.0)
    plane.log_seconds = 0.5
    job = plane.submit("actions-workflow", action({"interpolated_inline_contents": "seq 30000"}))
    running = await work.started(job)
    await until(lambda: plane.action_steps["step0"] and plane.action_steps["step0"][-1]["status"] == "finished")
    await asyncio.sleep(1.5)
    assert not running.done.is_set(), "it sends its log"
    work.agent.drain()
    work.agent.drain()
    assert await asyncio.to_thread(running.done.wait, 5)
    assert running.status == "finished", "what it did is done"


async def test_a_job_that_ends_while_its_runner_is_stopped_sends_no_more_than_its_report(
    plane: ControlPlane, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "_FLUSH_SECONDS", 1.0)
    plane.log_seconds = 0.5
    job = plane.submit("actions-workflow", action({"interpolated_inline_contents": "seq 30000; sleep 0.5"}))
    running = await work.started(job)
    await until(lambda: work.agent._running)
    (execution,) = work.agent._running.values()
    await until(lambda: execution._work is not None)
    assert execution._work is not None
    execution._work.add_done_callback(lambda _: execution.stop("runner-stopped"))
    await until(lambda: plane.action_steps["step0"] and plane.action_steps["step0"][-1]["status"] == "finished")
    assert await asyncio.to_thread(running.done.wait, 5)
    assert running.status == "finished"


async def test_writes_are_tried_again_when_the_server_fails(plane: ControlPlane, work: Work) -> None:
    plane.failing = {"POST /report": 2, "PATCH /executions": 2, "GET /sources": 2}
    plan = action({"interpolated_command": "cat x", "source": {"archive": plane.source({"x": "hello"}), "path": ""}})
    done = await work.do("actions-workflow", plan)
    assert done.status == "finished"
    assert "hello" in done.lines


async def test_a_result_that_the_server_does_not_take_fails_the_job_with_the_reason(plane: ControlPlane, work: Work) -> None:
    plane.trouble = (400, {"error": "invalid", "description": "the result is not to its taste"})
    plane.failing["POST /report"] = 1
    done = await work.do("actions-workflow", action({"interpolated_command": "true"}))
    assert done.status == "failed"
    assert done.error["reason"] == "result-refused"
    assert "not to its taste" in done.error["message"]


async def test_no_more_jobs_than_allowed_run_at_once(plane: ControlPlane, work: Work) -> None:
    jobs = [plane.submit("actions-workflow", action({"interpolated_inline_contents": f"sleep {m(616)}"})) for _ in range(5)]
    await until(lambda: len(plane.executions) == 4)
    await until(lambda: len(processes_with(f"sleep {m(616)}")) == 4)
    await asyncio.sleep(0.2)
    assert len(plane.executions) == 4
    assert plane.execution_of(jobs[4]) is None


async def test_sigterm_lets_jobs_finish(plane: ControlPlane, runners: Runners, tmp_path: Path) -> None:
    runner = runners()
    job = plane.submit("actions-workflow", action({"interpolated_inline_contents": "sleep 0.7; echo finished well"}))
    await until(lambda: plane.execution_of(job) is not None)
    runner.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    plane.submit("noop", {})
    assert await asyncio.to_thread(runner.wait, 10) == 0
    execution = plane.execution_of(job)
    assert execution is not None
    assert execution.status == "finished"
    assert "finished well" in execution.lines
    assert len(plane.executions) == 1, "a draining runner claims nothing"
    assert not [p for p in (tmp_path / "work").rglob("*") if p.is_file() and p.name != ".lock"]


@pytest.mark.parametrize("signals", [1, 2])
async def test_jobs_that_do_not_finish_in_time_are_reported(plane: ControlPlane, runners: Runners, signals: int) -> None:
    drain = "0.3" if signals == 1 else "60"
    runner = runners(EXCLAVE_RUNNER_DRAIN_SECONDS=drain)
    job = plane.submit("actions-workflow", action({"interpolated_inline_contents": f"sleep {m(617)}"}))
    await until(lambda: processes_with(f"sleep {m(617)}"))
    for _ in range(signals):
        runner.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
    assert await asyncio.to_thread(runner.wait, 10) == 0
    execution = plane.execution_of(job)
    assert execution is not None
    assert execution.status == "failed"
    assert execution.error["reason"] == "runner-stopped"
    assert not processes_with(f"{m(617)}")


async def test_a_retired_runner_claims_nothing_and_ends_when_its_job_does(plane: ControlPlane, runners: Runners, tmp_path: Path) -> None:
    runner = runners(EXCLAVE_RUNNER_DRAIN_SECONDS="0.1")
    hold = tmp_path / "hold"
    hold.touch()
    script = f"echo on; while [ -e {hold} ]; do sleep 0.1; done; echo well"
    job = plane.submit("actions-workflow", action({"interpolated_inline_contents": script}))
    await until(lambda: (execution := plane.execution_of(job)) is not None and "on" in execution.lines)
    runner.send_signal(signal.SIGUSR1)
    runner.send_signal(signal.SIGUSR1)
    await asyncio.sleep(1)  # ten times what it may drain
    plane.submit("noop", {})
    assert runner.poll() is None
    hold.unlink()
    assert await asyncio.to_thread(runner.wait, 20) == 0
    execution = plane.execution_of(job)
    assert execution is not None
    assert (execution.status, "well" in execution.lines) == ("finished", True)
    assert len(plane.executions) == 1


async def test_sigterm_bounds_what_a_retired_runner_waits_for(plane: ControlPlane, runners: Runners) -> None:
    runner = runners(EXCLAVE_RUNNER_DRAIN_SECONDS="0.3")
    job = plane.submit("actions-workflow", action({"interpolated_inline_contents": f"sleep {m(624)}"}))
    await until(lambda: processes_with(f"sleep {m(624)}"))
    runner.send_signal(signal.SIGUSR1)
    runner.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(runner.wait, 20) == 0
    execution = plane.execution_of(job)
    assert execution is not None
    assert execution.error["reason"] == "runner-stopped"
    assert not processes_with(f"{m(624)}")


async def test_an_idle_runner_that_is_retired_ends_at_once(plane: ControlPlane, runners: Runners) -> None:
    runner = runners(EXCLAVE_RUNNER_DRAIN_SECONDS="60")
    await until(lambda: plane.calls)
    runner.send_signal(signal.SIGUSR1)
    assert await asyncio.to_thread(runner.wait, 5) == 0


async def test_a_shut_down_job_ends_the_process_well(plane: ControlPlane, runners: Runners) -> None:
    runner = runners()
    job = plane.submit("shut-down", {})
    assert await asyncio.to_thread(runner.wait, 10) == 0
    execution = plane.execution_of(job)
    assert execution is not None
    assert execution.status == "finished"


@needs_terraform
async def test_when_the_runner_is_killed_terraform_still_stores_its_state(plane: ControlPlane, runners: Runners, tmp_path: Path) -> None:
    runner_id = new_id("run")
    runner = runners(runner_id=runner_id)
    plan = plan_of(plane, slow_module(f"{m(618)}"))
    job = plane.submit("sandbox-terraform", plan, operation="create-apply-plan")
    await until(lambda: (e := plane.execution_of(job)) is not None and e.done.is_set(), wait=15)
    planned = plane.execution_of(job)
    assert planned is not None
    apply = plane.submit("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan")
    await until(lambda: processes_with(f"sleep {m(618)}"), wait=15)
    runner.kill()
    await until(lambda: "first" in resources(plane) and plane.locks == {}, wait=5)
    execution = plane.execution_of(apply)
    assert execution is not None
    assert execution.statuses == ["in-progress"]
    left = list((tmp_path / "work" / runner_id).glob("process-*/*/source"))
    assert left, "a killed process cannot tidy up"
    runners(runner_id=runner_id)
    await until(lambda: not left[0].exists() and not processes_with(f"{m(618)}"), wait=10)


async def test_the_next_start_ends_what_a_killed_runner_left_running(plane: ControlPlane, runners: Runners) -> None:
    runner_id = new_id("run")
    runner = runners(runner_id=runner_id)
    script = f"sleep {m(619)} & sleep {m(619)}"
    plane.submit("actions-workflow", action({"interpolated_inline_contents": script}))
    await until(lambda: len(processes_with(f"sleep {m(619)}")) >= 2)
    runner.kill()
    await asyncio.to_thread(runner.wait)
    assert processes_with(f"{m(619)}"), "the leader died with its runner, its children did not"
    runners(runner_id=runner_id)
    await until(lambda: not processes_with(f"{m(619)}"), wait=10)


async def test_a_runner_that_was_stopped_for_longer_than_its_lease_writes_nothing(plane: ControlPlane, runners: Runners) -> None:
    plane.lease_seconds = 1.0
    runner = runners()
    job = plane.submit("actions-workflow", action({"interpolated_inline_contents": f"sleep 1.5; echo late; sleep {m(620)}"}))
    await until(lambda: processes_with(f"sleep {m(620)}") or processes_with("sleep 1.5"))
    runner.send_signal(signal.SIGSTOP)
    await asyncio.sleep(1.8)
    execution = plane.execution_of(job)
    assert execution is not None
    assert time.monotonic() > execution.ends
    runner.send_signal(signal.SIGCONT)
    await until(lambda: not processes_with(f"{m(620)}"), wait=3)
    await asyncio.sleep(0.5)
    assert execution.statuses == ["in-progress"]
    assert execution.result is None
    assert "late" not in execution.lines


async def test_two_processes_of_one_runner_leave_each_other_alone(plane: ControlPlane, runners: Runners, tmp_path: Path) -> None:
    runner_id = new_id("run")
    runners(runner_id=runner_id)
    job = plane.submit("actions-workflow", action({"interpolated_inline_contents": "sleep 1; ls $HOME"}))
    await until(lambda: plane.execution_of(job) is not None)
    runners(runner_id=runner_id)
    await until(lambda: len(list((tmp_path / "work" / runner_id).glob("process-*"))) == 2)
    execution = plane.execution_of(job)
    assert execution is not None
    assert await asyncio.to_thread(execution.done.wait, 10)
    assert execution.status == "finished"


async def test_the_token_is_in_no_environment_argument_or_file(plane: ControlPlane, runners: Runners, tmp_path: Path) -> None:
    runner = runners()
    plane.submit("actions-workflow", action({"interpolated_inline_contents": f"sleep {m(621)}"}))
    await until(lambda: processes_with(f"sleep {m(621)}"))
    for pid in [runner.pid, *processes_with(f"{m(621)}")]:
        for name in ("environ", "cmdline"):
            if name == "environ" and pid == runner.pid and os.geteuid() != 0:
                with pytest.raises(PermissionError):  # it hides that even from its own user
                    proc(f"/proc/{pid}/{name}")
                continue
            content = proc(f"/proc/{pid}/{name}")
            assert RUNNER_TOKEN.encode() not in content
            assert b"lease-token-" not in content
    for file in (p for p in (tmp_path / "work").rglob("*") if p.is_file()):
        content = file.read_bytes()
        assert RUNNER_TOKEN.encode() not in content
        assert b"lease-token-" not in content
    modes = {oct(p.stat().st_mode & 0o777) for p in (tmp_path / "work").rglob("*") if p.is_dir() and p.parent.name.startswith("process-")}
    assert modes == {"0o700"}


@needs_terraform
async def test_a_canary_is_nowhere_but_in_the_state_and_the_outputs(plane: ControlPlane, work: Work) -> None:
    execution = await slow_apply(plane, work, f"{m(622)}")
    terraforms = processes_with("tfplan")
    assert terraforms
    assert any(proc(f"/proc/{pid}/environ") for pid in terraforms)
    for pid in terraforms + processes_with(f"sleep {m(622)}"):
        assert CANARY.encode() not in proc(f"/proc/{pid}/environ")
        assert CANARY.encode() not in proc(f"/proc/{pid}/cmdline")
        assert RUNNER_TOKEN.encode() not in proc(f"/proc/{pid}/environ")
    plane.lease_seconds = 0.5
    execution.job_status = "cancelled"
    assert await asyncio.to_thread(execution.done.wait, 15)
    for one in plane.executions.values():
        assert CANARY not in "\n".join(one.lines) + json.dumps(one.error)
