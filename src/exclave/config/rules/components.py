"""Components: what is built and deployed, one section for each kind."""

from __future__ import annotations

from exclave.config.rules.app import VAR_FILE
from exclave.config.rules.base import Key, Section, flag, mapping, number, table, tables, text, texts, values
from exclave.config.rules.sources import ONE_SOURCE, OPERATION_ROLE, REPOS, SOURCE_FILE, SOURCES

KINDS = (
    "terraform_module",
    "helm_chart",
    "docker_build",
    "container_image",
    "kubernetes_manifest",
    "job",
    "pulumi",
)
KIND_ALIASES = {"external_image": "container_image"}
COMPONENT_NAME = r"[a-z0-9_{}.\-]+"

COMMON: tuple[Key, ...] = (
    text("type", "The kind of component.", required=True, allowed=KINDS, aliases=KIND_ALIASES, example='"terraform_module"'),
    text("name", "The name, unique in the app.", required=True, pattern=COMPONENT_NAME, check="name", example='"certificate"'),
    text("var_name", "Another name under which the outputs can be reached.", pattern=r"[a-z0-9_{}.]+"),
    texts("dependencies", "Components that must be deployed before; those named in templates are added."),
    SOURCE_FILE,
    number("max_auto_retries", "How often a failed deploy is tried again by itself.", default=0, since=2026),
    mapping("labels", "Free labels.", since=2026, used=False),
    tables("operation_roles", "Which IAM role runs an operation.", OPERATION_ROLE, since=2026, used=False),
    flag("skip_noops", "Ask for no approval when a plan changes nothing.", since=2026, used=False),
    flag("toggleable", "Whether an install may switch the component off.", since=2026, used=False),
    flag("default_enabled", "Whether a toggleable component is on at first.", since=2026, used=False),
    text("kubernetes_context", "The cluster to use, of those in kubernetes_contexts.toml.", since=2026, used=False),
    text("deploy_timeout", "How long a deploy may take.", check="duration", since=2026, used=False),
)
_DRIFT = text("drift_schedule", "When to look for drift: a cron expression.", check="cron", example='"0 4 * * *"')
_PAIR = (text("name", "", required=True), text("value", "", required=True))


def _former(name: str, instead: str) -> Key:
    section = Section(name=name, doc="", keys=_PAIR)
    return tables(name, f"The former form of `{instead}`.", section, deprecated=f"write a table [{instead}] with one line for each")


TERRAFORM = Section(
    name="terraform",
    doc="A Terraform module.",
    where="components/*.toml with type terraform_module",
    keys=(
        *COMMON,
        text("terraform_version", "The version of Terraform.", required=True, check="semver", example='"1.11.3"'),
        *SOURCES,
        values("vars", "Terraform variables.", template="deploy"),
        mapping("env_vars", "Environment variables of Terraform.", template="deploy"),
        tables("var_file", "Files of Terraform variables, in this order.", VAR_FILE),
        _DRIFT,
        _former("var", "vars"),
        _former("env_var", "env_vars"),
    ),
    one_of=ONE_SOURCE,
)

HELM_REPO = Section(
    name="helm_repo",
    doc="A chart from a Helm repository.",
    keys=(
        text("repo_url", "The repository.", required=True, check="url"),
        text("chart", "The chart.", required=True),
        text("version", "The chart's version; the newest without it."),
    ),
)
VALUES_FILE = Section(
    name="values_file",
    doc="A file of Helm values.",
    keys=(
        text("contents", "The text of a values file, or the file.", load=True, template="deploy", example='"./values/api.yaml"'),
        text("path", "The file, read as `contents` is.", load=True, template="deploy"),
        text("source", "The former form of `contents`.", load=True, template="deploy"),
    ),
    one_of=(("contents", "path", "source"),),
)

HELM = Section(
    name="helm",
    doc="A Helm chart.",
    where="components/*.toml with type helm_chart",
    keys=(
        *COMMON,
        text("chart_name", "The release's name.", required=True, pattern=r"[a-z]([-a-z0-9]*[a-z0-9])?", template="deploy"),
        *SOURCES,
        table("helm_repo", "The chart in a Helm repository.", HELM_REPO),
        text("namespace", "The namespace to deploy to.", default="{{.nuon.install.id}}", template="deploy"),
        text(
            "storage_driver",
            "Where Helm keeps the release.",
            allowed=("configmap", "secret"),
            default="configmap",
            template="deploy",
        ),
        values("values", "Helm values.", template="deploy"),
        tables("values_file", "Files of Helm values, in this order.", VALUES_FILE),
        flag("take_ownership", "Whether Helm takes over objects that exist already."),
        _DRIFT,
        text("timeout", "How long Helm waits.", check="duration", since=2026),
        _former("value", "values"),
    ),
    one_of=(("public_repo", "connected_repo", "local", "helm_repo"),),
)

DOCKER_BUILD = Section(
    name="docker-build",
    doc="An image that is built from a Dockerfile.",
    where="components/*.toml with type docker_build",
    keys=(
        *COMMON,
        text("dockerfile", "The Dockerfile, inside the repository's directory.", required=True, example='"Dockerfile"'),
        mapping("env_vars", "Build arguments."),
        *SOURCES,
    ),
    one_of=ONE_SOURCE,
)

_IMAGE = (
    text("image_url", "The image, without its tag.", required=True, example='"docker.io/library/nginx"'),
    text("tag", "The tag.", required=True, example='"1.27"'),
)
PUBLIC_IMAGE = Section(name="public", doc="An image that anybody can pull.", keys=_IMAGE)
ECR_IMAGE = Section(
    name="aws_ecr",
    doc="An image in a private registry of AWS.",
    keys=(
        *_IMAGE,
        text("region", "The registry's region.", required=True),
        text("iam_role_arn", "The role that may pull.", required=True),
    ),
)

CONTAINER_IMAGE = Section(
    name="container-image",
    doc="An image that exists already.",
    where="components/*.toml with type container_image",
    keys=(
        *COMMON,
        table("public", "An image that anybody can pull.", PUBLIC_IMAGE),
        table("aws_ecr", "An image in a private registry of AWS.", ECR_IMAGE),
    ),
    one_of=(("public", "aws_ecr"),),
)

KUSTOMIZE = Section(
    name="kustomize",
    doc="How Kustomize makes the manifest.",
    since=2026,
    keys=(
        text("path", "The directory with the kustomization.", required=True),
        Key(name="patches", type="any", doc="Patches to apply."),
        flag("enable_helm", "Whether Kustomize may render charts."),
    ),
)

KUBERNETES_MANIFEST = Section(
    name="kubernetes-manifest",
    doc="Kubernetes objects.",
    where="components/*.toml with type kubernetes_manifest",
    keys=(
        *COMMON,
        text("manifest", "The objects as YAML, or the file.", load=True, template="deploy", example='"./manifests/api.yaml"'),
        text("namespace", "The namespace to deploy to.", required=True, template="deploy"),
        table("kustomize", "How Kustomize makes the manifest.", KUSTOMIZE, since=2026, used=False),
        *REPOS,
        _DRIFT,
    ),
    one_of=(("manifest", "kustomize"),),
)

JOB = Section(
    name="job",
    doc="An image that runs once. A former kind; use an action.",
    where="components/*.toml with type job",
    keys=(
        *COMMON,
        text("image_url", "The image.", required=True),
        text("tag", "The tag.", required=True),
        texts("cmd", "The command."),
        texts("args", "The arguments."),
        mapping("env_vars", "Environment variables."),
        _former("env_var", "env_vars"),
    ),
)

PULUMI = Section(
    name="pulumi",
    doc="A Pulumi program.",
    where="components/*.toml with type pulumi",
    since=2026,
    keys=(
        *COMMON,
        text("runtime", "The language of the program.", required=True, example='"go"'),
        *SOURCES,
        values("config", "Settings of the program.", template="deploy"),
        mapping("env_vars", "Environment variables of the program.", template="deploy"),
        text("pulumi_version", "The version of Pulumi."),
        _DRIFT,
    ),
    one_of=ONE_SOURCE,
)

ROOT = Section(name="component-root", doc="The keys that every component has.", where="components/*.toml", keys=COMMON)

BY_KIND: dict[str, Section] = dict(
    zip(KINDS, (TERRAFORM, HELM, DOCKER_BUILD, CONTAINER_IMAGE, KUBERNETES_MANIFEST, JOB, PULUMI), strict=True)
)
