"""Reads of builds, limited to the actor's org."""

from sqlalchemy import Select, select

from exclave.domain.artifacts.models import OCIArtifact
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components.models import Component
from exclave.kit.context import Actor


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


def active_of_connection(actor: Actor, connection_id: str) -> Select[ComponentBuild]:
    return visible_to(actor).where(ComponentBuild.component_config_connection_id == connection_id, ComponentBuild.status == "active")


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
