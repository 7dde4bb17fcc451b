"""What the public API says about sandboxes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import field

from exclave.wire.base import CompositeStatus, JSONObject, Shape, word


SandboxRunType = Literal["provision", "reprovision", "deprovision"]


class InstallSandbox(Shape):
    """`app.InstallSandbox` of the contract."""

    id: str = ""
    created_by_id: str = ""
    install_id: str = ""
    install_sandbox_runs: list[InstallSandboxRun] = field(default_factory=list)
    status: str = ""
    status_description: str = ""
    status_v2: CompositeStatus | None = None
    terraform_workspace: TerraformWorkspace | None = None
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class InstallSandboxRun(Shape):
    """`app.InstallSandboxRun` of the contract."""

    id: str = ""
    action_workflow_runs: list[InstallActionWorkflowRun] | None = None
    app_sandbox_config: AppSandboxConfig | None = None
    created_by: Account | None = None
    created_by_id: str = ""
    install_id: str = ""
    install_sandbox_id: str = ""
    install_workflow_id: str = ""
    log_stream: LogStream | None = None
    outputs: JSONObject | None = None
    run_type: Annotated[str, word(SandboxRunType)] = ""
    runner_jobs: list[RunnerJob] | None = None
    status: str = ""
    status_description: str = ""
    status_v2: CompositeStatus | None = None
    workflow: Workflow | None = None
    workflow_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.accounts import Account
from exclave.wire.public.actions import InstallActionWorkflowRun
from exclave.wire.public.apps import AppSandboxConfig
from exclave.wire.public.runners import LogStream, RunnerJob
from exclave.wire.public.workflows import Workflow
from exclave.wire.public.workspaces import TerraformWorkspace
