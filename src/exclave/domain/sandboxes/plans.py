"""What the runner is told to plan and apply for a sandbox (spec runner.md 5.4)."""

import base64
from dataclasses import dataclass

import msgspec

from exclave.domain.apps.models import AppSandboxConfig
from exclave.domain.installs import clouds, rendering
from exclave.domain.installs import service as installs
from exclave.domain.installs.approvals import Planned
from exclave.domain.installs.models import Install, InstallSandbox
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner
from exclave.domain.sandboxes import queries, rules
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.vcs import service as vcs
from exclave.domain.vcs.service import GitConfig
from exclave.domain.workspaces import service as workspaces
from exclave.domain.workspaces.models import TerraformWorkspace
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.plans.base import AWSAuth, AzureAuth
from exclave.wire.plans.terraform import Hooks, SandboxRunPlan, TerraformBackend

_ROLE = {"provision": "provision", "reprovision": "provision", "deprovision": "deprovision"}


@dataclass(frozen=True)
class Place:
    """An install with all that a plan of its sandbox is made of, and what the step has made already: its run, its job."""

    install: Install
    sandbox: InstallSandbox
    config: AppSandboxConfig
    git: GitConfig | None
    workspace: TerraformWorkspace
    runner: Runner
    run: InstallSandboxRun | None
    job: RunnerJob | None


async def place_of(ctx: Ctx, install_id: str, *, key: str) -> Place:
    """Look at the install of a step, in one statement. Raises `NotFound` that names what is missing."""
    found = await queries.TO_PLAN.first(ctx.db, install=install_id, org=ctx.org_id, key=key)
    if found is None:
        install = await installs.get(ctx, install_id)
        await installs.sandbox(ctx, install.id)
        raise errors.NotFound(f"no sandbox config {install.app_sandbox_config_id}")
    install, sandbox, config, public, connected, workspace, runner, run, job = found
    return Place(
        install=install,
        sandbox=sandbox,
        config=config,
        git=public if public is not None else connected,
        workspace=workspace if workspace is not None else await workspaces.ensure(ctx, sandbox),
        runner=runner if runner is not None else await runners.of_install(ctx, install.id),
        run=run,
        job=job,
    )


async def plan(ctx: Ctx, place: Place, run: InstallSandboxRun) -> SandboxRunPlan:
    """Render the sandbox config with the state document. Raises `Invalid` that names the key and what is missing."""
    install, config = place.install, place.config
    renderer = await rendering.of_install(ctx, install.id)
    source = vcs.source(config.id, place.git)
    variables = renderer.values(config.variables, where="sandbox variables")
    session = f"sandbox-run-{run.id}"
    aws_auth = clouds.aws_auth(renderer.document, _ROLE[run.run_type], session=session)
    env_vars = renderer.strings(config.env_vars, where="sandbox env_vars")
    if isinstance(aws_auth, AWSAuth) and aws_auth.region:
        env_vars.setdefault("AWS_REGION", aws_auth.region)
    return SandboxRunPlan(
        install_id=install.id,
        app_id=install.app_id,
        app_config_id=install.app_config_id,
        terraform_backend=TerraformBackend(workspace_id=place.workspace.id),
        vars={**rules.builtin_variables(renderer.document, install.id), **variables.values},
        env_vars=env_vars,
        vars_files=renderer.texts(config.variables_files, where="sandbox variables_files"),
        git_source=source.git,
        aws_auth=aws_auth,
        azure_auth=AzureAuth(use_default=True) if (renderer.document.get("cloud_account") or {}).get("azure") else None,
        hooks=Hooks(enabled=False),
        source=source,
        terraform_version=config.terraform_version,
        sensitive_vars=list(variables.sensitive),
    )


def apply(run: InstallSandboxRun, planned: Planned) -> SandboxRunPlan:
    """Return the plan document of the apply: that of the plan job, with the plan file that was approved and its digest."""
    document = msgspec.json.decode(planned.document, type=SandboxRunPlan)
    document.apply_plan_contents = base64.b64encode(planned.result.contents or b"").decode()
    document.apply_plan_digest = run.plan_digest
    return document
