"""What the public API says about deploys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import field

from exclave.wire.base import Body, CompositeStatus, JSONObject, Shape, word


InstallDeployType = Literal["sync-image", "apply", "teardown"]


class DriftedObject(Shape):
    """`app.DriftedObject` of the contract."""

    app_sandbox_config_id: str = ""
    component_build_id: str = ""
    component_name: str = ""
    install_component_id: str = ""
    install_id: str = ""
    install_sandbox_id: str = ""
    install_workflow_id: str = ""
    org_id: str = ""
    target_id: str = ""
    target_type: str = ""


class InstallDeploy(Shape):
    """`app.InstallDeploy` of the contract."""

    id: str = ""
    action_workflow_runs: list[InstallActionWorkflowRun] | None = None
    build_id: str = ""
    component_build: ComponentBuild | None = None
    component_config_version: int = 0
    component_id: str = ""
    component_name: str = ""
    created_by: Account | None = None
    created_by_id: str = ""
    install_component_id: str = ""
    install_deploy_type: Annotated[str, word(InstallDeployType)] = ""
    install_id: str = field(default_factory=str)
    install_workflow_id: str = ""
    log_stream: LogStream | None = None
    oci_artifact: OCIArtifact | None = None
    outputs: JSONObject | None = None
    plan_only: bool = field(default_factory=bool)
    release_id: str = ""
    runner_jobs: list[RunnerJob] | None = None
    status: str = ""
    status_description: str = ""
    status_v2: CompositeStatus | None = None
    workflow: Workflow | None = None
    workflow_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class CreateInstallComponentDeployRequest(Body):
    """`service.CreateInstallComponentDeployRequest` of the contract."""

    build_id: str = ""
    deploy_dependents: bool = False
    plan_only: bool = False


class CreateInstallDeployRequest(Body):
    """`service.CreateInstallDeployRequest` of the contract."""

    build_id: str = ""
    deploy_dependents: bool = False
    plan_only: bool = False


class DeployInstallComponentsRequest(Body):
    """`service.DeployInstallComponentsRequest` of the contract."""

    plan_only: bool = False


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.accounts import Account
from exclave.wire.public.actions import InstallActionWorkflowRun
from exclave.wire.public.components import ComponentBuild
from exclave.wire.public.runners import LogStream, OCIArtifact, RunnerJob
from exclave.wire.public.workflows import Workflow
