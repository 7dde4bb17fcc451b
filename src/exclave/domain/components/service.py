"""Create, change and delete components, and answer which config, order and dependencies an app config means."""

from dataclasses import dataclass

from sqlalchemy import delete as sql_delete
from sqlalchemy import select

from exclave.domain.apps import rules as naming
from exclave.domain.apps import service as apps
from exclave.domain.apps.models import App, AppConfig
from exclave.domain.audit import service as audit
from exclave.domain.components import queries, rules
from exclave.domain.components.events import ComponentAdded, ComponentMayDelete
from exclave.domain.components.models import (
    Component,
    ComponentConfigConnection,
    ComponentDependency,
    DockerBuildComponentConfig,
    ExternalImageComponentConfig,
    HelmComponentConfig,
    JobComponentConfig,
    KubernetesManifestComponentConfig,
    TerraformModuleComponentConfig,
    TypedConfig,
)
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, first, one
from exclave.kit.ids import is_id
from exclave.kit.prepared import by_id
from exclave.kit.time import now

TYPED: dict[str, type[TypedConfig]] = {
    "terraform_module": TerraformModuleComponentConfig,
    "helm_chart": HelmComponentConfig,
    "docker_build": DockerBuildComponentConfig,
    "external_image": ExternalImageComponentConfig,
    "job": JobComponentConfig,
    "kubernetes_manifest": KubernetesManifestComponentConfig,
}


async def create(ctx: Ctx, app: App, name: str, *, var_name: str = "", dependencies: list[str] | None = None) -> Component:
    """Create a component. Every install of the app gets a place for it."""
    naming.checked_component_name(name)
    naming.checked_name(var_name, "var_name", empty=True)
    if is_id(name):
        raise errors.Invalid(f"name: {name!r} looks like an id (26 letters and digits): choose a shorter or longer one")
    if await first(ctx.db, queries.by_ref(ctx.actor, name, app.id)) is not None:
        raise errors.Invalid(f"duplicate key: the app has a component named {name!r} already")
    component = Component(
        org_id=app.org_id,
        created_by_id=ctx.actor.account_id,
        app_id=app.id,
        name=name,
        var_name=var_name,
        status="active",
        status_description="component is active",
    )
    ctx.db.add(component)
    await ctx.db.flush()
    if dependencies:
        await _depend(ctx, component, dependencies)
    await audit.record(ctx, "create", component, name=name)
    await ctx.tell(ComponentAdded(component.id, app.id))
    return component


async def get(ctx: Ctx, ref: str, app_id: str | None = None) -> Component:
    """Return a component by id or name; names are unique within an app."""
    missing = errors.NotFound(f"component {ref!r} not found")
    if is_id(ref):
        known = await by_id(ctx.db, Component, ref, org_id=ctx.org_id)
        if known is None or (app_id is not None and known.app_id != app_id):
            raise missing
        return known
    found: Component = await one(ctx.db, queries.by_ref(ctx.actor, ref, app_id), or_raise=missing)
    return found


async def update(ctx: Ctx, component: Component, name: str, *, var_name: str = "", dependencies: list[str] | None = None) -> Component:
    """Rename a component and set what it depends on; dependencies that are absent or null stay as they are."""
    naming.checked_component_name(name)
    naming.checked_name(var_name, "var_name", empty=True)
    if name != component.name:
        if is_id(name):
            raise errors.Invalid(f"name: {name!r} looks like an id (26 letters and digits): choose a shorter or longer one")
        if await first(ctx.db, queries.by_ref(ctx.actor, name, component.app_id)) is not None:
            raise errors.Invalid(f"duplicate key: the app has a component named {name!r} already")
    component.name = name
    if var_name:
        component.var_name = var_name
    component.updated_at = now()
    if dependencies is not None:
        await _depend(ctx, component, dependencies)
    await audit.record(ctx, "update", component)
    return component


async def delete(ctx: Ctx, component: Component) -> None:
    """Delete a component that the latest config does not list and that no install runs."""
    latest = await apps.newest_config(ctx, component.app_id)
    if latest is not None and component.id in latest.component_ids:
        raise errors.Invalid(f"the component {component.name!r} is in the app's latest config: sync a config without it first")
    await ctx.tell(ComponentMayDelete(component.id, component.app_id))
    await ctx.db.execute(sql_delete(ComponentDependency).where(ComponentDependency.dependency_id == component.id))
    component.status, component.status_description = "delete_queued", "component is deleted"
    component.deleted_at = int(now().timestamp())
    await audit.record(ctx, "delete", component, name=component.name)


# Which config counts.


async def connection(ctx: Ctx, connection_id: str, *, component_id: str = "") -> ComponentConfigConnection:
    """Return one config of a component by its id, or by the id of its typed block."""
    found = await by_id(ctx.db, ComponentConfigConnection, connection_id, org_id=ctx.org_id)
    if found is None and connection_id.startswith("cfg"):
        for kind in TYPED.values():
            if block := await by_id(ctx.db, kind, connection_id, org_id=ctx.org_id):
                found = await by_id(ctx.db, ComponentConfigConnection, block.component_config_connection_id, org_id=ctx.org_id)
    if found is None or component_id not in ("", found.component_id):
        raise errors.NotFound(f"component config {connection_id!r} not found")
    return found


async def latest_connection(ctx: Ctx, component_id: str) -> ComponentConfigConnection:
    """Return the newest config of a component, or 404."""
    found: ComponentConfigConnection = await one(
        ctx.db, queries.connections(ctx.actor, component_id).limit(1), or_raise=errors.NotFound("the component has no config yet")
    )
    return found


async def config_in(ctx: Ctx, component_id: str, app_config_id: str) -> ComponentConfigConnection:
    """Return the config of a component that an app config means: its own, or borrowed from the newest older one."""
    config = await apps.config(ctx, app_config_id)
    found = await queries.PINNED.first(ctx.db, org=ctx.org_id, components=[component_id], version=config.version)
    if found is None or found[1] is None:
        raise errors.NotFound(f"the component {component_id!r} has no config in version {config.version} of the app")
    return found[1]


async def typed(ctx: Ctx, connection: ComponentConfigConnection) -> TypedConfig:
    """Return the one typed config of a connection."""
    found = await typed_of(ctx, [connection])
    if connection.id not in found:
        raise errors.NotFound(f"the component config {connection.id} has no {connection.type} block")
    return found[connection.id]


async def typed_of(ctx: Ctx, connections: list[ComponentConfigConnection]) -> dict[str, TypedConfig]:
    """Return the typed configs of many connections by the connection's id, one statement for each type among them."""
    found: dict[str, TypedConfig] = {}
    for type_name in {connection.type for connection in connections}:
        ids = [connection.id for connection in connections if connection.type == type_name]
        rows = await queries.TYPED[TYPED[type_name]].all(ctx.db, org=ctx.org_id, connections=ids)
        found |= {row.component_config_connection_id: row for row in rows}
    return found


# The graph of an app config.


@dataclass(frozen=True)
class Graph:
    """The components of one app config, what each is configured by, and what needs what."""

    nodes: list[rules.Node]
    components: dict[str, Component]
    connections: dict[str, ComponentConfigConnection]


async def graph(ctx: Ctx, app_config_id: str) -> Graph:
    """Return the graph that an app config means: the components it lists (while it is filled: those it configured so far)."""
    config = await apps.config(ctx, app_config_id)
    wanted = list(config.component_ids) or list((await ctx.db.execute(queries.of_app_config(ctx.actor, config.id))).scalars())
    found = await queries.PINNED.all(ctx.db, org=ctx.org_id, components=wanted, version=config.version)
    components = {row.id: row for row, _ in found}
    connections = {row.id: connection for row, connection in found if connection is not None}
    nodes = [
        rules.Node(
            id=row.id,
            name=row.name,
            type=connections[row.id].type if row.id in connections else row.type,
            needs=tuple(connections[row.id].component_dependency_ids) if row.id in connections else (),
        )
        for row in sorted(components.values(), key=lambda row: row.name)
    ]
    return Graph(nodes=nodes, components=components, connections=connections)


async def deploy_order(ctx: Ctx, app_config_id: str) -> list[Component]:
    """Return the components of an app config, each after what it needs."""
    found = await graph(ctx, app_config_id)
    return [found.components[node.id] for node in rules.deploy_order(found.nodes)]


async def dependents(ctx: Ctx, app_config_id: str, component_id: str) -> list[Component]:
    """Return the components that need one, directly or not, farthest first."""
    found = await graph(ctx, app_config_id)
    return [found.components[node_id] for node_id in rules.dependents(found.nodes, component_id)]


def dependencies_of(connection: ComponentConfigConnection) -> list[str]:
    """Return the ids of the components that a config needs."""
    return list(connection.component_dependency_ids)


async def check_graph(ctx: Ctx, config: AppConfig) -> None:
    """Raise unless a config that becomes active lists components of its app that exist, are configured and form no cycle."""
    found = await graph(ctx, config.id)
    unknown = [each for each in config.component_ids if each not in found.components]
    foreign = [row.name for row in found.components.values() if row.app_id != config.app_id]
    if unknown or foreign:
        raise errors.Invalid(f"component_ids: not components of this app: {', '.join([*unknown, *foreign])}")
    bare = [node.name for node in found.nodes if node.id not in found.connections]
    if bare:
        raise errors.Invalid(f"component_ids: components without any config: {', '.join(bare)}")
    rules.check_acyclic(found.nodes)


async def resolve_dependencies(ctx: Ctx, component: Component, given: list[str]) -> list[str]:
    """Return the ids of components of the same app that names or ids stand for."""
    return rules.resolve(given, await _refs(ctx, component.app_id), of=component.id)


async def _refs(ctx: Ctx, app_id: str) -> dict[str, str]:
    rows: list[Component] = await every(ctx.db, queries.of_app(ctx.actor, app_id))
    return {row.name: row.id for row in rows} | {row.id: row.id for row in rows}


async def _depend(ctx: Ctx, component: Component, given: list[str]) -> None:
    """Replace the dependencies of a component, unless that closes a cycle."""
    # One after the other: each of two requests at once would see a graph in which only the other closes the cycle.
    await ctx.db.execute(select(App.id).where(App.id == component.app_id).with_for_update(key_share=True))
    wanted = await resolve_dependencies(ctx, component, given)
    await ctx.db.execute(sql_delete(ComponentDependency).where(ComponentDependency.component_id == component.id))
    for dependency_id in wanted:
        ctx.db.add(
            ComponentDependency(
                org_id=component.org_id, created_by_id=ctx.actor.account_id, component_id=component.id, dependency_id=dependency_id
            )
        )
    await ctx.db.flush()
    rules.check_acyclic(await _settled_graph(ctx, component.app_id))


async def _settled_graph(ctx: Ctx, app_id: str) -> list[rules.Node]:
    """The graph of an app as it is known now.

    While a config is being filled, a dependency that is older than it may be about to change: turning an edge round takes two
    requests. Such an edge does not count until the sync has said it again; `check_graph` looks at the whole at the end.
    """
    components: list[Component] = await every(ctx.db, queries.of_app(ctx.actor, app_id))
    edges: list[ComponentDependency] = await every(ctx.db, queries.dependencies(ctx.actor, [row.id for row in components]))
    newest = await apps.newest_config(ctx, app_id)
    if newest is not None and newest.status in ("pending", "syncing"):
        edges = [edge for edge in edges if edge.created_at >= newest.created_at]
    needs: dict[str, list[str]] = {}
    for edge in edges:
        needs.setdefault(edge.component_id, []).append(edge.dependency_id)
    return [rules.Node(id=row.id, name=row.name, type=row.type, needs=tuple(needs.get(row.id, ()))) for row in components]
