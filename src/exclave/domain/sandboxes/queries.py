"""Every SELECT on sandbox runs, limited to what the actor may see."""

from typing import Any

from sqlalchemy import ARRAY, Select, String, Text, and_, any_, bindparam, cast, func, select

from exclave.domain.apps.models import AppSandboxConfig
from exclave.domain.installs import queries as installs
from exclave.domain.installs.models import Install, InstallSandbox
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecutionOutputs, RunnerJobExecutionResult
from exclave.domain.logs.models import LogStream
from exclave.domain.runners.models import Runner, RunnerGroup
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.vcs import queries as vcs
from exclave.domain.vcs.models import ConnectedGithubVCSConfig, PublicGitVCSConfig
from exclave.domain.workspaces.models import TerraformWorkspace
from exclave.engine.models import WorkflowStep
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, any_of, in_org, owned_by


def visible_to(actor: Actor) -> Select[InstallSandboxRun]:
    return select(InstallSandboxRun).where(InstallSandboxRun.org_id == actor.org_id, InstallSandboxRun.deleted_at == 0)


def by_id(actor: Actor, run_id: str) -> Select[InstallSandboxRun]:
    return visible_to(actor).where(InstallSandboxRun.id == run_id)


# The job that a step submitted.
_JOB = and_(RunnerJob.step_key == bindparam("key"), in_org(RunnerJob), RunnerJob.deleted_at == 0)

# An install with all that a plan of its sandbox is made of, and what the step has made already.
TO_PLAN: Prepared[Any] = Prepared(
    select(
        Install,
        InstallSandbox,
        AppSandboxConfig,
        PublicGitVCSConfig,
        ConnectedGithubVCSConfig,
        TerraformWorkspace,
        Runner,
        InstallSandboxRun,
        RunnerJob,
    )
    .select_from(Install)
    .outerjoin(
        InstallSandboxRun,
        and_(InstallSandboxRun.step_key == bindparam("key"), in_org(InstallSandboxRun), InstallSandboxRun.deleted_at == 0),
    )
    .outerjoin(RunnerJob, _JOB)
    .join(InstallSandbox, and_(InstallSandbox.install_id == Install.id, InstallSandbox.deleted_at == 0))
    .join(
        AppSandboxConfig,
        and_(
            AppSandboxConfig.id == func.coalesce(InstallSandboxRun.app_sandbox_config_id, Install.app_sandbox_config_id),
            AppSandboxConfig.deleted_at == 0,
        ),
    )
    .outerjoin(PublicGitVCSConfig, vcs.public_of_owner(AppSandboxConfig))
    .outerjoin(ConnectedGithubVCSConfig, vcs.connected_of_owner(AppSandboxConfig))
    .outerjoin(TerraformWorkspace, owned_by(InstallSandbox, TerraformWorkspace))
    .outerjoin(RunnerGroup, owned_by(Install, RunnerGroup))
    .outerjoin(Runner, installs.runner_of_group())
    .where(Install.id == bindparam("install"), in_org(Install), Install.deleted_at == 0)
    .order_by(Runner.created_at)
    .limit(1)
)

# The run that a step made, with its sandbox, the step's job, and what that delivered.
BY_KEY: Prepared[tuple[InstallSandboxRun, InstallSandbox, RunnerJob | None, RunnerJobExecutionResult | None]] = Prepared(
    select(InstallSandboxRun, InstallSandbox, RunnerJob, RunnerJobExecutionResult)
    .join(InstallSandbox, InstallSandbox.id == InstallSandboxRun.install_sandbox_id)
    .outerjoin(RunnerJob, _JOB)
    .outerjoin(RunnerJobExecutionResult, RunnerJobExecutionResult.runner_job_execution_id == RunnerJob.current_execution_id)
    .where(InstallSandboxRun.step_key == bindparam("key"), in_org(InstallSandboxRun), InstallSandboxRun.deleted_at == 0)
)

# The run whose plan one of these steps made, with what an apply needs, and the job of the step that applies, if it has one.
PLANNED_BY: Prepared[Any] = Prepared(
    select(
        InstallSandboxRun,
        PublicGitVCSConfig,
        ConnectedGithubVCSConfig,
        LogStream,
        Runner,
        RunnerJob,
        RunnerJobExecutionOutputs,
        cast(RunnerJobExecutionOutputs.outputs, Text),
        InstallSandbox,
    )
    .join(Install, Install.id == InstallSandboxRun.install_id)
    .join(InstallSandbox, InstallSandbox.id == InstallSandboxRun.install_sandbox_id)
    .join(AppSandboxConfig, AppSandboxConfig.id == InstallSandboxRun.app_sandbox_config_id)
    .outerjoin(PublicGitVCSConfig, vcs.public_of_owner(AppSandboxConfig))
    .outerjoin(ConnectedGithubVCSConfig, vcs.connected_of_owner(AppSandboxConfig))
    .outerjoin(LogStream, owned_by(InstallSandboxRun, LogStream))
    .outerjoin(RunnerGroup, owned_by(Install, RunnerGroup))
    .outerjoin(Runner, installs.runner_of_group())
    .outerjoin(RunnerJob, _JOB)
    .outerjoin(RunnerJobExecutionOutputs, RunnerJobExecutionOutputs.runner_job_execution_id == RunnerJob.current_execution_id)
    .where(
        in_org(InstallSandboxRun),
        InstallSandboxRun.deleted_at == 0,
        # As an array, so that the steps are looked at first, and by their ids.
        InstallSandboxRun.id
        == any_(
            func.array(
                select(WorkflowStep.step_target_id)
                .where(
                    WorkflowStep.id == any_of("steps"),
                    WorkflowStep.step_target_type == InstallSandboxRun.__tablename__,
                )
                .scalar_subquery(),
                type_=ARRAY(String),
            )
        ),
    )
    .order_by(InstallSandboxRun.created_at.desc(), Runner.created_at)
    .limit(1)
)


def newest_of(actor: Actor, install_id: str) -> Select[InstallSandboxRun]:
    """The runs of an install, newest first."""
    return visible_to(actor).where(InstallSandboxRun.install_id == install_id).order_by(InstallSandboxRun.created_at.desc())
