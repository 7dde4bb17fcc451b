"""Every SELECT over the actions of an install and their runs."""

from typing import Any

from sqlalchemy import BindParameter, Select, and_, bindparam, exists, or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from exclave.domain.actions.models import (
    ActionWorkflow,
    ActionWorkflowConfig,
    ActionWorkflowStepConfig,
    ActionWorkflowTriggerConfig,
    InstallActionWorkflow,
    InstallActionWorkflowRun,
    InstallActionWorkflowRunStep,
)
from exclave.kit import ids
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org


def actions_of(actor: Actor, install_id: str) -> Select[InstallActionWorkflow, ActionWorkflow]:
    """The actions of an install, newest first."""
    return (
        select(InstallActionWorkflow, ActionWorkflow)
        .join(ActionWorkflow, ActionWorkflow.id == InstallActionWorkflow.action_workflow_id)
        .where(
            InstallActionWorkflow.org_id == actor.org_id,
            InstallActionWorkflow.install_id == install_id,
            InstallActionWorkflow.deleted_at == 0,
            ActionWorkflow.deleted_at == 0,
        )
        .order_by(InstallActionWorkflow.created_at.desc(), InstallActionWorkflow.id)
    )


def by_ref(actor: Actor, install_id: str, ref: str) -> Select[InstallActionWorkflow, ActionWorkflow]:
    """An action of an install: by its own id, the action's id or name."""
    named = ActionWorkflow.name == ref
    matches = or_(InstallActionWorkflow.id == ref, ActionWorkflow.id == ref, named) if ids.is_id(ref) else named
    return actions_of(actor, install_id).where(matches)


# Actions of an install's app that the install has no row for.
MISSING: Prepared[str] = Prepared(
    select(ActionWorkflow.id)
    .where(
        ActionWorkflow.app_id == bindparam("app"),
        in_org(ActionWorkflow),
        ActionWorkflow.deleted_at == 0,
        ~exists()
        .where(
            InstallActionWorkflow.install_id == bindparam("install"),
            InstallActionWorkflow.action_workflow_id == ActionWorkflow.id,
            InstallActionWorkflow.deleted_at == 0,
        )
        .correlate(ActionWorkflow),
    )
    .order_by(ActionWorkflow.name)
)


def triggers_in(install_id: str | BindParameter[str], app_config_id: str | BindParameter[str]) -> Select[*tuple[Any, ...]]:
    """Every trigger that an app config gives the actions of an install."""
    return (
        select(
            ActionWorkflow.name,
            ActionWorkflow.id,
            InstallActionWorkflow.id,
            ActionWorkflowConfig.id,
            ActionWorkflowTriggerConfig.type,
            ActionWorkflowTriggerConfig.index,
            ActionWorkflowTriggerConfig.component_id,
        )
        .join(ActionWorkflowConfig, ActionWorkflowConfig.id == ActionWorkflowTriggerConfig.action_workflow_config_id)
        .join(ActionWorkflow, ActionWorkflow.id == ActionWorkflowConfig.action_workflow_id)
        .join(
            InstallActionWorkflow,
            and_(
                InstallActionWorkflow.action_workflow_id == ActionWorkflow.id,
                InstallActionWorkflow.install_id == install_id,
                InstallActionWorkflow.deleted_at == 0,
            ),
        )
        .where(
            ActionWorkflowConfig.app_config_id == app_config_id,
            ActionWorkflowTriggerConfig.deleted_at == 0,
            ActionWorkflow.deleted_at == 0,
        )
    )


TRIGGERS: Prepared[Any] = Prepared(triggers_in(bindparam("install"), bindparam("app_config")))


def config_by_id(org_id: str, config_id: str) -> Select[ActionWorkflowConfig, ActionWorkflow]:
    return (
        select(ActionWorkflowConfig, ActionWorkflow)
        .join(ActionWorkflow, ActionWorkflow.id == ActionWorkflowConfig.action_workflow_id)
        .where(ActionWorkflowConfig.id == config_id, ActionWorkflowConfig.org_id == org_id, ActionWorkflowConfig.deleted_at == 0)
    )


def newest_config(org_id: str, action_ref: str) -> Select[ActionWorkflowConfig, ActionWorkflow]:
    """The newest config of an action, by the action's id or name."""
    named = ActionWorkflow.name == action_ref
    return (
        select(ActionWorkflowConfig, ActionWorkflow)
        .join(ActionWorkflow, ActionWorkflow.id == ActionWorkflowConfig.action_workflow_id)
        .where(
            ActionWorkflow.org_id == org_id,
            ActionWorkflow.deleted_at == 0,
            ActionWorkflowConfig.deleted_at == 0,
            or_(ActionWorkflow.id == action_ref, named) if ids.is_id(action_ref) else named,
        )
        .order_by(ActionWorkflowConfig.created_at.desc())
        .limit(1)
    )


def steps_of(config_id: str) -> Select[ActionWorkflowStepConfig]:
    return (
        select(ActionWorkflowStepConfig)
        .where(ActionWorkflowStepConfig.action_workflow_config_id == config_id, ActionWorkflowStepConfig.deleted_at == 0)
        .order_by(ActionWorkflowStepConfig.idx, ActionWorkflowStepConfig.created_at)
    )


def triggers_of(config_id: str) -> Select[ActionWorkflowTriggerConfig]:
    return (
        select(ActionWorkflowTriggerConfig)
        .where(ActionWorkflowTriggerConfig.action_workflow_config_id == config_id, ActionWorkflowTriggerConfig.deleted_at == 0)
        .order_by(ActionWorkflowTriggerConfig.index, ActionWorkflowTriggerConfig.type, ActionWorkflowTriggerConfig.id)
    )


def runs_of(actor: Actor, install_id: str) -> Select[InstallActionWorkflowRun]:
    """Runs of an install's actions, newest first."""
    return (
        select(InstallActionWorkflowRun)
        .where(
            InstallActionWorkflowRun.org_id == actor.org_id,
            InstallActionWorkflowRun.install_id == install_id,
            InstallActionWorkflowRun.deleted_at == 0,
        )
        .order_by(InstallActionWorkflowRun.created_at.desc(), InstallActionWorkflowRun.id.desc())
    )


def newest_runs(install_action_ids: list[str]) -> Select[InstallActionWorkflowRun]:
    """The newest run of each action of an install."""
    return (
        select(InstallActionWorkflowRun)
        .ext(distinct_on(InstallActionWorkflowRun.install_action_workflow_id))
        .where(InstallActionWorkflowRun.install_action_workflow_id.in_(install_action_ids), InstallActionWorkflowRun.deleted_at == 0)
        .order_by(InstallActionWorkflowRun.install_action_workflow_id, InstallActionWorkflowRun.created_at.desc())
    )


def run_by_key(key: str) -> Select[InstallActionWorkflowRun]:
    return select(InstallActionWorkflowRun).where(InstallActionWorkflowRun.step_key == key)


def run_of_step(actor: Actor, step_id: str) -> Select[str]:
    """The id of the run that a step is of."""
    return select(InstallActionWorkflowRunStep.install_action_workflow_run_id).where(
        InstallActionWorkflowRunStep.id == step_id, InstallActionWorkflowRunStep.org_id == actor.org_id
    )


def run_steps(run_id: str) -> Select[InstallActionWorkflowRunStep]:
    return (
        select(InstallActionWorkflowRunStep)
        .where(InstallActionWorkflowRunStep.install_action_workflow_run_id == run_id, InstallActionWorkflowRunStep.deleted_at == 0)
        .order_by(InstallActionWorkflowRunStep.idx)
    )
