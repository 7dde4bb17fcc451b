"""Terraform and OpenTofu: plan, and apply exactly the plan that was approved (spec runner.md 4.3, 4.8).

A plan job runs init, plan and show; an apply job needs init only when the plan uses providers, since backend and modules are in
the plan file. Neither runs init where another one would leave what an earlier one left (`terraform_init`). Outputs are read from the
state itself, which the control plane keeps.
"""

import asyncio
import base64
import binascii
import fcntl
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from exclave.client.runner import plan_as
from exclave.kit import process
from exclave.kit.errors import Problem
from exclave.runner import environment
from exclave.runner.handlers import sources, terraform_init, terraform_rules
from exclave.runner.handlers.masking import Masked
from exclave.runner.job import Job, JobFailed, Outcome
from exclave.runner.logs import WARN
from exclave.runner.settings import find_terraform
from exclave.wire.plans.base import AWSAuth, AzureAuth, GitSource, Source
from exclave.wire.plans.deploy import DeployPlan
from exclave.wire.plans.terraform import SandboxRunPlan, TerraformDeployPlan

PLAN, TEARDOWN, APPLY = "create-apply-plan", "create-teardown-plan", "apply-plan"

_JSON_LINE_LIMIT = 1 << 20
_LOCK_TIMEOUT = "15s"
# A name that sorts after any other override file, so that its backend is the one that counts.
_OVERRIDE_FILE = "zzzz_exclave_override.tf"
_versions: dict[tuple[str, float], terraform_rules.Version] = {}
_init_turn = asyncio.Lock()


@dataclass(frozen=True)
class Module:
    """What to plan or apply, whichever kind of job it came with."""

    workspace_id: str
    source: Source | None
    git_source: GitSource | None
    vars: Mapping[str, Any]
    vars_files: Sequence[str]
    env_vars: Mapping[str, str]
    sensitive_vars: Sequence[str]
    version: str
    apply_contents: str
    apply_digest: str
    aws_auth: AWSAuth | None
    azure_auth: AzureAuth | None


async def run_sandbox(job: Job) -> Outcome:
    """Plan or apply an install's sandbox."""
    plan: SandboxRunPlan = plan_as(job.plan, SandboxRunPlan)
    _refuse_what_is_missing(plan)
    return await _run(job, _module_of(plan, plan.source, plan.git_source, plan.apply_plan_contents, plan.apply_plan_digest))


async def run_deploy(job: Job) -> Outcome:
    """Plan or apply a component."""
    deploy: DeployPlan = plan_as(job.plan, DeployPlan)
    if deploy.terraform is None:
        raise JobFailed("the deploy plan has no terraform part", reason="plan-invalid")
    _refuse_what_is_missing(deploy)
    return await _run(job, _module_of(deploy.terraform, deploy.source, None, deploy.apply_plan_contents, deploy.apply_plan_digest))


def _module_of(
    plan: SandboxRunPlan | TerraformDeployPlan, source: Source | None, git: GitSource | None, contents: str, digest: str
) -> Module:
    return Module(
        workspace_id=plan.terraform_backend.workspace_id,
        source=source,
        git_source=git,
        vars=plan.vars,
        vars_files=plan.vars_files,
        env_vars=plan.env_vars,
        sensitive_vars=plan.sensitive_vars,
        version=plan.terraform_version,
        apply_contents=contents,
        apply_digest=digest,
        aws_auth=plan.aws_auth,
        azure_auth=plan.azure_auth,
    )


def _refuse_what_is_missing(plan: SandboxRunPlan | DeployPlan) -> None:
    if plan.sandbox_mode is not None and plan.sandbox_mode.enabled:
        raise JobFailed("sandbox mode is not there yet in this runner: switch it off for the org", reason="not-there-yet")
    tool = plan.terraform if isinstance(plan, DeployPlan) else plan
    assert tool is not None
    if tool.hooks is not None and tool.hooks.enabled:
        raise JobFailed("hooks around Terraform are not there yet in this runner: remove the hooks of the sandbox", reason="not-there-yet")
    if isinstance(tool, TerraformDeployPlan) and tool.cluster_info is not None:
        raise JobFailed("a Kubernetes cluster for Terraform is not there yet in this runner", reason="not-there-yet")
    if tool.policies:
        raise JobFailed("policy files for Terraform are not there yet in this runner", reason="not-there-yet")


async def _run(job: Job, module: Module) -> Outcome:
    job.redact.add(*(module.vars[name] for name in module.sensitive_vars if name in module.vars))
    terraform = await _prepare(job, module)
    match job.job.operation:
        case "create-apply-plan" | "create-teardown-plan":
            return await terraform.plan(destroy=job.job.operation == TEARDOWN)
        case "apply-plan":
            return await terraform.apply()
        case other:
            raise JobFailed(f"Terraform jobs plan or apply, {other!r} is neither", reason="plan-invalid")


async def _prepare(job: Job, module: Module) -> "Terraform":
    with job.step("prepare"):
        program = find_terraform(job.settings)
        env, left_out = environment.checked_for_terraform(module.env_vars, where="the plan's env_vars")
        for name in left_out:
            job.log.write(f"{name} is not passed on to Terraform: its output could hold secrets", severity=WARN)
        version = await _version(job, program)
        if said := terraform_rules.check_version(version, module.version):
            job.log.write(said)
        credentials = _credentials(module)
        job.redact.add(*(v for k, v in credentials.items() if k in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")))
    with job.step("fetch"):
        fetched = await sources.fetch(job, module.source, module.git_source, job.directory / "source")
        _write_private(fetched.directory / _OVERRIDE_FILE, terraform_rules.OVERRIDE.encode())
    backend = terraform_rules.backend_environment(
        job.settings.api_url,
        workspace_id=module.workspace_id,
        job_id=job.job.id,
        execution_id=job.execution_id,
        token=job.execution.token,
    )
    ours = {
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "TF_PLUGIN_CACHE_DIR": str(job.workspace.plugin_cache),
        "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1",
        # The workspace's files are a private directory: HOME holds no configuration, and nothing else is read.
        "TF_CLI_CONFIG_FILE": job.settings.terraform_cli_config or os.devnull,
    }
    return Terraform(job, module, program, fetched.directory, {**job.environment(), **env, **credentials, **ours, **backend})


class Terraform:
    """One module in one directory, with one environment."""

    def __init__(self, job: Job, module: Module, program: str, directory: Path, env: Mapping[str, str]) -> None:
        self.job, self.module, self.program, self.directory, self.env = job, module, program, directory, env
        self.kept = terraform_init.kept_of(job.workspace.initialised, module.source, program)
        self.stale = self.wants_init = False
        self.errors: list[str] = []

    async def plan(self, *, destroy: bool) -> Outcome:
        """Plan; the outcome holds the plan file and, for people, what it would change."""
        was_kept = await self._ready()
        plan_file = self.job.directory / "tfplan"
        with self.job.step("plan"):
            arguments = [
                "plan",
                "-json",
                "-input=false",
                f"-lock-timeout={_LOCK_TIMEOUT}",
                f"-out={plan_file}",
                *self._var_files(),
            ]
            arguments += ["-destroy"] if destroy else []
            try:
                await self._terraform(*arguments, what="cannot plan")
            except JobFailed:
                if not (was_kept and self.wants_init):
                    raise
                # The state may need a provider that the module does not name: only `init` sees both.
                self.job.log.write("this module needs to be initialised again", severity=WARN)
                await self._init()
                await self._terraform(*arguments, what="cannot plan")
            contents = await asyncio.to_thread(plan_file.read_bytes)
            self.job.log.write(f"the plan has the digest {_digest(contents)}")
        with self.job.step("show"):
            self.job.log.push()  # the server takes it while Terraform is at work
            document = await self._show(plan_file)
            shown = await asyncio.to_thread(self._masked_plan, document)
        return Outcome(contents=contents, display=shown)

    async def apply(self) -> Outcome:
        """Apply the plan file of the job, and nothing else. Raises JobFailed with reason `stale-plan` when the state has moved on."""
        with self.job.step("check plan"):
            contents = self._approved_plan()
            plan_file = self.job.directory / "tfplan"
            _write_private(plan_file, contents)
            lock_file = terraform_rules.lock_file_of(contents)
            if lock_file is None:
                raise JobFailed("the approved plan is no plan file of Terraform: plan again", reason="plan-invalid")
        if terraform_rules.needs_init(lock_file):
            # The versions of providers that the plan was made with, not what is newest now.
            _write_private(self.directory / terraform_init.LOCK_FILE, lock_file)
            await self._ready()
        with self.job.step("apply"):
            arguments = ["apply", "-json", "-input=false", f"-lock-timeout={_LOCK_TIMEOUT}", str(plan_file)]
            try:
                await self._terraform(*arguments, what="cannot apply", orphan_signal=signal.SIGINT)
            except JobFailed:
                if not self.stale:
                    await self._keep_lost_state()
                raise
        with self.job.step("outputs"):
            state = await self.job.execution.state(self.module.workspace_id)
            self.job.log.push()
            outputs, sensitive = terraform_rules.outputs_of(state)
            self.job.redact.learn(*(outputs[name] for name in sensitive))
            await self._publish_state(state)  # before the end of the job: who reads then reads what was applied
        return Outcome(outputs=outputs, sensitive=sensitive)

    def _approved_plan(self) -> bytes:
        try:
            contents = base64.b64decode(self.module.apply_contents, validate=True)
        except (binascii.Error, ValueError) as error:
            raise JobFailed("the approved plan cannot be read: it is not base64", reason="plan-invalid") from error
        if not contents:
            raise JobFailed("the job is to apply a plan, but holds none", reason="plan-invalid")
        digest = _digest(contents)
        if not self.module.apply_digest:
            # A control plane that does not name the digest approves by the contents alone.
            self.job.log.write(f"applying the plan with the digest {digest}; the job names no digest to compare with", severity=WARN)
        elif self.module.apply_digest != digest:
            raise JobFailed(
                f"the plan that came has the digest {digest}, approved was {self.module.apply_digest}: nothing was applied",
                reason="plan-digest",
            )
        return contents

    async def _ready(self) -> bool:
        """See to it that the module is initialised; tell whether an earlier job had done it."""
        if self.kept is not None and self.kept.restore(self.directory):
            with self.job.step("init"):
                self.job.log.write("initialised as before: neither the module nor its providers have changed")
            return True
        await self._init()
        return False

    async def _init(self) -> None:
        with self.job.step("init"):
            async with _plugin_cache(self.job.workspace.plugin_cache):
                await self._terraform("init", "-input=false", "-no-color", what="cannot initialise")
            if self.kept is not None:
                self.kept.keep(self.directory)

    async def _terraform(self, *arguments: str, what: str, orphan_signal: signal.Signals = signal.SIGKILL) -> None:
        self.errors.clear()
        self.wants_init = False
        code = await self.job.run(
            [self.program, *arguments],
            cwd=self.directory,
            env=self.env,
            on_line=self._tell,
            line_limit=_JSON_LINE_LIMIT,
            orphan_signal=orphan_signal,
        )
        if code != 0:
            reason = "stale-plan" if self.stale else ""
            told = "\n".join(self.errors) or "\n".join(list(self.job.log.tail)[-5:])
            raise JobFailed(f"terraform {what} (exit status {code}): {told}", reason=reason or f"terraform-{arguments[0]}")

    def _tell(self, line: process.Line) -> None:
        said = terraform_rules.read_line(line.text, cut=line.cut)
        if said is None:
            return
        self.stale = self.stale or said.stale
        self.wants_init = self.wants_init or said.wants_init
        if said.error:
            self.errors.append(said.error)
        self.job.log.write(said.text, severity=said.severity if line.stream == "stdout" else WARN, cut=line.cut)

    async def _show(self, file: Path) -> dict[str, Any]:
        target = self.job.directory / "show.json"
        code = await self.job.run([self.program, "show", "-json", "-no-color", str(file)], cwd=self.directory, env=self.env, stdout=target)
        if code != 0:
            raise JobFailed(f"terraform cannot show {file.name} (exit status {code})", reason="terraform-show")
        data = await asyncio.to_thread(target.read_bytes)
        target.unlink()
        document: dict[str, Any] = await asyncio.to_thread(msgspec.json.decode, data)
        return document

    def _masked_plan(self, document: dict[str, Any]) -> bytes:
        masked = Masked(self.module.sensitive_vars)
        shown = masked.plan(document)
        self.job.redact.learn(*masked.secrets)
        return msgspec.json.encode(self.job.redact.document(shown))

    def _masked_state(self, document: dict[str, Any]) -> bytes:
        masked = Masked(self.module.sensitive_vars)
        shown = masked.state(document)
        self.job.redact.learn(*masked.secrets)
        return msgspec.json.encode(self.job.redact.document(shown))

    async def _publish_state(self, state: bytes) -> None:
        """Give people a masked view of the state. That it cannot be made or stored does not fail what was applied."""
        if not state.strip():
            return
        file = self.job.directory / "state.json"
        _write_private(file, state)
        try:
            document = await self._show(file)
            await self.job.execution.state_json(self.module.workspace_id, await asyncio.to_thread(self._masked_state, document))
        except Problem as problem:
            self.job.log.write(f"the view of the state was not updated: {problem.description}", severity=WARN)

    async def _keep_lost_state(self) -> None:
        """When Terraform could not store the state it leaves it in a file: try to store it once more."""
        lost = self.directory / "errored.tfstate"
        if lost.exists():
            self.job.log.write("Terraform could not store its state: trying once more", severity=WARN)
            with suppress(Problem, JobFailed):
                code = await self.job.run([self.program, "state", "push", "-no-color", str(lost)], cwd=self.directory, env=self.env)
                self.job.log.write("the state was stored" if code == 0 else "the state could not be stored", severity=WARN)

    def _var_files(self) -> list[str]:
        """Write variables where only we can read them; later files win over earlier ones."""
        arguments: list[str] = []
        texts = [msgspec.json.encode(dict(self.module.vars)), *(text.encode() for text in self.module.vars_files)]
        for number, text in enumerate(texts):
            name = f"vars-{number}.{'json' if _is_object(text) else 'tfvars'}"
            _write_private(self.job.directory / name, text)
            arguments.append(f"-var-file={self.job.directory / name}")
        return arguments


async def _version(job: Job, program: str) -> terraform_rules.Version:
    key = (program, os.stat(program).st_mtime)
    if key not in _versions:
        lines: list[str] = []
        env = {**job.environment(), "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
        on_line = lambda line: lines.append(line.text) if line.stream == "stdout" else None  # noqa: E731
        await job.run([program, "version", "-json"], cwd=job.directory, env=env, on_line=on_line)
        name = "tofu" if "tofu" in program.rpartition("/")[2] else "terraform"
        _versions[key] = terraform_rules.parse_version(name, "\n".join(lines))
    return _versions[key]


@asynccontextmanager
async def _plugin_cache(directory: Path) -> AsyncIterator[None]:
    """Have the shared provider cache alone: Terraform does not guard it, neither within a process nor between processes."""
    async with _init_turn:
        handle = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await asyncio.to_thread(fcntl.flock, handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _credentials(module: Module) -> dict[str, str]:
    env: dict[str, str] = {}
    if (azure := module.azure_auth) is not None and azure.service_principal is not None:
        env["ARM_SUBSCRIPTION_ID"] = azure.service_principal.subscription_id
        env["ARM_TENANT_ID"] = azure.service_principal.subscription_tenant_id
    if (aws := module.aws_auth) is None:
        return env
    if aws.assume_role is not None:
        raise JobFailed("assuming an AWS role is not there yet in this runner: give it the role of its machine", reason="not-there-yet")
    if aws.region:
        env["AWS_REGION"] = aws.region
    if aws.profile:
        env["AWS_PROFILE"] = aws.profile
    if aws.static is not None:
        env["AWS_ACCESS_KEY_ID"] = aws.static.access_key_id
        env["AWS_SECRET_ACCESS_KEY"] = aws.static.secret_access_key
        if aws.static.session_token:
            env["AWS_SESSION_TOKEN"] = aws.static.session_token
    return env


def _is_object(text: bytes) -> bool:
    with suppress(msgspec.MsgspecError):
        return isinstance(msgspec.json.decode(text), dict)
    return False


def _write_private(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
