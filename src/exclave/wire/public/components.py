"""What the public API says about components."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import field

from exclave.wire.base import Body, CompositeStatus, JSONObject, Ref, Shape, word


ComponentType = Literal["terraform_module", "helm_chart", "docker_build", "external_image", "job", "kubernetes_manifest", "unknown"]


class AWSECRImageConfig(Shape):
    """`app.AWSECRImageConfig` of the contract."""

    id: str = ""
    aws_region: str = ""
    component_config_id: str = ""
    component_config_type: str = ""
    created_by_id: str = ""
    iam_role_arn: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Component(Shape):
    """`app.Component` of the contract."""

    id: str = ""
    app_id: str = ""
    config_versions: int = 0
    created_by_id: str = ""
    dependencies: list[str] | None = None
    links: JSONObject = field(default_factory=dict)
    name: str = ""
    resolved_var_name: str = ""
    status: str = ""
    status_description: str = ""
    type: Annotated[str, word(ComponentType)] = ""
    var_name: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ComponentBuild(Shape):
    """`app.ComponentBuild` of the contract."""

    id: str = ""
    checksum: str = ""
    component_config_connection: ComponentConfigConnection | None = None
    component_config_connection_id: str = ""
    component_config_version: int = 0
    component_id: str = ""
    component_name: str = ""
    created_by: Account | None = None
    created_by_id: str = ""
    git_ref: str = ""
    install_deploys: list[InstallDeploy] | None = None
    log_stream: LogStream | None = None
    releases: list[ComponentRelease] | None = None
    runner_job: RunnerJob | None = None
    status: str = ""
    status_description: str = ""
    status_v2: CompositeStatus | None = None
    vcs_connection_commit: VCSConnectionCommit | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ComponentConfigConnection(Shape):
    """`app.ComponentConfigConnection` of the contract."""

    id: str = ""
    app_config_id: str = ""
    app_config_version: int = 0
    checksum: str = ""
    component_dependency_ids: list[str] | None = field(default_factory=lambda: None)
    component_id: str = ""
    component_name: str = ""
    created_by_id: str = ""
    docker_build: DockerBuildComponentConfig | None = None
    drift_schedule: str = ""
    external_image: ExternalImageComponentConfig | None = None
    helm: HelmComponentConfig | None = None
    job: JobComponentConfig | None = None
    kubernetes_manifest: KubernetesManifestComponentConfig | None = None
    references: list[str] | None = field(default_factory=lambda: None)
    refs: list[Ref] | None = field(default_factory=lambda: None)
    terraform_module: TerraformModuleComponentConfig | None = None
    type: Annotated[str, word(ComponentType)] = ""
    version: int = 0
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class DockerBuildComponentConfig(Shape):
    """`app.DockerBuildComponentConfig` of the contract."""

    id: str = ""
    build_args: list[str] | None = None
    component_config_connection_id: str = ""
    connected_github_vcs_config: ConnectedGithubVCSConfig | None = None
    created_by_id: str = ""
    dockerfile: str = ""
    env_vars: dict[str, str | None] | None = None
    public_git_vcs_config: PublicGitVCSConfig | None = None
    target: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ExternalImageComponentConfig(Shape):
    """`app.ExternalImageComponentConfig` of the contract."""

    id: str = ""
    aws_ecr_image_config: AWSECRImageConfig | None = None
    component_config_connection_id: str = ""
    created_by_id: str = ""
    image_url: str = ""
    tag: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class HelmComponentConfig(Shape):
    """`app.HelmComponentConfig` of the contract."""

    id: str = ""
    chart_name: str = ""
    component_config_connection_id: str = ""
    connected_github_vcs_config: ConnectedGithubVCSConfig | None = None
    created_by_id: str = ""
    helm_config_json: HelmConfig | None = None
    namespace: str = ""
    public_git_vcs_config: PublicGitVCSConfig | None = None
    storage_driver: str = ""
    take_ownership: bool = False
    values: dict[str, str | None] | None = None
    values_files: list[str] | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class HelmConfig(Shape):
    """`app.HelmConfig` of the contract."""

    chart_name: str = field(default_factory=str)
    helm_repo_config: HelmRepoConfig | None = None
    namespace: str = field(default_factory=str)
    storage_driver: str = field(default_factory=str)
    take_ownership: bool = False
    values: dict[str, str] = field(default_factory=lambda: {})
    values_files: list[str] | None = field(default_factory=lambda: None)


class HelmRepoConfig(Shape):
    """`app.HelmRepoConfig` of the contract."""

    chart: str = field(default_factory=str)
    repo_url: str = field(default_factory=str)
    version: str = ""


class JobComponentConfig(Shape):
    """`app.JobComponentConfig` of the contract."""

    id: str = ""
    args: list[str] | None = None
    cmd: list[str] | None = None
    component_config_connection_id: str = ""
    created_by_id: str = ""
    env_vars: dict[str, str | None] | None = None
    image_url: str = ""
    tag: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class KubernetesManifestComponentConfig(Shape):
    """`app.KubernetesManifestComponentConfig` of the contract."""

    id: str = ""
    component_config_connection_id: str = ""
    created_by_id: str = ""
    manifest: str = ""
    namespace: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class TerraformModuleComponentConfig(Shape):
    """`app.TerraformModuleComponentConfig` of the contract."""

    id: str = ""
    component_config_connection_id: str = ""
    connected_github_vcs_config: ConnectedGithubVCSConfig | None = None
    created_by_id: str = ""
    env_vars: dict[str, str | None] | None = None
    public_git_vcs_config: PublicGitVCSConfig | None = None
    variables: dict[str, str | None] | None = None
    variables_files: list[str] | None = None
    version: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class HelmRepo(Shape):
    """`config.HelmRepoConfig` of the contract."""

    chart: str = field(default_factory=str)
    repo_url: str = field(default_factory=str, name="repoURL")
    version: str = field(default_factory=str)


class ComponentChildren(Shape):
    """`service.ComponentChildren` of the contract."""

    children: list[Component] | None = field(default_factory=lambda: None)


class BuildAllComponentsRequest(Body):
    """`service.BuildAllComponentsRequest` of the contract."""

    pass


class CreateComponentBuildRequest(Body):
    """`service.CreateComponentBuildRequest` of the contract."""

    git_ref: str = ""
    use_latest: bool = False


class CreateComponentRequest(Body):
    """`service.CreateComponentRequest` of the contract."""

    name: str
    dependencies: list[str] | None = None
    var_name: str = ""


class CreateDockerBuildComponentConfigRequest(Body):
    """`service.CreateDockerBuildComponentConfigRequest` of the contract."""

    dockerfile: str
    app_config_id: str = ""
    build_args: list[str] | None = None
    checksum: str = ""
    connected_github_vcs_config: ConnectedGithubVCSConfigRequest | None = None
    dependencies: list[str] | None = None
    env_vars: dict[str, str] | None = None
    public_git_vcs_config: PublicGitVCSConfigRequest | None = None
    references: list[str] | None = None
    target: str = ""


class CreateExternalImageComponentConfigRequest(Body):
    """`service.CreateExternalImageComponentConfigRequest` of the contract."""

    image_url: str
    tag: str
    app_config_id: str = ""
    aws_ecr_image_config: AwsECRImageConfigRequest | None = None
    checksum: str = ""
    dependencies: list[str] | None = None
    references: list[str] | None = None


class CreateHelmComponentConfigRequest(Body):
    """`service.CreateHelmComponentConfigRequest` of the contract."""

    chart_name: str
    values: dict[str, str]
    app_config_id: str = ""
    checksum: str = ""
    connected_github_vcs_config: ConnectedGithubVCSConfigRequest | None = None
    dependencies: list[str] | None = None
    drift_schedule: str = ""
    helm_repo_config: HelmRepoConfigRequest | None = None
    namespace: str = ""
    public_git_vcs_config: PublicGitVCSConfigRequest | None = None
    references: list[str] | None = None
    storage_driver: str = ""
    take_ownership: bool = False
    values_files: list[str] | None = None


class CreateJobComponentConfigRequest(Body):
    """`service.CreateJobComponentConfigRequest` of the contract."""

    image_url: str
    tag: str
    app_config_id: str = ""
    args: list[str] | None = None
    checksum: str = ""
    cmd: list[str] | None = None
    env_vars: dict[str, str] | None = None
    references: list[str] | None = None


class CreateKubernetesManifestComponentConfigRequest(Body):
    """`service.CreateKubernetesManifestComponentConfigRequest` of the contract."""

    app_config_id: str = ""
    checksum: str = ""
    dependencies: list[str] | None = None
    drift_schedule: str = ""
    manifest: str = ""
    namespace: str = ""
    references: list[str] | None = None


class CreateTerraformModuleComponentConfigRequest(Body):
    """`service.CreateTerraformModuleComponentConfigRequest` of the contract."""

    env_vars: dict[str, str]
    variables: dict[str, str]
    app_config_id: str = ""
    checksum: str = ""
    connected_github_vcs_config: ConnectedGithubVCSConfigRequest | None = None
    dependencies: list[str] | None = None
    drift_schedule: str = ""
    public_git_vcs_config: PublicGitVCSConfigRequest | None = None
    references: list[str] | None = None
    variables_files: list[str] | None = None
    version: str = ""


class HelmRepoConfigRequest(Body):
    """`service.HelmRepoConfigRequest` of the contract."""

    chart: str
    repo_url: str
    version: str = ""


class UpdateComponentRequest(Body):
    """`service.UpdateComponentRequest` of the contract."""

    name: str
    dependencies: list[str] | None = None
    var_name: str = ""


class AwsECRImageConfigRequest(Body):
    """`service.awsECRImageConfigRequest` of the contract."""

    aws_region: str = ""
    iam_role_arn: str = ""


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.accounts import Account
from exclave.wire.public.deploys import InstallDeploy
from exclave.wire.public.releases import ComponentRelease
from exclave.wire.public.runners import LogStream, RunnerJob
from exclave.wire.public.vcs import (
    ConnectedGithubVCSConfig,
    ConnectedGithubVCSConfigRequest,
    PublicGitVCSConfig,
    PublicGitVCSConfigRequest,
    VCSConnectionCommit,
)
