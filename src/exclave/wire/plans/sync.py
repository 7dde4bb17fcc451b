"""Copies: an artifact into the install's registry, secrets into a cluster."""

from __future__ import annotations

from exclave.wire.plans.base import AWSAuth, AzureAuth, ClusterInfo, PlanShape, Registry, SandboxMode


class SyncOCIPlan(PlanShape):
    src_registry: Registry
    src_tag: str
    dst_registry: Registry
    dst_tag: str
    sandbox_mode: SandboxMode | None = None


class KubernetesSecretSync(PlanShape):
    secret_arn: str
    secret_name: str
    namespace: str
    name: str
    key_name: str = "value"
    format: str = ""


class SyncSecretsPlan(PlanShape):
    kubernetes_secrets: list[KubernetesSecretSync] = []
    cluster_info: ClusterInfo | None = None
    azure_auth: AzureAuth | None = None
    aws_auth: AWSAuth | None = None
    sandbox_mode: SandboxMode | None = None
