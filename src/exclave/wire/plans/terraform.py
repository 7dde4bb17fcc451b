"""Terraform: a component's deploy, and an install's sandbox."""

from __future__ import annotations

from typing import Any

from msgspec import field

from exclave.wire.plans.base import AWSAuth, AzureAuth, ClusterInfo, GitSource, PlanShape, SandboxMode, Source
from exclave.wire.public.state import State


class TerraformBackend(PlanShape):
    workspace_id: str = field(name="workspaceID")


class Hooks(PlanShape):
    enabled: bool = False
    env_vars: dict[str, str] = field(default_factory=dict, name="envVars")
    run_auth: AWSAuth | None = field(default=None, name="runAuth")


class LocalArchive(PlanShape):
    local_archive: str = ""


class TerraformDeployPlan(PlanShape):
    """The Terraform part of a component's deploy plan."""

    terraform_backend: TerraformBackend
    vars: dict[str, Any] = {}
    env_vars: dict[str, str] = {}
    vars_files: list[str] = []  # texts, in order; JSON or tfvars
    azure_auth: AzureAuth | None = None
    aws_auth: AWSAuth | None = None
    hooks: Hooks | None = None
    cluster_info: ClusterInfo | None = None
    policies: dict[str, str] = {}
    state: State | None = None  # never filled: runners do not use it
    plan_json: str = ""
    # Our own:
    terraform_version: str = ""
    sensitive_vars: list[str] = []  # names in `vars` whose values are secret: redacted in logs, passed as TF_VAR_ environment


class SandboxRunPlan(PlanShape):
    """What `sandbox-terraform` jobs do, for plan and apply."""

    install_id: str
    app_id: str
    app_config_id: str
    terraform_backend: TerraformBackend
    vars: dict[str, Any] = {}
    env_vars: dict[str, str] = {}
    vars_files: list[str] = []
    git_source: GitSource | None = None
    local_archive: LocalArchive | None = None
    azure_auth: AzureAuth | None = None
    aws_auth: AWSAuth | None = None
    hooks: Hooks | None = None
    policies: dict[str, str] = {}
    state: State | None = None  # never filled: runners do not use it
    apply_plan_contents: str = ""  # base64 of the stored plan file; empty when planning
    apply_plan_display: str = ""
    sandbox_mode: SandboxMode | None = None
    # Our own:
    source: Source | None = None
    terraform_version: str = ""
    apply_plan_digest: str = ""  # sha256:… of the plan file that was approved; checked again by the runner
    sensitive_vars: list[str] = []
