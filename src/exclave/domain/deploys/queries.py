"""Every SELECT on deploys, limited to what the actor may see."""

from typing import Any

from sqlalchemy import ARRAY, Select, String, Text, and_, any_, bindparam, cast, func, select

from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components.models import Component, ComponentConfigConnection
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs import queries as installs
from exclave.domain.installs.models import Install, InstallComponent
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecutionOutputs, RunnerJobExecutionResult
from exclave.domain.logs.models import LogStream
from exclave.domain.runners.models import Runner, RunnerGroup
from exclave.domain.workspaces.models import TerraformWorkspace
from exclave.engine.models import WorkflowStep
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, any_of, in_org, owned_by


def visible_to(actor: Actor) -> Select[InstallDeploy]:
    return select(InstallDeploy).where(InstallDeploy.org_id == actor.org_id, InstallDeploy.deleted_at == 0)


def by_id(actor: Actor, deploy_id: str) -> Select[InstallDeploy]:
    return visible_to(actor).where(InstallDeploy.id == deploy_id)


# The job that a step submitted.
_JOB = and_(RunnerJob.step_key == bindparam("key"), in_org(RunnerJob), RunnerJob.deleted_at == 0)

# A component and an install, with all that is there for a deploy of the one to the other, and what the step has made already.
TO_PLAN: Prepared[Any] = Prepared(
    select(Install, Component, InstallComponent, TerraformWorkspace, Runner, InstallDeploy, RunnerJob)
    .select_from(Install)
    .join(Component, and_(Component.id == bindparam("component"), in_org(Component), Component.deleted_at == 0))
    .outerjoin(InstallComponent, and_(InstallComponent.install_id == Install.id, InstallComponent.component_id == Component.id))
    .outerjoin(TerraformWorkspace, owned_by(InstallComponent, TerraformWorkspace))
    .outerjoin(RunnerGroup, owned_by(Install, RunnerGroup))
    .outerjoin(Runner, installs.runner_of_group())
    .outerjoin(InstallDeploy, and_(InstallDeploy.step_key == bindparam("key"), in_org(InstallDeploy), InstallDeploy.deleted_at == 0))
    .outerjoin(RunnerJob, _JOB)
    .where(Install.id == bindparam("install"), in_org(Install), Install.deleted_at == 0)
    .order_by(Runner.created_at)
    .limit(1)
)


def _surrounded(*more: Any) -> Select[*tuple[Any, ...]]:
    """A deploy with more, and last with all that it hangs on: whoever works on the one asks for the others next, and has them then
    (kit/prepared.by_id)."""
    return (
        select(InstallDeploy, *more, ComponentBuild, ComponentConfigConnection, Component, InstallComponent, Install)
        .join(ComponentBuild, ComponentBuild.id == InstallDeploy.build_id)
        .join(ComponentConfigConnection, ComponentConfigConnection.id == ComponentBuild.component_config_connection_id)
        .join(Component, Component.id == InstallDeploy.component_id)
        .join(InstallComponent, InstallComponent.id == InstallDeploy.install_component_id)
        .join(Install, Install.id == InstallDeploy.install_id)
        .outerjoin(RunnerJob, _JOB)
        .where(in_org(InstallDeploy), InstallDeploy.deleted_at == 0)
    )


# The deploy that a step made, with the step's job, and what that delivered.
BY_KEY: Prepared[Any] = Prepared(
    _surrounded(RunnerJob, RunnerJobExecutionResult)
    .outerjoin(RunnerJobExecutionResult, RunnerJobExecutionResult.runner_job_execution_id == RunnerJob.current_execution_id)
    .where(InstallDeploy.step_key == bindparam("key"))
)

# The deploy whose plan one of these steps made, with what an apply needs, and the job of the step that applies, if it has one.
PLANNED_BY: Prepared[Any] = Prepared(
    _surrounded(LogStream, Runner, RunnerJob, RunnerJobExecutionOutputs, cast(RunnerJobExecutionOutputs.outputs, Text))
    .outerjoin(LogStream, owned_by(InstallDeploy, LogStream))
    .outerjoin(RunnerGroup, owned_by(Install, RunnerGroup))
    .outerjoin(Runner, installs.runner_of_group())
    .outerjoin(RunnerJobExecutionOutputs, RunnerJobExecutionOutputs.runner_job_execution_id == RunnerJob.current_execution_id)
    .where(
        # As an array, so that the steps are looked at first, and by their ids.
        InstallDeploy.id
        == any_(
            func.array(
                select(WorkflowStep.step_target_id)
                .where(
                    WorkflowStep.id == any_of("steps"),
                    WorkflowStep.step_target_type == InstallDeploy.__tablename__,
                )
                .scalar_subquery(),
                type_=ARRAY(String),
            )
        )
    )
    .order_by(InstallDeploy.created_at.desc(), Runner.created_at)
    .limit(1)
)


def newest_of(actor: Actor, install_component_id: str) -> Select[InstallDeploy]:
    """The deploys of one component of an install, newest first."""
    return (
        visible_to(actor)
        .where(InstallDeploy.install_component_id == install_component_id)
        .order_by(InstallDeploy.created_at.desc(), InstallDeploy.id.desc())
    )


def of_install(actor: Actor, install_id: str) -> Select[InstallDeploy]:
    """The deploys of an install, newest first."""
    return (
        visible_to(actor).where(InstallDeploy.install_id == install_id).order_by(InstallDeploy.created_at.desc(), InstallDeploy.id.desc())
    )
