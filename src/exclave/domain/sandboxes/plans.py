"""What the runner is told to plan and apply for a sandbox (spec runner.md 5.4)."""

import base64

import msgspec

from exclave.domain.apps.models import AppSandboxConfig
from exclave.domain.installs import clouds, rendering
from exclave.domain.installs.models import Install, InstallSandbox
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.service import JobResult
from exclave.domain.sandboxes import rules
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.vcs import service as vcs
from exclave.domain.workspaces import service as workspaces
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.prepared import by_id
from exclave.wire.plans.base import AWSAuth, AzureAuth
from exclave.wire.plans.terraform import Hooks, SandboxRunPlan, TerraformBackend

_ROLE = {"provision": "provision", "reprovision": "provision", "deprovision": "deprovision"}


async def config_of(ctx: Ctx, run: InstallSandboxRun) -> AppSandboxConfig:
    """Return the sandbox config that a run follows."""
    found = await by_id(ctx.db, AppSandboxConfig, run.app_sandbox_config_id, org_id=run.org_id)
    if found is None:
        raise errors.NotFound(f"no sandbox config {run.app_sandbox_config_id}")
    return found


async def plan(ctx: Ctx, install: Install, sandbox: InstallSandbox, run: InstallSandboxRun) -> SandboxRunPlan:
    """Render the sandbox config with the state document. Raises `Invalid` that names the key and what is missing."""
    config = await config_of(ctx, run)
    renderer = await rendering.of_install(ctx, install.id)
    source = await vcs.source_of(ctx, config.id)
    workspace = await workspaces.ensure(ctx, sandbox)
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
        terraform_backend=TerraformBackend(workspace_id=workspace.id),
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


async def apply(ctx: Ctx, run: InstallSandboxRun, planned: JobResult) -> SandboxRunPlan:
    """Return the plan document of the apply: that of the plan job, with the plan file that was approved and its digest."""
    document = msgspec.json.decode(await jobs.plan_of(ctx, run.plan_job_id), type=SandboxRunPlan)
    document.apply_plan_contents = base64.b64encode(planned.contents or b"").decode()
    document.apply_plan_digest = run.plan_digest
    return document


async def directory_and_branch(ctx: Ctx, config: AppSandboxConfig) -> tuple[str, str]:
    """What the state document calls `type` and `version` of a sandbox."""
    git = await vcs.config_of(ctx, config.id)
    return (git.directory, git.branch) if git is not None else ("", "")
