"""Every SELECT on deploys, limited to what the actor may see."""

from collections.abc import Sequence

from sqlalchemy import Select, select

from exclave.domain.deploys.models import InstallDeploy
from exclave.engine.models import WorkflowStep
from exclave.kit.context import Actor


def visible_to(actor: Actor) -> Select[InstallDeploy]:
    return select(InstallDeploy).where(InstallDeploy.org_id == actor.org_id, InstallDeploy.deleted_at == 0)


def by_id(actor: Actor, deploy_id: str) -> Select[InstallDeploy]:
    return visible_to(actor).where(InstallDeploy.id == deploy_id)


def by_key(actor: Actor, key: str) -> Select[InstallDeploy]:
    """The deploy that a step made."""
    return visible_to(actor).where(InstallDeploy.step_key == key)


def planned_by(actor: Actor, step_ids: Sequence[str]) -> Select[InstallDeploy]:
    """The deploy whose plan one of these steps made."""
    target = select(WorkflowStep.step_target_id).where(
        WorkflowStep.id.in_(step_ids), WorkflowStep.step_target_type == InstallDeploy.__tablename__
    )
    return visible_to(actor).where(InstallDeploy.id.in_(target)).order_by(InstallDeploy.created_at.desc()).limit(1)


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
