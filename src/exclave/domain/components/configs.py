"""Take in the config of a component, one verb for each of the six kinds (spec domain.md 4.3, config.md 4.2 step 16e)."""

from typing import Any, TypeVar

from sqlalchemy import select

from exclave.domain.apps import configs as app_configs
from exclave.domain.apps import rules as checks
from exclave.domain.apps import service as apps
from exclave.domain.apps import sources
from exclave.domain.audit import service as audit
from exclave.domain.components import queries, rules, service
from exclave.domain.components.events import ComponentConfigured
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
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.public import components as wire

Typed = TypeVar("Typed", bound=TypedConfig)


async def create_terraform_module(
    ctx: Ctx, component: Component, body: wire.CreateTerraformModuleComponentConfigRequest
) -> TerraformModuleComponentConfig:
    """Configure a component that is a Terraform module."""
    typed = TerraformModuleComponentConfig(
        **await _connected(ctx, component, "terraform_module", body),
        version=rules.checked_terraform_version(body.version),
        variables=body.variables,
        variables_files=list(body.variables_files or []),
        env_vars=body.env_vars,
    )
    ctx.db.add(typed)
    await ctx.db.flush()
    await sources.keep(ctx, typed, body.public_git_vcs_config, body.connected_github_vcs_config)
    await _tell(ctx, component, typed)
    return typed


async def create_helm(ctx: Ctx, component: Component, body: wire.CreateHelmComponentConfigRequest) -> HelmComponentConfig:
    """Configure a component that is a Helm chart, from a repository of charts or from files."""
    if not 5 <= len(body.chart_name) <= 62 or not body.chart_name.replace("-", "").isalnum() or not body.chart_name[0].isalpha():
        raise errors.Invalid(f"chart_name: {body.chart_name!r} must be 5 to 62 letters, digits and '-', starting with a letter")
    if body.helm_repo_config is not None:
        if not body.helm_repo_config.repo_url.startswith(("http://", "https://", "oci://")):
            raise errors.Invalid(f"helm_repo_config.repo_url: {body.helm_repo_config.repo_url!r} is not a URL")
        checks.present({"helm_repo_config.chart": body.helm_repo_config.chart})
    repo = body.helm_repo_config
    typed = HelmComponentConfig(
        **await _connected(ctx, component, "helm_chart", body),
        chart_name=body.chart_name,
        values=body.values,
        values_files=list(body.values_files or []),
        namespace=body.namespace,
        storage_driver=body.storage_driver,
        take_ownership=body.take_ownership,
        helm_repo_config={"repo_url": repo.repo_url, "chart": repo.chart, "version": repo.version} if repo else None,
    )
    ctx.db.add(typed)
    await ctx.db.flush()
    await sources.keep(ctx, typed, body.public_git_vcs_config, body.connected_github_vcs_config, required=repo is None)
    await _tell(ctx, component, typed)
    return typed


async def create_docker_build(
    ctx: Ctx, component: Component, body: wire.CreateDockerBuildComponentConfigRequest
) -> DockerBuildComponentConfig:
    """Configure a component that is an image built from a Dockerfile."""
    checks.present({"dockerfile": body.dockerfile})
    typed = DockerBuildComponentConfig(
        **await _connected(ctx, component, "docker_build", body),
        dockerfile=body.dockerfile,
        target=body.target,
        build_args=list(body.build_args or []),
        env_vars=body.env_vars or {},
    )
    ctx.db.add(typed)
    await ctx.db.flush()
    await sources.keep(ctx, typed, body.public_git_vcs_config, body.connected_github_vcs_config)
    await _tell(ctx, component, typed)
    return typed


async def create_external_image(
    ctx: Ctx, component: Component, body: wire.CreateExternalImageComponentConfigRequest
) -> ExternalImageComponentConfig:
    """Configure a component that is an image which exists."""
    checks.present({"image_url": body.image_url, "tag": body.tag})
    ecr = body.aws_ecr_image_config
    typed = ExternalImageComponentConfig(
        **await _connected(ctx, component, "external_image", body),
        image_url=body.image_url,
        tag=body.tag,
        aws_ecr_image_config={"iam_role_arn": ecr.iam_role_arn, "aws_region": ecr.aws_region} if ecr else None,
    )
    return await _kept(ctx, component, typed)


async def create_job(ctx: Ctx, component: Component, body: wire.CreateJobComponentConfigRequest) -> JobComponentConfig:
    """Configure a component that is an image which runs to its end."""
    checks.present({"image_url": body.image_url, "tag": body.tag})
    typed = JobComponentConfig(
        **await _connected(ctx, component, "job", body),
        image_url=body.image_url,
        tag=body.tag,
        cmd=list(body.cmd or []),
        args=list(body.args or []),
        env_vars=body.env_vars or {},
    )
    return await _kept(ctx, component, typed)


async def create_kubernetes_manifest(
    ctx: Ctx, component: Component, body: wire.CreateKubernetesManifestComponentConfigRequest
) -> KubernetesManifestComponentConfig:
    """Configure a component that is a Kubernetes manifest."""
    checks.present({"manifest": body.manifest})
    typed = KubernetesManifestComponentConfig(
        **await _connected(ctx, component, "kubernetes_manifest", body),
        manifest=body.manifest,
        namespace=body.namespace or "default",
    )
    return await _kept(ctx, component, typed)


async def _connected(ctx: Ctx, component: Component, type_name: str, body: Any) -> dict[str, str]:
    """Make the connection that a typed config hangs on; return the columns that the typed config takes from it."""
    app = await apps.get(ctx, component.app_id)
    await app_configs.check_open(ctx, app, body.app_config_id)
    if component.type not in ("", "unknown", type_name):
        raise errors.Invalid(f"the component {component.name!r} is of type {component.type}: a {type_name} needs another name")
    wanted = await service.resolve_dependencies(ctx, component, list(getattr(body, "dependencies", None) or []))
    # Two configs of one component at once take turns here, so that each gets a version of its own.
    await ctx.db.execute(select(Component.id).where(Component.id == component.id).with_for_update())
    version = (await ctx.db.execute(queries.highest_version(component.id))).scalar_one() + 1
    connection = ComponentConfigConnection(
        org_id=component.org_id,
        created_by_id=ctx.actor.account_id,
        component_id=component.id,
        app_config_id=body.app_config_id,
        version=version,
        type=type_name,
        component_dependency_ids=wanted,
        references=list(body.references or []),
        checksum=body.checksum,
        drift_schedule=checks.checked_cron(getattr(body, "drift_schedule", ""), "drift_schedule"),
    )
    ctx.db.add(connection)
    component.type = type_name
    await ctx.db.flush()
    if body.app_config_id:
        rules.check_acyclic((await service.graph(ctx, body.app_config_id)).nodes)
    return {
        "org_id": component.org_id,
        "created_by_id": ctx.actor.account_id,
        "component_config_connection_id": connection.id,
    }


async def _kept(ctx: Ctx, component: Component, typed: Typed) -> Typed:
    ctx.db.add(typed)
    await ctx.db.flush()
    await _tell(ctx, component, typed)
    return typed


async def _tell(ctx: Ctx, component: Component, typed: TypedConfig) -> None:
    await audit.record(ctx, "create", typed, component_id=component.id)
    await ctx.tell(ComponentConfigured(component.id, typed.component_config_connection_id))
