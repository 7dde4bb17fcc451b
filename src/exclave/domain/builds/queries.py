"""Reads of builds, limited to the actor's org."""

from sqlalchemy import Select, bindparam, select

from exclave.domain.artifacts.models import OCIArtifact
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components.models import Component
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org


def visible_to(actor: Actor) -> Select[ComponentBuild]:
    return (
        select(ComponentBuild)
        .where(ComponentBuild.org_id == actor.org_id, ComponentBuild.deleted_at == 0)
        .order_by(ComponentBuild.created_at.desc())
    )


def of_component(actor: Actor, component_id: str) -> Select[ComponentBuild]:
    return visible_to(actor).where(ComponentBuild.component_id == component_id)


def of_app(actor: Actor, app_id: str) -> Select[ComponentBuild]:
    return visible_to(actor).join(Component, Component.id == ComponentBuild.component_id).where(Component.app_id == app_id)


NEWEST_ACTIVE: Prepared[ComponentBuild] = Prepared(
    select(ComponentBuild)
    .where(
        in_org(ComponentBuild),
        ComponentBuild.deleted_at == 0,
        ComponentBuild.component_config_connection_id == bindparam("connection"),
        ComponentBuild.status == "active",
    )
    .order_by(ComponentBuild.created_at.desc())
    .limit(1)
)


def with_same_content(actor: Actor, checksum: str) -> Select[ComponentBuild, OCIArtifact]:
    """Active builds of the same content whose artifact exists, newest first."""
    return (
        select(ComponentBuild, OCIArtifact)
        .join(OCIArtifact, (OCIArtifact.owner_id == ComponentBuild.id) & (OCIArtifact.deleted_at == 0))
        .where(
            ComponentBuild.org_id == actor.org_id,
            ComponentBuild.deleted_at == 0,
            ComponentBuild.checksum == checksum,
            ComponentBuild.status == "active",
            OCIArtifact.digest != "",
        )
        .order_by(ComponentBuild.created_at.desc())
        .limit(1)
    )
