"""A component's deploy: one of the tools."""

from __future__ import annotations

from exclave.wire.plans.base import ClusterInfo, PlanShape, Registry, SandboxMode, Source
from exclave.wire.plans.terraform import TerraformDeployPlan


class HelmValue(PlanShape):
    name: str
    value: str
    type: str = ""


class HelmDeployPlan(PlanShape):
    name: str
    namespace: str
    cluster_info: ClusterInfo | None = None
    create_namespace: bool = True
    storage_driver: str = "configmap"
    helm_chart_id: str = ""
    values_files: list[str] = []
    values: list[HelmValue] = []
    take_ownership: bool = False


class KubernetesManifestDeployPlan(PlanShape):
    namespace: str
    manifest: str
    cluster_info: ClusterInfo | None = None


class NoopDeployPlan(PlanShape):
    pass


class DeployPlan(PlanShape):
    """What deploy jobs do, for plan, teardown plan and apply."""

    install_id: str
    app_id: str
    app_config_id: str
    component_id: str
    component_name: str
    src_registry: Registry | None = None
    src_tag: str = ""
    helm: HelmDeployPlan | None = None
    terraform: TerraformDeployPlan | None = None
    kubernetes_manifest: KubernetesManifestDeployPlan | None = None
    noop: NoopDeployPlan | None = None
    apply_plan_contents: str = ""
    apply_plan_display: str = ""
    sandbox_mode: SandboxMode | None = None
    # Our own:
    source: Source | None = None
    apply_plan_digest: str = ""
