"""An app's configuration as values: what the loader gives, and what sync, server and dashboard read.

Field names are the keys of the files; what a file wrote as a path to a text is here the text. `source` is one of the three
ways to name code. Lists keep the order of the files. Everything converts to JSON and back (`msgspec`), so a whole app can
cross the wire.
"""

from __future__ import annotations

from typing import Any

import msgspec

from exclave.config import durations


class Node(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Anything that is written in a configuration."""


# Code


class LocalSource(Node, tag="local", tag_field="kind"):
    """A directory of the app itself, relative to the app directory, with `/` between its parts."""

    directory: str


class PublicRepo(Node, tag="public", tag_field="kind"):
    """A repository that anybody can read."""

    repo: str = ""
    directory: str = ""
    branch: str = ""


class ConnectedRepo(Node, tag="connected", tag_field="kind"):
    """A repository that a VCS connection of the organisation can read."""

    repo: str = ""
    directory: str = ""
    branch: str = ""


Source = LocalSource | PublicRepo | ConnectedRepo


class OperationRole(Node):
    operation: str = ""
    role: str = ""


# What an app has once


class Onboarding(Node):
    enabled: bool = False
    category: str = ""
    difficulty: str = ""
    cloud_provider: str = ""


class Metadata(Node):
    version: str = ""
    display_name: str = ""
    description: str = ""
    slack_webhook_url: str = ""
    readme: str = ""
    onboarding: Onboarding | None = None


class Runner(Node):
    runner_type: str = ""
    helm_driver: str = ""
    init_script_url: str = ""
    env_vars: dict[str, str] = {}
    instance_type: str = ""


class NestedStack(Node):
    name: str = ""
    template_url: str = ""
    index: int = 0
    parameters: dict[str, str] = {}


class Stack(Node):
    type: str = ""
    name: str = ""
    description: str = ""
    vpc_nested_template_url: str = ""
    runner_nested_template_url: str = ""
    custom_nested_stacks: list[NestedStack] = []


class VarFile(Node):
    contents: str = ""


class Sandbox(Node):
    type: str = "terraform"
    terraform_version: str = ""
    source: Source | None = None
    vars: dict[str, str] = {}
    var_file: list[VarFile] = []
    env_vars: dict[str, str] = {}
    drift_schedule: str = ""
    skip_noops: bool = False
    operation_roles: list[OperationRole] = []
    runtime: str = ""
    pulumi_config: dict[str, str] = {}


class Branch(Node):
    name: str = ""
    source: Source | None = None


class InstallGroup(Node):
    name: str = ""
    order: int = 0
    use_for_previews: bool = False
    label_selector: dict[str, str] = {}


class BranchRule(Node):
    name: str = ""
    source: Source | None = None
    install_groups: list[InstallGroup] = []


class InstallsRepo(Node):
    source: Source | None = None


class Installer(Node):
    name: str = ""
    description: str = ""
    slug: str = ""
    apps: list[str] = []
    documentation_url: str = ""
    community_url: str = ""
    homepage_url: str = ""
    github_url: str = ""
    logo_url: str = ""
    favicon_url: str = ""
    og_image_url: str = ""
    demo_url: str = ""
    post_install_markdown: str = ""
    copyright_markdown: str = ""
    footer_markdown: str = ""


# What is filled in


class Group(Node):
    name: str = ""
    description: str = ""
    display_name: str = ""


class Input(Node):
    name: str = ""
    display_name: str = ""
    description: str = ""
    group: str = ""
    type: str = "string"
    default: str | None = None
    required: bool = False
    sensitive: bool = False
    internal: bool = False
    user_configurable: bool = False

    @property
    def source(self) -> str:
        """Say who sets the value, in the word of the wire."""
        return "customer" if self.user_configurable else "vendor"


class SyncTarget(Node):
    namespaces: list[str] = []
    name: str = ""
    key: str = ""


class Secret(Node):
    name: str = ""
    display_name: str = ""
    description: str = ""
    required: bool = False
    auto_generate: bool = False
    default: str = ""
    format: str = ""
    kubernetes_sync: bool = False
    kubernetes_secret_namespace: str = ""
    kubernetes_secret_name: str = ""
    user_configurable: bool = False
    kubernetes_sync_targets: list[SyncTarget] = []


class AwsAccount(Node):
    region: str = ""


class AzureAccount(Node):
    location: str = ""


class Install(Node):
    name: str = ""
    approval_option: str = ""
    aws_account: AwsAccount | None = None
    azure_account: AzureAccount | None = None
    labels: dict[str, str] = {}
    inputs: dict[str, str] = {}


# What is allowed


class IamPolicy(Node):
    managed_policy_name: str = ""
    name: str = ""
    contents: str = ""
    gcp_predefined_role: str = ""
    gcp_permissions: list[str] = []
    azure_built_in_roles: list[str] = []
    azure_actions: list[str] = []


class Role(Node):
    """An IAM role. `type` is empty for a break-glass role."""

    type: str = ""
    name: str = ""
    description: str = ""
    display_name: str = ""
    permissions_boundary: str = ""
    policies: list[IamPolicy] = []
    cloud_platform: str = ""


class Policy(Node):
    type: str = ""
    engine: str = ""
    contents: str = ""
    components: list[str] = []
    name: str = ""

    @property
    def language(self) -> str:
        """Say which engine evaluates the policy; Kyverno when none is named."""
        return self.engine or "kyverno"


# Components


class ComponentBase(Node):
    """What every component has. `dependencies` are those written; `Loaded.graph` and `refs` add those of templates."""

    name: str = ""
    var_name: str = ""
    dependencies: list[str] = []
    max_auto_retries: int = 0
    labels: dict[str, str] = {}
    operation_roles: list[OperationRole] = []
    skip_noops: bool = False
    toggleable: bool = False
    default_enabled: bool | None = None
    kubernetes_context: str = ""
    deploy_timeout: str = ""

    @property
    def type(self) -> str:
        """Name the kind of component, in the word of the files."""
        tag = self.__struct_config__.tag
        return tag if isinstance(tag, str) else ""


class TerraformModule(ComponentBase, tag="terraform_module", tag_field="type"):
    terraform_version: str = ""
    source: Source | None = None
    vars: dict[str, str] = {}
    env_vars: dict[str, str] = {}
    var_file: list[VarFile] = []
    drift_schedule: str = ""


class HelmRepo(Node):
    repo_url: str = ""
    chart: str = ""
    version: str = ""


class HelmChart(ComponentBase, tag="helm_chart", tag_field="type"):
    chart_name: str = ""
    source: Source | None = None
    helm_repo: HelmRepo | None = None
    namespace: str = "{{.nuon.install.id}}"
    storage_driver: str = "configmap"
    values: dict[str, str] = {}
    values_file: list[VarFile] = []
    take_ownership: bool = False
    drift_schedule: str = ""
    timeout: str = ""


class DockerBuild(ComponentBase, tag="docker_build", tag_field="type"):
    dockerfile: str = ""
    env_vars: dict[str, str] = {}
    source: Source | None = None


class PublicImage(Node):
    image_url: str = ""
    tag: str = ""


class EcrImage(Node):
    image_url: str = ""
    tag: str = ""
    region: str = ""
    iam_role_arn: str = ""


class ContainerImage(ComponentBase, tag="container_image", tag_field="type"):
    public: PublicImage | None = None
    aws_ecr: EcrImage | None = None


class Kustomize(Node):
    path: str = ""
    patches: Any = None
    enable_helm: bool = False


class KubernetesManifest(ComponentBase, tag="kubernetes_manifest", tag_field="type"):
    manifest: str = ""
    namespace: str = ""
    kustomize: Kustomize | None = None
    source: Source | None = None
    drift_schedule: str = ""


class Job(ComponentBase, tag="job", tag_field="type"):
    image_url: str = ""
    tag: str = ""
    cmd: list[str] = []
    args: list[str] = []
    env_vars: dict[str, str] = {}


class Pulumi(ComponentBase, tag="pulumi", tag_field="type"):
    runtime: str = ""
    source: Source | None = None
    config: dict[str, str] = {}
    env_vars: dict[str, str] = {}
    pulumi_version: str = ""
    drift_schedule: str = ""


Component = TerraformModule | HelmChart | DockerBuild | ContainerImage | KubernetesManifest | Job | Pulumi
COMPONENTS: dict[str, type[Component]] = {
    "terraform_module": TerraformModule,
    "helm_chart": HelmChart,
    "docker_build": DockerBuild,
    "container_image": ContainerImage,
    "kubernetes_manifest": KubernetesManifest,
    "job": Job,
    "pulumi": Pulumi,
}


# Actions and runbooks


class Trigger(Node):
    type: str = ""
    cron_schedule: str = ""
    component_name: str = ""
    index: int = 0


class Step(Node):
    name: str = ""
    command: str = ""
    inline_contents: str = ""
    env_vars: dict[str, str] = {}
    source: Source | None = None
    enable_kube_config: bool | None = None


class RunInput(Node):
    name: str = ""
    display_name: str = ""
    description: str = ""
    required: bool = False
    type: str = "string"
    default: str = ""


class Action(Node):
    name: str = ""
    timeout: str = ""
    dependencies: list[str] = []
    break_glass_role: str = ""
    triggers: list[Trigger] = []
    steps: list[Step] = []
    description: str = ""
    labels: dict[str, str] = {}
    label: str = ""
    role: str = ""
    enable_kube_config: bool | None = None
    kubernetes_context: str = ""
    inputs: list[RunInput] = []

    @property
    def timeout_ns(self) -> int:
        """The time limit in nanoseconds, as the wire has it; 0 when none is given."""
        return durations.nanoseconds(self.timeout) if self.timeout else 0


class RunbookStep(Node):
    name: str = ""
    type: str = ""
    action_name: str = ""
    component_name: str = ""
    command: str = ""
    inline_contents: str = ""
    env_vars: dict[str, str] = {}
    timeout: str = ""
    role: str = ""
    description: str = ""
    enable_kube_config: bool | None = None


class Runbook(Node):
    name: str = ""
    description: str = ""
    readme: str = ""
    labels: dict[str, str] = {}
    input: list[RunInput] = []
    steps: list[RunbookStep] = []


class KubernetesContext(Node):
    name: str = ""
    component: str = ""


class RoleRule(Node):
    principal: str = ""
    operation: str = ""
    role: str = ""


class App(Node):
    """A whole app. `sections` names the lists that the directory holds, empty ones included: an empty policies.toml says "none"."""

    name: str
    sections: list[str] = []
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    runner: Runner = msgspec.field(default_factory=Runner)
    stack: Stack | None = None
    sandbox: Sandbox = msgspec.field(default_factory=Sandbox)
    groups: list[Group] = []
    inputs: list[Input] = []
    secrets: list[Secret] = []
    permissions: list[Role] = []
    policies: list[Policy] = []
    break_glass: list[Role] = []
    components: list[Component] = []
    actions: list[Action] = []
    installs: list[Install] = []
    runbooks: list[Runbook] = []
    kubernetes_contexts: list[KubernetesContext] = []
    operation_roles: list[RoleRule] = []
    branch: Branch | None = None
    branches: list[BranchRule] = []
    installer: Installer | None = None
    installs_repo: InstallsRepo | None = None

    def role(self, type: str) -> Role | None:
        """Find the role of a type: provision, deprovision or maintenance."""
        return next((role for role in self.permissions if role.type == type), None)

    def component(self, name: str) -> Component | None:
        """Find a component by its name."""
        return next((component for component in self.components if component.name == name), None)

    def action(self, name: str) -> Action | None:
        """Find an action by its name."""
        return next((action for action in self.actions if action.name == name), None)
