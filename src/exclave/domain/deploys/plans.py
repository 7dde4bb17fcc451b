"""What the runner is told to plan and apply for a component (spec runner.md 5.3)."""

import base64
from dataclasses import dataclass
from typing import Any

import msgspec

from exclave.domain.builds.service import Built
from exclave.domain.components.models import (
    Component,
    HelmComponentConfig,
    KubernetesManifestComponentConfig,
    TerraformModuleComponentConfig,
    TypedConfig,
)
from exclave.domain.deploys import queries
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs import clouds, rendering
from exclave.domain.installs import service as installs
from exclave.domain.installs.approvals import Planned
from exclave.domain.installs.models import Install, InstallComponent
from exclave.domain.installs.rendering import Renderer
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner
from exclave.domain.workspaces import service as workspaces
from exclave.domain.workspaces.models import TerraformWorkspace
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.plans.base import Artifact, AzureAuth, Source
from exclave.wire.plans.deploy import DeployPlan, HelmDeployPlan, HelmValue, KubernetesManifestDeployPlan
from exclave.wire.plans.terraform import Hooks, TerraformBackend, TerraformDeployPlan


@dataclass(frozen=True)
class Place:
    """A component and the install that it is deployed to, with what is there, and what the step has made already: its deploy, its job."""

    install: Install
    component: Component
    row: InstallComponent | None
    workspace: TerraformWorkspace | None
    runner: Runner
    deploy: InstallDeploy | None
    job: RunnerJob | None


async def place_of(ctx: Ctx, install_id: str, component_id: str, *, key: str) -> Place:
    """Look at the install and the component of a step, in one statement. Raises `NotFound` that names what is missing."""
    found = await queries.TO_PLAN.first(ctx.db, install=install_id, component=component_id, org=ctx.org_id, key=key)
    if found is None:
        await installs.get(ctx, install_id)
        raise errors.NotFound(f"component {component_id!r} not found")
    install, component, row, workspace, runner, deploy, job = found
    if runner is None:
        runner = await runners.of_install(ctx, install.id)
    return Place(install, component, row, workspace, runner, deploy, job)


async def plan(ctx: Ctx, place: Place, typed: TypedConfig, row: InstallComponent, deploy: InstallDeploy, built: Built) -> DeployPlan:
    """Render the component's config with the state document. Raises `Invalid` that names component, key and what is missing."""
    install, component = place.install, place.component
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
            made.source = _source(component, built)
            workspace = place.workspace if place.workspace is not None else await workspaces.ensure(ctx, row)
            made.terraform = _terraform(install, typed, workspace, renderer, where)
        case HelmComponentConfig():
            made.source = _source(component, built)
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


def apply(deploy: InstallDeploy, planned: Planned) -> DeployPlan:
    """Return the plan document of the apply: that of the plan job, with the plan that was approved and its digest."""
    document = msgspec.json.decode(planned.document, type=DeployPlan)
    document.apply_plan_contents = base64.b64encode(planned.result.contents or b"").decode()
    document.apply_plan_digest = deploy.plan_digest
    return document


def _source(component: Component, built: Built) -> Source:
    artifact = built.artifact
    if artifact is None or not artifact.digest:
        raise errors.Invalid(f"component {component.name!r}: build {built.build.id} has no artifact in this server: build it again")
    return Source(artifact=Artifact(digest=artifact.digest, media_type=artifact.media_type, size=artifact.size))


def _terraform(
    install: Install, typed: TerraformModuleComponentConfig, workspace: TerraformWorkspace, renderer: Renderer, where: str
) -> TerraformDeployPlan:
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
