"""Parts that several plans share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import field

from exclave.wire.base import word


class PlanShape(msgspec.Struct, kw_only=True):
    """A part of a plan. Plans are written in full: official runners expect every key."""


class Artifact(PlanShape):
    """A packed source in the blob store, fetched by `GET /v1/artifacts/{digest}/archive` of the runner API (our own)."""

    digest: str  # of the OCI manifest, `sha256:…`
    media_type: str = "application/vnd.oci.image.manifest.v1+json"
    size: int = 0


class GitSource(PlanShape):
    """A repository to clone: url, ref (branch, tag or commit), path below its root."""

    url: str
    ref: str
    path: str
    recurse_submodules: bool = False


class Source(PlanShape):
    """Where the files of a module come from: a packed artifact, an uploaded archive of the app's own directory, or git."""

    artifact: Artifact | None = None
    archive: str = ""  # digest of a tar.gz that `apps sync` uploaded, fetched by `GET /v1/sources/{digest}`
    git: GitSource | None = None
    path: str = ""  # below the root of archive or artifact


class StaticCredentials(PlanShape):
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""


class TwoSteps(PlanShape):
    """Another role, or static keys, to become first."""

    iam_role_arn: str = ""
    src_iam_role_arn: str = ""
    src_static_credentials: StaticCredentials | None = None


class AssumeRole(PlanShape):
    role_arn: str = ""
    session_name: str = ""
    session_duration_seconds: int = 0
    two_step_config: TwoSteps | None = None
    use_github_oidc: bool = False


class AWSAuth(PlanShape):
    """How to become an AWS role: profile, default chain, static keys or an assumed role, in this order."""

    region: str = ""
    profile: str = ""
    cache_id: str = ""
    use_default: bool = False
    static: StaticCredentials | None = None
    assume_role: AssumeRole | None = None


class ServicePrincipal(PlanShape):
    subscription_id: str = ""
    subscription_tenant_id: str = ""


class AzureAuth(PlanShape):
    use_default: bool = False
    service_principal: ServicePrincipal | None = None


class ClusterInfo(PlanShape):
    """How to reach a Kubernetes cluster."""

    id: str = ""
    endpoint: str = ""
    ca_data: str = ""
    env_vars: dict[str, str] = {}
    kube_config: str = ""
    aws_auth: AWSAuth | None = None
    azure_auth: AzureAuth | None = None
    inline: bool = False
    trusted_role_arn: str = ""


class OCIAuth(PlanShape):
    username: str = ""
    password: str = ""


RegistryType = Literal["ecr", "acr", "private_oci", "public_oci"]


class Registry(PlanShape):
    """An OCI repository and how to log in."""

    plugin: str = "oci"
    registry_type: Annotated[str, word(RegistryType)] = field(default="private_oci", name="registryType")
    region: str = ""
    ecr_auth: AWSAuth | None = field(default=None, name="ecrauth")
    acr_auth: AzureAuth | None = field(default=None, name="acrauth")
    oci_auth: OCIAuth | None = field(default=None, name="ociauth")
    repository: str = ""
    login_server: str = field(default="", name="loginServer")


class PretendedPlan(PlanShape):
    plan_contents: str = ""
    plan_display_contents: str = ""


class PretendedTerraform(PretendedPlan):
    state_json: str = ""  # base64
    workspace_id: str = ""


class SandboxMode(PlanShape):
    """What a runner pretends when its org is in sandbox mode."""

    enabled: bool = False
    outputs: dict[str, Any] = {}
    terraform: PretendedTerraform | None = None
    helm: PretendedPlan | None = None
    kubernetes_manifest: PretendedPlan | None = None
