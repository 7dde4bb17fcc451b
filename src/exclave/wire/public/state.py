"""What the public API says about state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import field

from exclave.wire.base import JSONObject, Shape


class State(Shape):
    """`github_com_powertoolsdev_mono_pkg_types_state.State` of the contract."""

    id: str = field(default_factory=str)
    actions: ActionsState | None = field(default_factory=lambda: None)
    app: AppState | None = field(default_factory=lambda: None)
    cloud_account: CloudAccount | None = field(default_factory=lambda: None)
    components: JSONObject = field(default_factory=lambda: {})
    domain: DomainState | None = field(default_factory=lambda: None)
    inputs: InputsState | None = field(default_factory=lambda: None)
    install: InstallMirror | None = field(default_factory=lambda: None)
    install_stack: InstallStackState | None = field(default_factory=lambda: None)
    name: str = field(default_factory=str)
    org: OrgState | None = field(default_factory=lambda: None)
    runner: RunnerState | None = field(default_factory=lambda: None)
    sandbox: SandboxState | None = field(default_factory=lambda: None)
    secrets: SecretsState | None = field(default_factory=lambda: None)
    stale_at: datetime | None = field(default_factory=lambda: None)


class SecretSyncOutput(Shape):
    """`outputs.SecretSyncOutput` of the contract."""

    arn: str = ""
    exists: bool = field(default_factory=bool)
    kubernetes_key: str = ""
    kubernetes_name: str = ""
    kubernetes_namespace: str = ""
    length: int = 0
    name: str = ""
    timestamp: str = ""


class AWSCloudAccount(Shape):
    """`state.AWSCloudAccount` of the contract."""

    region: str = field(default_factory=str)


class ActionWorkflowState(Shape):
    """`state.ActionWorkflowState` of the contract."""

    id: str = field(default_factory=str)
    outputs: JSONObject = field(default_factory=lambda: {})
    populated: bool = field(default_factory=bool)
    status: str = field(default_factory=str)


class ActionsState(Shape):
    """`state.ActionsState` of the contract."""

    populated: bool = field(default_factory=bool)
    workflows: dict[str, ActionWorkflowState] = field(default_factory=lambda: {})


class AppState(Shape):
    """`state.AppState` of the contract."""

    id: str = field(default_factory=str)
    name: str = field(default_factory=str)
    populated: bool = field(default_factory=bool)
    status: str = field(default_factory=str)
    variables: dict[str, str] = field(default_factory=lambda: {})


class AzureCloudAccount(Shape):
    """`state.AzureCloudAccount` of the contract."""

    location: str = field(default_factory=str)


class CloudAccount(Shape):
    """`state.CloudAccount` of the contract."""

    aws: AWSCloudAccount | None = field(default_factory=lambda: None)
    azure: AzureCloudAccount | None = field(default_factory=lambda: None)


class DomainState(Shape):
    """`state.DomainState` of the contract."""

    internal_domain: str = field(default_factory=str)
    populated: bool = field(default_factory=bool)
    public_domain: str = field(default_factory=str)


class InputsState(Shape):
    """`state.InputsState` of the contract."""

    inputs: dict[str, str] = field(default_factory=lambda: {})
    populated: bool = field(default_factory=bool)


class InstallStackState(Shape):
    """`state.InstallStackState` of the contract."""

    checksum: str = field(default_factory=str)
    outputs: Any = None
    populated: bool = field(default_factory=bool)
    quick_link_url: str = field(default_factory=str)
    status: str = field(default_factory=str)
    template_json: str = field(default_factory=str)
    template_url: str = field(default_factory=str)


class InstallMirror(Shape):
    """`state.InstallState` of the contract."""

    id: str = field(default_factory=str)
    inputs: dict[str, str] = field(default_factory=lambda: {})
    internal_domain: str = field(default_factory=str)
    name: str = field(default_factory=str)
    populated: bool = field(default_factory=bool)
    public_domain: str = field(default_factory=str)
    sandbox: SandboxState | None = field(default_factory=lambda: None)


class OrgState(Shape):
    """`state.OrgState` of the contract."""

    id: str = field(default_factory=str)
    name: str = field(default_factory=str)
    populated: bool = field(default_factory=bool)
    status: str = field(default_factory=str)


class RunnerState(Shape):
    """`state.RunnerState` of the contract."""

    id: str = field(default_factory=str)
    populated: bool = field(default_factory=bool)
    runner_group_id: str = field(default_factory=str)
    status: str = field(default_factory=str)


class SandboxState(Shape):
    """`state.SandboxState` of the contract."""

    outputs: Any = None
    populated: bool = field(default_factory=bool)
    recent_runs: list[SandboxState] | None = field(default_factory=lambda: None)
    status: str = field(default_factory=str)
    type: str = field(default_factory=str)
    version: str = field(default_factory=str)


class SecretsState(Shape):
    """`state.SecretsState` of the contract."""

    pass
