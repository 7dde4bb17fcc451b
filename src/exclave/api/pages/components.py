"""Components and their configs (spec nesting.md 2 "components", 3.10, 3.11)."""

from collections.abc import Sequence
from typing import Any, TypeVar

from exclave.api.pages import vcs
from exclave.api.pages.columns import fill
from exclave.api.pages.references import refs
from exclave.domain.apps.models import AppConfig
from exclave.domain.components import queries, service
from exclave.domain.components.models import (
    Component,
    ComponentConfigConnection,
    DockerBuildComponentConfig,
    ExternalImageComponentConfig,
    HelmComponentConfig,
    JobComponentConfig,
    KubernetesManifestComponentConfig,
    TerraformModuleComponentConfig,
    TypedConfig,
)
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import components as wire

Block = (
    wire.TerraformModuleComponentConfig
    | wire.HelmComponentConfig
    | wire.DockerBuildComponentConfig
    | wire.ExternalImageComponentConfig
    | wire.JobComponentConfig
    | wire.KubernetesManifestComponentConfig
)

B = TypeVar("B", bound=Block)

_KEY = {
    "terraform_module": "terraform_module",
    "helm_chart": "helm",
    "docker_build": "docker_build",
    "external_image": "external_image",
    "job": "job",
    "kubernetes_manifest": "kubernetes_manifest",
}


def flat(ctx: Ctx, row: Component) -> wire.Component:
    """A component alone."""
    settings = ctx.runtime.settings
    links = {
        "ui": f"{settings.ui_url}/{row.org_id}/apps/{row.app_id}/components/{row.id}",
        "api": f"{settings.public_url}/v1/components/{row.id}",
    }
    return fill(wire.Component, row, links=links, resolved_var_name=row.var_name or row.name)


async def components(ctx: Ctx, rows: Sequence[Component]) -> list[wire.Component]:
    """Components with the ids of what they depend on."""
    edges = await every(ctx.db, queries.dependencies(ctx.actor, [row.id for row in rows])) if rows else []
    shapes = [flat(ctx, row) for row in rows]
    for shape in shapes:
        shape.dependencies = [edge.dependency_id for edge in edges if edge.component_id == shape.id]
    return shapes


async def component(ctx: Ctx, row: Component) -> wire.Component:
    """One component, with the number of its configs."""
    shape = (await components(ctx, [row]))[0]
    counts = dict((await ctx.db.execute(queries.config_counts(ctx.actor, [row.id]))).all())
    shape.config_versions = counts.get(row.id, 0)
    return shape


async def connections(
    ctx: Ctx, rows: Sequence[ComponentConfigConnection], *, names: dict[str, str] | None = None, connected: bool = True
) -> list[wire.ComponentConfigConnection]:
    """Configs with their typed blocks and sources, and the component's name where it is given."""
    typed = await service.typed_of(ctx, list(rows))
    found = await vcs.sources(ctx, [block.id for block in typed.values()], connections=connected)
    app_configs = {row.app_config_id for row in rows if row.app_config_id}
    versions = dict((await ctx.db.execute(queries.app_config_versions(list(app_configs)))).all()) if app_configs else {}
    shapes = []
    for row in rows:
        more: dict[str, Any] = {"refs": refs(row.references), "app_config_version": versions.get(row.app_config_id, 0)}
        if names is not None:
            more["component_name"] = names.get(row.component_id, "")
        if row.id in typed:
            more[_KEY[row.type]] = block(typed[row.id], found)
        shapes.append(fill(wire.ComponentConfigConnection, row, **more))
    return shapes


async def connections_in(ctx: Ctx, config: AppConfig) -> list[wire.ComponentConfigConnection]:
    """The component configs that an app config means: its own first, then those borrowed from older ones."""
    graph = await service.graph(ctx, config.id)
    rows = sorted(graph.connections.values(), key=lambda row: (row.app_config_id != config.id, row.created_at))
    names = {component.id: component.name for component in graph.components.values()}
    return await connections(ctx, rows, names=names, connected=False)


async def typed_block(ctx: Ctx, row: TypedConfig, shape: type[B]) -> B:
    """The answer to creating a config: its typed block with its source."""
    made = block(row, await vcs.sources(ctx, [row.id]))
    if not isinstance(made, shape):
        raise TypeError(f"{type(row).__name__} is no {shape.__name__}")
    return made


def block(row: TypedConfig, found: vcs.Sources) -> Block:
    """A typed config as its shape."""
    git = {"public_git_vcs_config": found.public(row.id), "connected_github_vcs_config": found.connected(row.id)}
    match row:
        case TerraformModuleComponentConfig():
            return fill(wire.TerraformModuleComponentConfig, row, **git)
        case HelmComponentConfig():
            return _helm(row, git)
        case DockerBuildComponentConfig():
            return fill(wire.DockerBuildComponentConfig, row, **git)
        case ExternalImageComponentConfig():
            ecr = row.aws_ecr_image_config
            shape = wire.AWSECRImageConfig(component_config_id=row.id, component_config_type=row.__tablename__, **ecr) if ecr else None
            return fill(wire.ExternalImageComponentConfig, row, aws_ecr_image_config=shape)
        case JobComponentConfig():
            return fill(wire.JobComponentConfig, row)
        case KubernetesManifestComponentConfig():
            return fill(wire.KubernetesManifestComponentConfig, row)
        case _:
            raise TypeError(f"{type(row).__name__} has no shape")


def _helm(row: HelmComponentConfig, git: dict[str, Any]) -> wire.HelmComponentConfig:
    repo = wire.HelmRepoConfig(**row.helm_repo_config) if row.helm_repo_config else None
    values = {key: str(value) for key, value in row.values.items()}
    document = wire.HelmConfig(
        chart_name=row.chart_name,
        helm_repo_config=repo,
        namespace=row.namespace,
        storage_driver=row.storage_driver,
        take_ownership=row.take_ownership,
        values=values,
        values_files=list(row.values_files),
    )
    more: dict[str, Any] = {"helm_config_json": document}
    if "helm_repo_config" in wire.HelmComponentConfig.__struct_fields__:
        more["helm_repo_config"] = repo
    return fill(wire.HelmComponentConfig, row, **git, **more)
