"""A component's build: fetch its source, pack it as an OCI artifact, push it."""

from __future__ import annotations

from msgspec import field

from exclave.wire.plans.base import GitSource, PlanShape, Registry, SandboxMode, Source


class TerraformBuildPlan(PlanShape):
    labels: dict[str, str] = field(default_factory=dict)


class HelmRepository(PlanShape):
    repo_url: str = field(default="", name="repoURL")
    chart: str = ""
    version: str = ""


class HelmBuildPlan(PlanShape):
    labels: dict[str, str] = field(default_factory=dict)
    helm_repo_config: HelmRepository | None = field(default=None, name="helmRepoConfig")


class DockerBuildPlan(PlanShape):
    dockerfile: str = "Dockerfile"
    target: str = ""
    context: str = ""
    build_args: dict[str, str | None] = {}


class ContainerImagePullPlan(PlanShape):
    image: str
    tag: str
    repo_config: Registry | None = None


class BuildPlan(PlanShape):
    """What build jobs do."""

    component_id: str
    component_build_id: str
    dst_tag: str  # = build id
    dst_registry: Registry = field(default_factory=Registry)
    git_source: GitSource | None = None
    helm_build_plan: HelmBuildPlan | None = None
    terraform_build_plan: TerraformBuildPlan | None = None
    docker_build_plan: DockerBuildPlan | None = None
    container_image_pull_plan: ContainerImagePullPlan | None = None
    sandbox_mode: SandboxMode | None = None
    # Our own:
    source: Source | None = None
