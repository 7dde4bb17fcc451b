"""Reads of components, their configs and dependencies, limited to the actor's org."""

from sqlalchemy import ColumnElement, Integer, ScalarSelect, Select, bindparam, func, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from exclave.domain.apps.models import AppConfig
from exclave.domain.components.models import Component, ComponentConfigConnection, ComponentDependency, TypedConfig
from exclave.kit.context import Actor
from exclave.kit.ids import is_id
from exclave.kit.prepared import Prepared, any_of, in_org


def visible_to(actor: Actor) -> Select[Component]:
    return select(Component).where(Component.org_id == actor.org_id, Component.deleted_at == 0)


def by_ref(actor: Actor, ref: str, app_id: str | None = None) -> Select[Component]:
    found = visible_to(actor).where(Component.id == ref if is_id(ref) else Component.name == ref)
    if app_id is not None:
        found = found.where(Component.app_id == app_id)
    return found.order_by(Component.created_at.desc())


def of_app(actor: Actor, app_id: str) -> Select[Component]:
    return visible_to(actor).where(Component.app_id == app_id).order_by(Component.name)


def filtered(found: Select[Component], *, q: str, types: str, component_ids: str) -> Select[Component]:
    """Narrow a list by part of the name, comma-separated types, comma-separated ids."""
    if q:
        found = found.where(Component.name.icontains(q, autoescape=True))
    if types:
        found = found.where(Component.type.in_([word.strip() for word in types.split(",")]))
    if component_ids:
        found = found.where(Component.id.in_([word.strip() for word in component_ids.split(",")]))
    return found


def dependencies(actor: Actor, component_ids: list[str]) -> Select[ComponentDependency]:
    return (
        select(ComponentDependency)
        .where(ComponentDependency.org_id == actor.org_id, ComponentDependency.component_id.in_(component_ids))
        .order_by(ComponentDependency.created_at)
    )


def connections(actor: Actor, component_id: str = "") -> Select[ComponentConfigConnection]:
    """Configs of a component, newest first."""
    found = select(ComponentConfigConnection).where(
        ComponentConfigConnection.org_id == actor.org_id, ComponentConfigConnection.deleted_at == 0
    )
    if component_id:
        found = found.where(ComponentConfigConnection.component_id == component_id)
    return found.order_by(ComponentConfigConnection.created_at.desc())


def highest_version(component_id: str) -> Select[int]:
    return select(func.coalesce(func.max(ComponentConfigConnection.version), 0)).where(
        ComponentConfigConnection.component_id == component_id
    )


def pinned(
    version: ColumnElement[int] | InstrumentedAttribute[int], component: ColumnElement[str] | InstrumentedAttribute[str]
) -> ScalarSelect[str]:
    """The id of the config that an app config of this version means for a component: its own, else the newest of an older one.

    Configs without an app config (of old clients) count as older than all. What later syncs brought does not count.
    """
    connection, config = aliased(ComponentConfigConnection), aliased(AppConfig)
    of_version = func.coalesce(config.version, 0)
    return (
        select(connection.id)
        .outerjoin(config, config.id == connection.app_config_id)
        .where(in_org(connection), connection.deleted_at == 0, connection.component_id == component, of_version <= version)
        .order_by(of_version.desc(), connection.created_at.desc())
        .limit(1)
        .correlate(AppConfig, Component)
        .scalar_subquery()
    )


# Components, each with the config that an app config of this version means for it, if there is one.
PINNED: Prepared[tuple[Component, ComponentConfigConnection | None]] = Prepared(
    select(Component, ComponentConfigConnection)
    .outerjoin(ComponentConfigConnection, ComponentConfigConnection.id == pinned(bindparam("version", type_=Integer), Component.id))
    .where(Component.id == any_of("components"), in_org(Component), Component.deleted_at == 0)
)


def of_app_config(actor: Actor, app_config_id: str) -> Select[str]:
    """Ids of the components that an app config configured itself."""
    return (
        select(ComponentConfigConnection.component_id)
        .where(
            ComponentConfigConnection.org_id == actor.org_id,
            ComponentConfigConnection.deleted_at == 0,
            ComponentConfigConnection.app_config_id == app_config_id,
        )
        .distinct()
    )


TYPED: dict[type[TypedConfig], Prepared[TypedConfig]] = {
    kind: Prepared(
        select(kind).where(
            in_org(kind),
            kind.component_config_connection_id == any_of("connections"),
        )
    )
    for kind in TypedConfig.__subclasses__()
}


def app_config_versions(ids: list[str]) -> Select[str, int]:
    return select(AppConfig.id, AppConfig.version).where(AppConfig.id.in_(ids))


def config_counts(actor: Actor, component_ids: list[str]) -> Select[str, int]:
    return (
        select(ComponentConfigConnection.component_id, func.count())
        .where(ComponentConfigConnection.org_id == actor.org_id, ComponentConfigConnection.component_id.in_(component_ids))
        .group_by(ComponentConfigConnection.component_id)
    )
