"""Reads of builds, limited to the actor's org."""

from typing import Any

from sqlalchemy import Select, and_, bindparam, select

from exclave.domain.apps.models import AppConfig
from exclave.domain.artifacts.models import OCIArtifact
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components import queries as components
from exclave.domain.components.models import (
    Component,
    ComponentConfigConnection,
    HelmComponentConfig,
    KubernetesManifestComponentConfig,
    TerraformModuleComponentConfig,
)
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org, owned_by


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


_newest_active = (
    select(ComponentBuild.id)
    .where(
        in_org(ComponentBuild),
        ComponentBuild.deleted_at == 0,
        ComponentBuild.component_config_connection_id == ComponentConfigConnection.id,
        ComponentBuild.status == "active",
    )
    .order_by(ComponentBuild.created_at.desc())
    .limit(1)
    .correlate(ComponentConfigConnection)
    .scalar_subquery()
)

# A config with the block of its type, of the types that can be deployed, and what a build of it has made.
_BUILT = (
    ComponentConfigConnection,
    TerraformModuleComponentConfig,
    HelmComponentConfig,
    KubernetesManifestComponentConfig,
    ComponentBuild,
    OCIArtifact,
)
Row = tuple[
    ComponentConfigConnection,
    TerraformModuleComponentConfig | None,
    HelmComponentConfig | None,
    KubernetesManifestComponentConfig | None,
    ComponentBuild | None,
    OCIArtifact | None,
]


def _completed(found: Select[*tuple[Any, ...]]) -> Prepared[Row]:
    """Join what a build and its config have."""
    for kind in (TerraformModuleComponentConfig, HelmComponentConfig, KubernetesManifestComponentConfig):
        found = found.outerjoin(kind, and_(kind.component_config_connection_id == ComponentConfigConnection.id, in_org(kind)))
    return Prepared(found.outerjoin(OCIArtifact, owned_by(ComponentBuild, OCIArtifact)))


# The config that an app config means for a component, and its newest active build if there is one.
USABLE = _completed(
    select(*_BUILT)
    .select_from(AppConfig)
    .join(ComponentConfigConnection, ComponentConfigConnection.id == components.pinned(AppConfig.version, bindparam("component")))
    .outerjoin(ComponentBuild, ComponentBuild.id == _newest_active)
    .where(AppConfig.id == bindparam("app_config"), in_org(AppConfig), AppConfig.deleted_at == 0)
)

# A build and the config that it is of.
BUILT = _completed(
    select(*_BUILT)
    .select_from(ComponentBuild)
    .join(ComponentConfigConnection, ComponentConfigConnection.id == ComponentBuild.component_config_connection_id)
    .where(ComponentBuild.id == bindparam("build"), in_org(ComponentBuild), ComponentBuild.deleted_at == 0)
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
