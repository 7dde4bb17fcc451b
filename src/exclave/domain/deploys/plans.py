"""What the runner is told to plan and apply for a component (spec runner.md 5.3)."""

import base64
from typing import Any

import msgspec

from exclave.domain.artifacts import service as artifacts
from exclave.domain.artifacts.models import OCIArtifact
from exclave.domain.components.models import (
    Component,
    HelmComponentConfig,
    KubernetesManifestComponentConfig,
    TerraformModuleComponentConfig,
    TypedConfig,
)
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs import clouds, rendering
from exclave.domain.installs.models import Install, InstallComponent
from exclave.domain.installs.rendering import Renderer
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.service import JobResult
from exclave.domain.workspaces import service as workspaces
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.plans.base import Artifact, AzureAuth, Source
from exclave.wire.plans.deploy import DeployPlan, HelmDeployPlan, HelmValue, KubernetesManifestDeployPlan
from exclave.wire.plans.terraform import Hooks, TerraformBackend, TerraformDeployPlan


async def plan(
    ctx: Ctx,
    install: Install,
    component: Component,
    typed: TypedConfig,
    row: InstallComponent,
    deploy: InstallDeploy,
    artifact: OCIArtifact | None,
) -> DeployPlan:
    """Render the component's config with the state document. Raises `Invalid` that names component, key and what is missing."""
    renderer = await rendering.of_install(ctx, install.id)
    made = DeployPlan(
        install_id=install.id,
        app_id=install.app_id,
        app_config_id=install.app_config_id,
        component_id=component.id,
        component_name=component.name,
    )
    where = f"component {component.name!r}"
    match typed:
        case TerraformModuleComponentConfig():
            made.source = _source(component, deploy, artifact)
            made.terraform = await _terraform(ctx, install, typed, row, renderer, where)
        case HelmComponentConfig():
            made.source = _source(component, deploy, artifact)
            made.helm = _helm(install, typed, renderer, where)
        case KubernetesManifestComponentConfig():
            made.kubernetes_manifest = KubernetesManifestDeployPlan(
                namespace=renderer.text(typed.namespace or "default", where=f"{where} namespace"),
                manifest=renderer.text(typed.manifest, where=f"{where} manifest"),
                cluster_info=_cluster(renderer, component.name),
            )
        case _:
            raise errors.Invalid(f"component {component.name!r} has a config that cannot be deployed yet")
    if made.source is not None:
        made.src_tag = deploy.id
    return made


async def apply(ctx: Ctx, deploy: InstallDeploy, planned: JobResult) -> DeployPlan:
    """Return the plan document of the apply: that of the plan job, with the plan that was approved and its digest."""
    document = msgspec.json.decode(await jobs.plan_of(ctx, deploy.plan_job_id), type=DeployPlan)
    document.apply_plan_contents = base64.b64encode(planned.contents or b"").decode()
    document.apply_plan_digest = deploy.plan_digest
    return document


async def copy_artifact(ctx: Ctx, deploy: InstallDeploy) -> OCIArtifact | None:
    """Say that a deploy uses the artifact of its build; None for builds that have none (a manifest is its own config)."""
    built = await artifacts.artifact_of(ctx, deploy.build_id)
    if built is None:
        return None
    return await artifacts.put_artifact(
        ctx,
        deploy,
        tag=deploy.id,
        repository=built.repository,
        media_type=built.media_type,
        digest=built.digest,
        size=built.size,
        annotations=dict(built.annotations),
        artifact_type=built.artifact_type,
    )


def _source(component: Component, deploy: InstallDeploy, artifact: OCIArtifact | None) -> Source:
    if artifact is None or not artifact.digest:
        raise errors.Invalid(f"component {component.name!r}: build {deploy.build_id} has no artifact in this server: build it again")
    return Source(artifact=Artifact(digest=artifact.digest, media_type=artifact.media_type, size=artifact.size))


async def _terraform(
    ctx: Ctx, install: Install, typed: TerraformModuleComponentConfig, row: InstallComponent, renderer: Renderer, where: str
) -> TerraformDeployPlan:
    workspace = await workspaces.ensure(ctx, row)
    variables = renderer.values(typed.variables, where=f"{where} variables")
    env_vars = renderer.strings(typed.env_vars, where=f"{where} env_vars")
    aws_auth = clouds.aws_auth(renderer.document, "maintenance", session=f"install-deploy-{install.id}")
    if aws_auth is not None and aws_auth.region:
        env_vars.setdefault("AWS_REGION", aws_auth.region)
    return TerraformDeployPlan(
        terraform_backend=TerraformBackend(workspace_id=workspace.id),
        vars=variables.values,
        env_vars=env_vars,
        vars_files=renderer.texts(typed.variables_files, where=f"{where} variables_files"),
        aws_auth=aws_auth,
        azure_auth=AzureAuth(use_default=True) if (renderer.document.get("cloud_account") or {}).get("azure") else None,
        hooks=Hooks(enabled=False),
        # On the server's own host Terraform finds its cluster itself: an output named `cluster` is no more than an output there.
        cluster_info=clouds.cluster_info(renderer.document) if aws_auth is not None else None,
        terraform_version=typed.version,
        sensitive_vars=list(variables.sensitive),
    )


def _helm(install: Install, typed: HelmComponentConfig, renderer: Renderer, where: str) -> HelmDeployPlan:
    values = renderer.values(typed.values, where=f"{where} values").values
    return HelmDeployPlan(
        name=renderer.text(typed.chart_name, where=f"{where} chart_name"),
        namespace=renderer.text(typed.namespace, where=f"{where} namespace") or install.id,
        cluster_info=_cluster(renderer, where),
        storage_driver=typed.storage_driver or "configmap",
        values_files=renderer.texts(typed.values_files, where=f"{where} values_files"),
        values=[HelmValue(name=name, value=_text(value)) for name, value in values.items()],
        take_ownership=typed.take_ownership,
    )


def _cluster(renderer: Renderer, where: str) -> Any:
    found = clouds.cluster_info(renderer.document)
    if found is None:
        raise errors.Invalid(f"{where} needs a Kubernetes cluster, but the sandbox has no output `cluster` with a name")
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
