"""Every SELECT on deploys, limited to what the actor may see."""

from sqlalchemy import ARRAY, Select, String, any_, bindparam, func, select

from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components.models import Component, ComponentConfigConnection
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs.models import Install, InstallComponent
from exclave.engine.models import WorkflowStep
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org


def visible_to(actor: Actor) -> Select[InstallDeploy]:
    return select(InstallDeploy).where(InstallDeploy.org_id == actor.org_id, InstallDeploy.deleted_at == 0)


def by_id(actor: Actor, deploy_id: str) -> Select[InstallDeploy]:
    return visible_to(actor).where(InstallDeploy.id == deploy_id)


# A deploy and all that it hangs on: whoever works on the one asks for the others next, and has them then (kit/prepared.by_id).
Surrounded = tuple[InstallDeploy, ComponentBuild, ComponentConfigConnection, Component, InstallComponent, Install]
_LIVE = (
    select(InstallDeploy, ComponentBuild, ComponentConfigConnection, Component, InstallComponent, Install)
    .join(ComponentBuild, ComponentBuild.id == InstallDeploy.build_id)
    .join(ComponentConfigConnection, ComponentConfigConnection.id == ComponentBuild.component_config_connection_id)
    .join(Component, Component.id == InstallDeploy.component_id)
    .join(InstallComponent, InstallComponent.id == InstallDeploy.install_component_id)
    .join(Install, Install.id == InstallDeploy.install_id)
    .where(in_org(InstallDeploy), InstallDeploy.deleted_at == 0)
)

# The deploy that a step made.
BY_KEY: Prepared[Surrounded] = Prepared(_LIVE.where(InstallDeploy.step_key == bindparam("key")))

# The deploy whose plan one of these steps made.
PLANNED_BY: Prepared[Surrounded] = Prepared(
    _LIVE.where(
        # As an array, so that the steps are looked at first, and by their ids.
        InstallDeploy.id
        == any_(
            func.array(
                select(WorkflowStep.step_target_id)
                .where(
                    WorkflowStep.id == any_(bindparam("steps", type_=ARRAY(String))),
                    WorkflowStep.step_target_type == InstallDeploy.__tablename__,
                )
                .scalar_subquery(),
                type_=ARRAY(String),
            )
        )
    )
    .order_by(InstallDeploy.created_at.desc())
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
