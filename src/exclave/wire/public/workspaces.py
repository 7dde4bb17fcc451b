"""What the public API says about workspaces."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import field

from exclave.wire.base import Body, JSONMap, JSONObject, Shape


class HelmChart(Shape):
    """`app.HelmChart` of the contract."""

    id: str = field(default_factory=str)
    created_by_id: str = field(default_factory=str)
    helm_releases: list[HelmRelease] | None = field(default_factory=lambda: None, name="helmReleases")
    org_id: str = field(default_factory=str)
    owner_id: str = field(default_factory=str)
    owner_type: str = field(default_factory=str)
    created_at: datetime | None = field(default_factory=lambda: None)
    updated_at: datetime | None = field(default_factory=lambda: None)


class HelmRelease(Shape):
    """`app.HelmRelease` of the contract."""

    body: str = field(default_factory=str)
    created_by_id: str = field(default_factory=str)
    helm_chart: HelmChart | None = field(default_factory=lambda: None, name="helmChart")
    helm_chart_id: str = field(default_factory=str, name="helmChartID")
    key: str = field(default_factory=str)
    labels: JSONMap = field(default_factory=dict)
    name: str = field(default_factory=str)
    namespace: str = field(default_factory=str)
    org_id: str = field(default_factory=str)
    owner: str = field(default_factory=str)
    status: str = field(default_factory=str)
    type: str = field(default_factory=str)
    version: int = field(default_factory=int)
    created_at: datetime | None = field(default_factory=lambda: None)
    updated_at: datetime | None = field(default_factory=lambda: None)


class TerraformLock(Shape):
    """`app.TerraformLock` of the contract."""

    id: str = ""
    created: str = ""
    info: str = ""
    operation: str = ""
    path: str = ""
    version: Any = None
    who: str = ""


class TerraformStateInstance(Shape):
    """`app.TerraformStateInstance` of the contract."""

    attributes: JSONObject | None = None
    schema_version: int = 0
    sensitive_attributes: list[Any] | None = None


class TerraformStateResource(Shape):
    """`app.TerraformStateResource` of the contract."""

    instances: list[TerraformStateInstance] | None = None
    mode: str = ""
    name: str = ""
    provider: str = ""
    type: str = ""


class TerraformWorkspace(Shape):
    """`app.TerraformWorkspace` of the contract."""

    id: str = ""
    created_by_id: str = ""
    org_id: str = ""
    owner_id: str = ""
    owner_type: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class TerraformWorkspaceLock(Shape):
    """`app.TerraformWorkspaceLock` of the contract."""

    id: str = ""
    created_by_id: str = ""
    lock: TerraformLock | None = None
    org_id: str = ""
    runner_job: RunnerJob | None = None
    runner_job_id: str = ""
    workspace_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class TerraformWorkspaceState(Shape):
    """`app.TerraformWorkspaceState` of the contract."""

    id: str = ""
    contents: bytes = b""
    created_by_id: str = ""
    org_id: str = ""
    revision: int = 0
    runner_job: RunnerJob | None = None
    runner_job_id: str = ""
    terraform_workspace: TerraformWorkspace | None = None
    terraform_workspace_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class TerraformWorkspaceStateJSON(Shape):
    """`app.TerraformWorkspaceStateJSON` of the contract."""

    id: str = ""
    contents: bytes = b""
    created_by_id: str = ""
    org_id: str = ""
    runner_job: RunnerJob | None = None
    runner_job_id: str = ""
    workspace_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class CreateTerraformWorkspaceRequest(Body):
    """`service.CreateTerraformWorkspaceRequest` of the contract."""

    owner_id: str
    owner_type: str


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.runners import RunnerJob
