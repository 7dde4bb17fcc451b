"""Components, their typed configs and dependencies (spec domain.md 1.4)."""

from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Tenant


class Component(Tenant):
    __tablename__ = "components"
    prefix = "cmp"

    app_id: Mapped[str] = mapped_column(String(26), ForeignKey("apps.id"), index=True)
    name: Mapped[str]
    var_name: Mapped[str] = mapped_column(default="")
    type: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(default="active")
    status_description: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("app_id", "name", "deleted_at"),)


class ComponentDependency(Tenant):
    __tablename__ = "component_dependencies"
    prefix = "cmp"

    component_id: Mapped[str] = mapped_column(String(26), ForeignKey("components.id"), index=True)
    dependency_id: Mapped[str] = mapped_column(String(26), ForeignKey("components.id"))

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("component_id", "dependency_id"),)


class ComponentConfigConnection(Tenant):
    """One version of a component's config; exactly one typed config hangs on it."""

    __tablename__ = "component_config_connections"
    prefix = "cmp"

    component_id: Mapped[str] = mapped_column(String(26), ForeignKey("components.id"))
    app_config_id: Mapped[str] = mapped_column(default="", index=True)
    version: Mapped[int]
    type: Mapped[str]
    component_dependency_ids: Mapped[list[str]] = mapped_column(default=list)
    references: Mapped[list[str]] = mapped_column(default=list)
    checksum: Mapped[str] = mapped_column(default="")
    drift_schedule: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("component_id", "version"), Index("component_configs_newest", "component_id", "created_at"))


class TypedConfig(Tenant):
    __abstract__ = True
    prefix = "cfg"

    component_config_connection_id: Mapped[str] = mapped_column(String(26), ForeignKey("component_config_connections.id"), index=True)


class TerraformModuleComponentConfig(TypedConfig):
    __tablename__ = "terraform_module_component_configs"

    version: Mapped[str] = mapped_column(default="")
    variables: Mapped[dict[str, Any]] = mapped_column(default=dict)
    variables_files: Mapped[list[str]] = mapped_column(default=list)
    env_vars: Mapped[dict[str, Any]] = mapped_column(default=dict)


class HelmComponentConfig(TypedConfig):
    __tablename__ = "helm_component_configs"

    chart_name: Mapped[str]
    values: Mapped[dict[str, Any]] = mapped_column(default=dict)
    values_files: Mapped[list[str]] = mapped_column(default=list)
    namespace: Mapped[str] = mapped_column(default="")
    storage_driver: Mapped[str] = mapped_column(default="")
    take_ownership: Mapped[bool] = mapped_column(Boolean, default=False)
    helm_repo_config: Mapped[dict[str, Any] | None]


class DockerBuildComponentConfig(TypedConfig):
    __tablename__ = "docker_build_component_configs"

    dockerfile: Mapped[str] = mapped_column(default="Dockerfile")
    target: Mapped[str] = mapped_column(default="")
    build_args: Mapped[list[str]] = mapped_column(default=list)
    env_vars: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ExternalImageComponentConfig(TypedConfig):
    __tablename__ = "external_image_component_configs"

    image_url: Mapped[str]
    tag: Mapped[str]
    aws_ecr_image_config: Mapped[dict[str, Any] | None]


class JobComponentConfig(TypedConfig):
    __tablename__ = "job_component_configs"
    prefix = "cmp"

    image_url: Mapped[str]
    tag: Mapped[str]
    cmd: Mapped[list[str]] = mapped_column(default=list)
    args: Mapped[list[str]] = mapped_column(default=list)
    env_vars: Mapped[dict[str, Any]] = mapped_column(default=dict)


class KubernetesManifestComponentConfig(TypedConfig):
    __tablename__ = "kubernetes_manifest_component_configs"
    prefix = "cmp"

    manifest: Mapped[str] = mapped_column(Text)
    namespace: Mapped[str] = mapped_column(default="default")
