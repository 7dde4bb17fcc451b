"""What a build is made of and how its job is read (spec domain.md 1.4, 4.3; runner.md 5.1)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from exclave.domain.components.models import (
    DockerBuildComponentConfig,
    ExternalImageComponentConfig,
    HelmComponentConfig,
    TypedConfig,
)
from exclave.domain.vcs.rules import is_commit
from exclave.wire.plans.base import Registry, Source
from exclave.wire.plans.build import (
    BuildPlan,
    ContainerImagePullPlan,
    DockerBuildPlan,
    HelmBuildPlan,
    HelmRepository,
    TerraformBuildPlan,
)

JOB_TYPES = {
    "terraform_module": "terraform-module-build",
    "helm_chart": "helm-chart-build",
    "docker_build": "docker-build",
    "external_image": "container-image-build",
}
NOTHING_TO_BUILD = ("kubernetes_manifest", "job")

READY = "build is active and ready to be deployed"
FINAL = ("active", "error")


@dataclass(frozen=True)
class Built:
    """What a build job delivered."""

    digest: str = ""
    media_type: str = ""
    size: int = 0
    tag: str = ""
    sha: str = ""
    author_name: str = ""
    author_email: str = ""
    message: str = ""


def fingerprint(type_name: str, typed: TypedConfig, source: Source | None) -> str:
    """Name the content that a build would have: equal names mean equal artifacts. Empty when the content is not known before.

    An uploaded archive and a full commit id are known; a branch is not, it moves. Variables are no part of it: they are given
    at deploy, not packed.
    """
    if source is None or type_name not in ("terraform_module", "helm_chart"):
        return ""
    if source.archive:
        origin = source.archive
    elif source.git is not None and is_commit(source.git.ref):
        origin = f"{source.git.url}#{source.git.ref}"
    else:
        return ""
    content = {"type": type_name, "origin": origin, "path": source.path, **_packed(typed)}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def _packed(typed: TypedConfig) -> dict[str, Any]:
    return {"chart": typed.chart_name} if isinstance(typed, HelmComponentConfig) else {}


def plan(build_id: str, component_id: str, typed: TypedConfig, source: Source | None, *, repository: str, git_ref: str) -> BuildPlan:
    """Return what the runner is told: the source, and the one part that its tool needs."""
    git = source.git if source is not None else None
    if git is not None and git_ref:
        git = msgspec.structs.replace(git, ref=git_ref)
        source = msgspec.structs.replace(source, git=git) if source is not None else None
    made = BuildPlan(
        component_id=component_id,
        component_build_id=build_id,
        dst_tag=build_id,
        dst_registry=Registry(repository=repository),
        git_source=git,
        source=source,
    )
    match typed:
        case DockerBuildComponentConfig():
            given = dict(each.partition("=")[::2] for each in typed.build_args)
            made.docker_build_plan = DockerBuildPlan(dockerfile=typed.dockerfile, target=typed.target, build_args={**given})
        case ExternalImageComponentConfig():
            made.container_image_pull_plan = ContainerImagePullPlan(image=typed.image_url, tag=typed.tag)
        case HelmComponentConfig():
            repo = typed.helm_repo_config
            made.helm_build_plan = HelmBuildPlan(
                helm_repo_config=HelmRepository(repo_url=repo["repo_url"], chart=repo["chart"], version=repo.get("version", ""))
                if repo
                else None
            )
        case _:
            made.terraform_build_plan = TerraformBuildPlan()
    return made


def built(outputs: Mapping[str, Any]) -> Built:
    """Read what a build job delivered. Official runners deliver a tag only; what is missing stays empty."""
    image = _mapping(outputs.get("image")) | _mapping(outputs.get("artifact"))
    commit = _mapping(outputs.get("commit"))
    size = image.get("size", 0)
    return Built(
        digest=_text(image, "digest"),
        media_type=_text(image, "media_type"),
        size=size if isinstance(size, int) else 0,
        tag=_text(image, "tag"),
        sha=_text(commit, "sha"),
        author_name=_text(commit, "author_name"),
        author_email=_text(commit, "author_email"),
        message=_text(commit, "message"),
    )


def why_failed(error_metadata: Mapping[str, Any] | None, job_description: str) -> str:
    """Return the sentence that a failed build shows: what the runner said, else what is known of its job."""
    for key in ("message", "error", "reason"):
        if error_metadata and (said := str(error_metadata.get(key) or "").strip()):
            return f"build failed: {said}"
    return f"build failed: {job_description or 'the runner gave no reason, see the log'}"


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
