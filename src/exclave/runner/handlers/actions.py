"""Action runs: scripts in order, each with its own environment and outputs (spec runner.md 4.7)."""

import asyncio
import os
import re
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from exclave.client.runner import plan_as
from exclave.kit.errors import Problem
from exclave.runner import environment
from exclave.runner.handlers import sources
from exclave.runner.job import Job, JobFailed, Outcome, Stopped
from exclave.wire.plans.actions import ActionWorkflowRunPlan, ActionWorkflowRunStepPlan

_LONGEST_OUTPUT_LINE = 64 * 1024
_LARGEST_OUTPUT_FILE = 4 << 20


class StepTimedOut(JobFailed):
    """The action took longer than its timeout."""

    code = "timed_out"


@dataclass(frozen=True)
class Step:
    """A step of the run, with its place and name."""

    number: int
    name: str
    plan: ActionWorkflowRunStepPlan


async def run_action(job: Job) -> Outcome:
    """Run every step in order; the first that fails ends the run, and those after it are told as errors."""
    plan: ActionWorkflowRunPlan = plan_as(job.plan, ActionWorkflowRunPlan)
    if plan.cluster_info is not None:
        raise JobFailed("a Kubernetes cluster for actions is not there yet in this runner", reason="not-there-yet")
    job.redact.add(*plan.sensitive_values)
    if token := plan.builtin_env_vars.get("NUON_API_TOKEN"):
        job.redact.add(token)
    steps = [Step(i, s.attrs.get("step.name") or f"step {i + 1}", s) for i, s in enumerate(plan.steps)]
    ends = time.monotonic() + plan.timeout / 1e9 if plan.timeout else float("inf")
    merged: dict[str, Any] = {}
    of_steps: dict[str, Any] = {}
    for step in steps:
        try:
            outputs = await _run_step(job, plan, step, ends)
        except (Problem, Stopped, asyncio.CancelledError):
            await _tell_rest(job, plan, steps[step.number + 1 :])
            raise
        merged.update(outputs)
        of_steps[step.name] = outputs
    return Outcome(outputs={**merged, "steps": of_steps})


async def _run_step(job: Job, plan: ActionWorkflowRunPlan, step: Step, ends: float) -> dict[str, Any]:
    started = time.monotonic()

    async def tell(status: str) -> None:
        nanoseconds = int((time.monotonic() - started) * 1e9)
        job.lease.check()
        await job.execution.action_step(plan.install_id, plan.id, step.plan.run_id, status, nanoseconds)

    with job.step(step.name):
        await tell("in-progress")
        try:
            outputs = await _work(job, plan, step, ends)
        except StepTimedOut:
            await tell("timed-out")
            raise
        except (Problem, Stopped, asyncio.CancelledError):
            with suppress(Problem):
                await asyncio.shield(tell("error"))
            raise
        await tell("finished")
        return outputs


async def _work(job: Job, plan: ActionWorkflowRunPlan, step: Step, ends: float) -> dict[str, Any]:
    directory = job.directory / f"step-{step.number}"
    if step.plan.source is not None or step.plan.git_source is not None:
        fetched = await sources.fetch(job, step.plan.source, step.plan.git_source, directory)
        directory = fetched.root if step.plan.source is None or step.plan.source.git is not None else fetched.directory
    else:
        directory.mkdir(mode=0o700)
    output_file = job.directory / f"{step.number}.nuon-outputs.json"
    output_file.touch(mode=0o600)
    env = step_environment(job.environment(), plan, step.plan, output_file=output_file, root=job.directory)
    argv = _command(job, step, directory)
    job.log.write(f"running {step.name}")
    left = ends - time.monotonic()
    try:
        code = await asyncio.wait_for(job.run(argv, cwd=directory, env=env), None if left == float("inf") else max(left, 0.001))
    except TimeoutError as error:
        raise StepTimedOut(
            f"the step {step.name!r} was stopped: the action's timeout of {plan.timeout / 1e9:g} s is over", reason="timed-out"
        ) from error
    if code != 0:
        raise JobFailed(f"the step {step.name!r} failed with exit status {code}", reason="action-failed")
    return read_outputs(output_file, step.name)


def step_environment(
    base: Mapping[str, str], plan: ActionWorkflowRunPlan, step: ActionWorkflowRunStepPlan, *, output_file: Path, root: Path
) -> dict[str, str]:
    """Return what a step sees: later entries win, but nothing of a plan replaces what the runner itself sets for its programs."""
    return {
        **base,
        **environment.checked(plan.builtin_env_vars, where="the plan's builtin_env_vars"),
        "NUON_ACTIONS_OUTPUT_FILEPATH": str(output_file),
        "NUON_ACTIONS_ROOT": str(root),
        "NUON_KUBECONFIG_ENABLED": "false",
        **_aws(plan),
        **environment.checked(step.interpolated_env_vars, where=f"step {step.attrs.get('step.name', '')!r}"),
        **environment.checked(plan.override_env_vars, where="the run's env_vars"),
    }


def read_outputs(file: Path, step: str) -> dict[str, Any]:
    """Read what a step wrote: each line a JSON object or key=value. Raises JobFailed naming the line that is neither."""
    # The step may have replaced its file by anything: only a regular file of bounded size is read, and no link followed.
    try:
        with open(file, "rb", opener=lambda name, _: os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as opened:
            data = opened.read(_LARGEST_OUTPUT_FILE + 1)
    except OSError as error:
        raise JobFailed(f"the outputs of the step {step!r} cannot be read: {error.strerror}", reason="outputs-invalid") from error
    if len(data) > _LARGEST_OUTPUT_FILE:
        raise JobFailed(f"the step {step!r} wrote more than {_LARGEST_OUTPUT_FILE} bytes of outputs", reason="outputs-invalid")
    outputs: dict[str, Any] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        if len(line) > _LONGEST_OUTPUT_LINE:
            raise JobFailed(f"line {number} of the outputs of the step {step!r} is longer than 64 KiB", reason="outputs-invalid")
        try:
            outputs.update(_output_line(line, number, step))
        except RecursionError as error:
            raise JobFailed(f"line {number} of the outputs of the step {step!r} is nested too deeply", reason="outputs-invalid") from error
    return outputs


def _output_line(line: bytes, number: int, step: str) -> dict[str, Any]:
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        value = msgspec.json.decode(line)
        if isinstance(value, dict):
            return value
        raise JobFailed(f"line {number} of the outputs of the step {step!r} is JSON but no object", reason="outputs-invalid")
    text = line.decode("utf-8", "replace").rstrip("\r")
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise JobFailed(
            f"line {number} of the outputs of the step {step!r} is neither a JSON object nor key=value", reason="outputs-invalid"
        )
    return {key.strip(): value}


def _command(job: Job, step: Step, directory: Path) -> list[str]:
    """Return what to start: the inline script, else the command, looked for in the repository before PATH."""
    contents = step.plan.interpolated_inline_contents
    if contents:
        script = job.directory / f".inline-contents-step-{step.number}"
        with open(script, "x", opener=lambda name, flags: os.open(name, flags, 0o700)) as file:
            file.write(contents)
        if not contents.startswith("#!"):
            return ["/bin/sh", str(script)]
        interpreter = re.split(r"[ \t]", contents.partition("\n")[0][2:].strip(" \t"), maxsplit=1)[0]
        if interpreter.startswith("/") and not os.path.exists(interpreter):  # the kernel would call the script itself missing
            raise JobFailed(f"the step {step.name!r} is to be run by {interpreter!r}, which this runner has not", reason="action-command")
        return [str(script)]
    try:
        words = shlex.split(step.plan.interpolated_command)
    except ValueError as error:
        raise JobFailed(f"the command of the step {step.name!r} cannot be split into words: {error}", reason="action-command") from error
    if not words:
        raise JobFailed(f"the step {step.name!r} has neither a command nor inline contents", reason="action-command")
    candidate = directory / words[0]
    if os.access(candidate, os.X_OK) and candidate.is_file():
        return [str(candidate), *words[1:]]
    if words[0].startswith("./"):
        raise JobFailed(f"the step {step.name!r} runs {words[0]}, which is no executable file of its source", reason="action-command")
    return words


def _aws(plan: ActionWorkflowRunPlan) -> dict[str, str]:
    aws = plan.aws_auth
    if aws is None:
        return {}
    if aws.assume_role is not None:
        raise JobFailed("assuming an AWS role is not there yet in this runner: give it the role of its machine", reason="not-there-yet")
    env = {"AWS_REGION": aws.region} if aws.region else {}
    if aws.static is not None:
        env |= {"AWS_ACCESS_KEY_ID": aws.static.access_key_id, "AWS_SECRET_ACCESS_KEY": aws.static.secret_access_key}
        if aws.static.session_token:
            env["AWS_SESSION_TOKEN"] = aws.static.session_token
    return env


async def _tell_rest(job: Job, plan: ActionWorkflowRunPlan, rest: list[Step]) -> None:
    for step in rest:
        if not job.lease.held:
            return
        with suppress(Problem):
            await job.execution.action_step(plan.install_id, plan.id, step.plan.run_id, "error", 0)
