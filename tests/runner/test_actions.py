"""Action runs: environment, outputs, time-outs, and what is refused."""

import asyncio
import base64
import os
from typing import Any

import pytest

from tests.runner.conftest import Work
from tests.runner.control_plane import RUNNER_TOKEN, ControlPlane

SECRET = "s3cr3t-value-canary"


def action(*steps: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {
        "id": "iaw",
        "install_id": "inl",
        "steps": [{"run_id": f"step{i}", "attrs": {"step.name": f"s{i}"}, **step} for i, step in enumerate(steps)],
        **given,
    }


async def test_steps_run_in_order_and_their_outputs_are_merged(plane: ControlPlane, work: Work) -> None:
    plan = action(
        {"interpolated_inline_contents": '#!/bin/sh\necho hello; echo oops >&2\necho "url=http://a=b" >> $NUON_ACTIONS_OUTPUT_FILEPATH\n'},
        {"interpolated_inline_contents": 'echo \'{"n": 1, "deep": {"x": [true, null]}}\' >> $NUON_ACTIONS_OUTPUT_FILEPATH'},
    )
    done = await work.do("actions-workflow", plan)
    assert done.status == "finished", done.error
    first, second = {"url": "http://a=b"}, {"n": 1, "deep": {"x": [True, None]}}
    assert done.outputs == {**first, **second, "steps": {"s0": first, "s1": second}}
    assert [c["status"] for c in plane.action_steps["step0"]] == ["in-progress", "finished"]
    assert [c["status"] for c in plane.action_steps["step1"]] == ["in-progress", "finished"]
    assert plane.action_steps["step0"][-1]["execution_duration"] > 0
    assert (9, "hello") in [(severity, body) for _, severity, body in done.log]
    assert (17, "oops") in [(severity, body) for _, severity, body in done.log]
    assert {a["runner_job_execution_step.name"] for a in done.attributes if "runner_job_execution_step.name" in a} >= {"s0", "s1"}


async def test_a_failing_step_ends_the_run(plane: ControlPlane, work: Work) -> None:
    plan = action({"interpolated_inline_contents": "echo why it failed; exit 7"}, {"interpolated_inline_contents": "echo never"})
    done = await work.do("actions-workflow", plan)
    assert done.status == "failed"
    assert done.error["step"] == "s0"
    assert "exit status 7" in done.error["message"]
    assert "why it failed" in done.error["tail"]
    assert [c["status"] for c in plane.action_steps["step0"]] == ["in-progress", "error"]
    assert [c["status"] for c in plane.action_steps["step1"]] == ["error"]
    assert "never" not in done.lines


async def test_the_timeout_of_an_action_ends_its_processes(plane: ControlPlane, work: Work) -> None:
    plan = action({"interpolated_inline_contents": "sleep 61.25 & sleep 61.25"}, timeout=300_000_000)
    done = await work.do("actions-workflow", plan)
    assert done.status == "failed"
    assert done.error["reason"] == "timed-out"
    assert plane.action_steps["step0"][-1]["status"] == "timed-out"
    await work.idle()
    assert not processes_with("61.25")


async def test_a_step_sees_only_what_it_is_given(plane: ControlPlane, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_VAR_ambient", "x")
    monkeypatch.setenv("NUON_AMBIENT", "x")
    monkeypatch.setenv("EXCLAVE_AMBIENT", "x")
    plan = action(
        {"interpolated_inline_contents": "env | sort", "interpolated_env_vars": {"MINE": "step", "BOTH": "step"}},
        builtin_env_vars={"NUON_INSTALL_ID": "inl"},
        override_env_vars={"BOTH": "run"},
    )
    done = await work.do("actions-workflow", plan)
    seen = dict(line.split("=", 1) for line in done.lines if "=" in line)
    assert seen.keys() - {"_", "PWD", "OLDPWD", "SHLVL"} == {
        "PATH", "HOME", "TMPDIR", "LANG", "MINE", "BOTH", "NUON_INSTALL_ID", "NUON_ACTIONS_OUTPUT_FILEPATH", "NUON_ACTIONS_ROOT",
        "NUON_KUBECONFIG_ENABLED",
    }  # fmt: skip
    assert seen["BOTH"] == "run"
    await work.idle()
    assert await asyncio.to_thread(os.path.exists, seen["HOME"]) is False, "the directory of a job outlives it"


async def test_secrets_are_redacted_in_every_form(plane: ControlPlane, work: Work) -> None:
    script = 'echo "plain $S"; printf %s "$S" | base64; printf "xy%s" "$S" | base64; echo "{\\"k\\": \\"$S\\"}"; exit 1'
    plan = action({"interpolated_inline_contents": script, "interpolated_env_vars": {"S": SECRET}}, sensitive_values=[SECRET])
    done = await work.do("actions-workflow", plan)
    assert done.status == "failed"
    text = "\n".join(done.lines) + str(done.result)
    assert SECRET not in text
    assert base64.b64encode(SECRET.encode()).decode()[:16] not in text
    assert base64.b64encode(b"xy" + SECRET.encode()).decode()[4:20] not in text
    assert "plain (sensitive value)" in text


async def test_outputs_that_hold_a_secret_are_told_as_secret(plane: ControlPlane, work: Work) -> None:
    lines = ["url=https://me:$S@db", '{"deep": [{"$S": 1}], "port": 5432}', "pin=4711", '{"number": 471188, "other": 4711889}']
    script = "".join(f"printf '%s\\n' \"{line}\" >> $NUON_ACTIONS_OUTPUT_FILEPATH\n" for line in (x.replace('"', '\\"') for x in lines))
    plan = action(
        {"interpolated_inline_contents": script, "interpolated_env_vars": {"S": SECRET}}, sensitive_values=[SECRET, "471188", "4711"]
    )
    done = await work.do("actions-workflow", plan)
    assert done.status == "finished", done.error
    assert done.outputs is not None
    assert done.outputs["url"] == f"https://me:{SECRET}@db"
    assert done.sensitive == ["deep", "number", "steps", "url"]


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "PATH", "BASH_ENV", "GIT_SSH_COMMAND", "LD_LIBRARY_PATH", "a-b", "1x", "A B", "X=Y", "", "A\nB"]
)
async def test_variables_that_change_how_programs_start_are_refused(plane: ControlPlane, work: Work, name: str) -> None:
    plan = action({"interpolated_inline_contents": "echo ran", "interpolated_env_vars": {name: "x"}})
    done = await work.do("actions-workflow", plan)
    assert done.status == "failed"
    assert done.error["reason"] == "environment_refused"
    assert "ran" not in done.lines


@pytest.mark.parametrize(
    ("line", "says"),
    [("[1, 2]", "no object"), ("just words", "neither"), ("=x", "neither"), ("k=" + "v" * 70_000, "longer than 64 KiB")],
)
async def test_outputs_that_are_neither_json_nor_pairs_fail_the_step(plane: ControlPlane, work: Work, line: str, says: str) -> None:
    command = (
        "head -c 70000 /dev/zero | tr '\\0' v >> $NUON_ACTIONS_OUTPUT_FILEPATH"
        if len(line) > 1000
        else f"echo '{line}' >> $NUON_ACTIONS_OUTPUT_FILEPATH"
    )
    done = await work.do("actions-workflow", action({"interpolated_inline_contents": command}))
    assert done.status == "failed"
    assert says in done.error["message"]


async def test_outputs_are_read_through_no_link(plane: ControlPlane, work: Work) -> None:
    script = "rm $NUON_ACTIONS_OUTPUT_FILEPATH; ln -s /etc/passwd $NUON_ACTIONS_OUTPUT_FILEPATH"
    done = await work.do("actions-workflow", action({"interpolated_inline_contents": script}))
    assert done.status == "failed"
    assert done.outputs is None


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("rm $NUON_ACTIONS_OUTPUT_FILEPATH; mkdir $NUON_ACTIONS_OUTPUT_FILEPATH", "Is a directory"),
        ("rm $NUON_ACTIONS_OUTPUT_FILEPATH", "No such file"),
        ("(printf '{\"a\":'; printf '%30000s' | tr ' ' '['; printf '%30000s}\\n' | tr ' ' ']') >> $NUON_ACTIONS_OUTPUT_FILEPATH", "deeply"),
    ],
)
async def test_a_file_of_outputs_that_cannot_be_read_is_told_as_such(plane: ControlPlane, work: Work, script: str, says: str) -> None:
    done = await work.do("actions-workflow", action({"interpolated_inline_contents": script}))
    assert done.error["reason"] == "outputs-invalid"
    assert says in done.error["message"]


@pytest.mark.parametrize(("first", "named"), [("#! /opt/none/python3 -u", "'/opt/none/python3'"), ("#!/bin/sh\r", r"'/bin/sh\r'")])
async def test_an_interpreter_that_is_not_there_is_named(plane: ControlPlane, work: Work, first: str, named: str) -> None:
    done = await work.do("actions-workflow", action({"interpolated_inline_contents": f"{first}\necho ran\n"}))
    assert done.error["reason"] == "action-command"
    assert f"run by {named}, which this runner has not" in done.error["message"]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"interpolated_inline_contents": "echo", "interpolated_env_vars": {"A": "x" * 200_000}}, "Argument list too long"),
        ({"interpolated_command": "echo " + "x" * 200_000}, "Argument list too long"),
        ({"interpolated_command": "/etc/passwd/x"}, "Not a directory"),
        ({"interpolated_command": "a" * 5_000}, "File name too long"),
    ],
)
async def test_what_the_kernel_does_not_start_is_told_in_one_line(plane: ControlPlane, work: Work, step: dict[str, Any], says: str) -> None:
    done = await work.do("actions-workflow", action(step))
    assert done.error["reason"] == "cannot-start"
    assert says in done.error["message"]
    assert not [line for line in done.lines if "Traceback" in line or "asyncio" in line]


@pytest.mark.parametrize("command", ["echo 'a b' \"$HOME\"; touch /tmp/never", "echo $(id) | cat > x"])
async def test_a_command_is_words_and_no_shell(plane: ControlPlane, work: Work, command: str) -> None:
    done = await work.do("actions-workflow", action({"interpolated_command": command}))
    assert done.status == "finished", done.error
    assert any("$" in line for line in done.lines)


async def test_a_command_of_the_source_is_found_before_path(plane: ControlPlane, work: Work) -> None:
    source = plane.source({"scripts/x": "not executable", "echo": "nor this"})
    done = await work.do("actions-workflow", action({"interpolated_command": "echo from path", "source": {"archive": source, "path": ""}}))
    assert "from path" in done.lines
    missing = await work.do("actions-workflow", action({"interpolated_command": "./scripts/x", "source": {"archive": source, "path": ""}}))
    assert missing.error["reason"] == "action-command"


async def test_an_unknown_job_type_fails_with_its_name(plane: ControlPlane, work: Work) -> None:
    done = await work.do("docker-build", {})
    assert done.status == "failed"
    assert "docker-build" in done.error["message"]
    assert done.error["reason"] == "unknown-type"


async def test_a_plan_that_does_not_fit_fails_with_its_place(plane: ControlPlane, work: Work) -> None:
    done = await work.do("actions-workflow", {"id": "x", "install_id": "inl", "steps": "no"})
    assert done.error["reason"] == "plan-invalid"
    assert "$.steps" in done.error["message"]


@pytest.mark.parametrize("type", ["noop", "noop-build", "noop-sync", "noop-deploy", "sandbox-sync-secrets", "health-check"])
async def test_simple_jobs_succeed(plane: ControlPlane, work: Work, type: str) -> None:
    done = await work.do(type, {})
    assert done.statuses == ["in-progress", "finished"]
    assert done.result == {"success": True}


async def test_no_child_holds_a_token(plane: ControlPlane, work: Work) -> None:
    plan = action(
        {"interpolated_inline_contents": "cat /proc/self/environ /proc/self/cmdline /proc/$PPID/cmdline | tr '\\0' '\\n'; ls -R $HOME"}
    )
    done = await work.do("actions-workflow", plan)
    text = "\n".join(done.lines)
    assert "HOME=" in text
    assert RUNNER_TOKEN not in text
    assert done.token not in text
    assert "(sensitive value)" not in text


def processes_with(text: str) -> list[int]:
    """List the processes whose command line holds a text."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if text.encode() in file.read().replace(b"\0", b" "):
                        found.append(int(entry))
            except OSError:
                continue
    return found
