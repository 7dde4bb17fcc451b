"""An install with sandbox runs and everything that can hang on one."""

from dataclasses import dataclass, field

from exclave.domain.apps.models import App, AppConfig, AppRunnerConfig, AppSandboxConfig
from exclave.domain.installs.models import Install, InstallSandbox
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecution, RunnerJobExecutionOutputs
from exclave.domain.logs.models import LogStream
from exclave.domain.runners.models import Runner, RunnerGroup
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.vcs.models import PublicGitVCSConfig
from exclave.engine.models import Workflow, WorkflowStep, WorkflowStepApproval, WorkflowStepApprovalResponse
from exclave.engine.status import composite
from exclave.kit.context import Runtime
from exclave.kit.time import now
from tests.conftest import unique
from tests.factories import OrgWithToken


@dataclass
class Made:
    install_id: str
    install_name: str
    run_ids: list[str] = field(default_factory=list)


async def install_with_runs(runtime: Runtime, org: OrgWithToken, *, runs: int) -> Made:
    """An app, an install, and so many finished runs with one job each."""
    common = {"org_id": org.id, "created_by_id": org.actor.account_id}
    async with runtime.sweep() as ctx:
        app = App(name=unique("app"), **common)
        config = AppConfig(app_id=app.id, version=1, status="active", **common)
        sandbox_config = AppSandboxConfig(app_id=app.id, app_config_id=config.id, terraform_version="1.8.0", **common)
        runner_config = AppRunnerConfig(app_id=app.id, app_config_id=config.id, app_runner_type="local", **common)
        source = PublicGitVCSConfig(
            component_config_id=sandbox_config.id, component_config_type="app_sandbox_configs", repo="./", directory="sandbox", **common
        )
        install = Install(
            name=unique("install"),
            app_id=app.id,
            app_config_id=config.id,
            app_sandbox_config_id=sandbox_config.id,
            app_runner_config_id=runner_config.id,
            **common,
        )
        sandbox = InstallSandbox(install_id=install.id, **common)
        group = RunnerGroup(owner_id=install.id, owner_type="installs", type="install", platform="local", **common)
        runner = Runner(runner_group_id=group.id, **common)
        for batch in ([app], [config], [sandbox_config, runner_config], [source, install], [sandbox, group], [runner]):
            ctx.db.add_all(batch)
            await ctx.db.flush()
        made = Made(install.id, install.name)
        for _ in range(runs):
            workflow = Workflow(
                owner_id=install.id, owner_type="installs", type="provision", status=composite("success"), started_at=now(), finished_at=now(),
                state="finished", **common,
            )  # fmt: skip
            step = WorkflowStep(
                install_workflow_id=workflow.id, owner_id=install.id, owner_type="installs", name="provision sandbox plan", idx=0,
                kind="sandbox.plan", status=composite("approved"), state="done", **common,
            )  # fmt: skip
            run = InstallSandboxRun(
                install_id=install.id, run_type="provision", install_sandbox_id=sandbox.id, install_workflow_id=workflow.id,
                app_sandbox_config_id=sandbox_config.id, status="active", status_v2=composite("active"), **common,
            )  # fmt: skip
            stream = LogStream(owner_id=run.id, owner_type="install_sandbox_runs", **common)
            job = RunnerJob(
                runner_id=runner.id, owner_id=run.id, owner_type="install_sandbox_runs", log_stream_id=stream.id, type="sandbox-terraform",
                group="sandbox", operation="apply-plan", status="finished", execution_count=1, started_at=now(), finished_at=now(), **common,
            )  # fmt: skip
            execution = RunnerJobExecution(runner_job_id=job.id, status="finished", epoch=1, **common)
            job.current_execution_id = execution.id
            outputs = RunnerJobExecutionOutputs(
                runner_job_execution_id=execution.id, outputs={"a": None, "b": "", "c": 0, "d": False, "e": []}, **common
            )
            approval = WorkflowStepApproval(
                install_workflow_step_id=step.id, owner_id=run.id, owner_type="install_sandbox_runs", runner_job_id=job.id,
                type="terraform_plan", **common,
            )  # fmt: skip
            response = WorkflowStepApprovalResponse(install_workflow_step_approval_id=approval.id, type="approve", note="fine", **common)
            for batch in ([workflow], [step, run, stream], [job], [execution], [outputs, approval], [response]):
                ctx.db.add_all(batch)
                await ctx.db.flush()
            made.run_ids.append(run.id)
    return made
