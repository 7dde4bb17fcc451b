"""What the public API says about runners."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import field

from exclave.wire.base import Body, JSONObject, Shape, word


RunnerGroupType = Literal["install", "org"]


RunnerJobExecutionStatus = Literal[
    "pending",
    "initializing",
    "in-progress",
    "cleaning-up",
    "finished",
    "failed",
    "timed-out",
    "not-attempted",
    "cancelled",
    "unknown",
]


RunnerJobGroup = Literal["health-checks", "sync", "build", "deploy", "sandbox", "runner", "operations", "management", "actions", "", "any"]


RunnerJobOperationType = Literal["exec", "build", "create-apply-plan", "create-teardown-plan", "apply-plan", "unknown"]


RunnerJobStatus = Literal["queued", "available", "in-progress", "finished", "failed", "timed-out", "not-attempted", "cancelled", "unknown"]


RunnerJobType = Literal[
    "health-check",
    "docker-build",
    "container-image-build",
    "terraform-module-build",
    "helm-chart-build",
    "noop-build",
    "oci-sync",
    "noop-sync",
    "terraform-deploy",
    "helm-chart-deploy",
    "job-deploy",
    "kubernetes-manifest-deploy",
    "noop-deploy",
    "shut-down",
    "update-version",
    "noop",
    "mng-vm-shut-down",
    "mng-shut-down",
    "mng-runner-update-version",
    "mng-runner-restart",
    "sandbox-terraform",
    "sandbox-terraform-plan",
    "sandbox-sync-secrets",
    "runner-helm",
    "runner-terraform",
    "runner-local",
    "actions-workflow",
]


RunnerOperationType = Literal["provision", "provision_service_account", "reprovision", "deprovision"]


RunnerStatus = Literal[
    "error",
    "active",
    "pending",
    "provisioning",
    "deprovisioning",
    "deprovisioned",
    "reprovisioning",
    "offline",
    "awaiting-install-stack-run",
    "unknown",
]


class LatestRunnerHeartBeat(Shape):
    """`app.LatestRunnerHeartBeat` of the contract."""

    alive_time: int = 0
    process: str = field(default_factory=str)
    runner_id: str = ""
    version: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None


class LogStream(Shape):
    """`app.LogStream` of the contract."""

    id: str = ""
    attrs: dict[str, str | None] | None = None
    created_by_id: str = ""
    open: bool = False
    org_id: str = ""
    owner_id: str = ""
    owner_type: str = ""
    runner_api_url: str = ""
    write_token: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class OCIArtifact(Shape):
    """`app.OCIArtifact` of the contract."""

    id: str = ""
    annotations: dict[str, str | None] | None = None
    architecture: str = ""
    artifact_type: str = ""
    created_by_id: str = ""
    digest: str = ""
    media_type: str = ""
    org_id: str = ""
    os: str = ""
    os_features: list[str] | None = None
    os_version: str = ""
    owner_id: str = ""
    owner_type: str = ""
    repository: str = ""
    size: int = 0
    tag: str = ""
    urls: list[str] | None = None
    variant: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class OtelLogRecord(Shape):
    """`app.OtelLogRecord` of the contract."""

    id: str = ""
    body: str = ""
    created_by_id: str = ""
    log_attributes: dict[str, str] | None = None
    log_stream_id: str = ""
    org_id: str = ""
    resource_attributes: dict[str, str] | None = None
    resource_schema_url: str = ""
    runner_group_id: str = ""
    runner_id: str = ""
    runner_job_execution_id: str = ""
    runner_job_execution_step: str = ""
    runner_job_id: str = ""
    scope_attributes: dict[str, str] | None = None
    scope_name: str = ""
    scope_schema_url: str = ""
    scope_version: str = ""
    service_name: str = ""
    severity_number: int = 0
    severity_text: str = ""
    span_id: str = ""
    timestamp: str = ""
    timestamp_date: str = ""
    timestamp_time: str = ""
    trace_flags: int = 0
    trace_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Runner(Shape):
    """`app.Runner` of the contract."""

    id: str = ""
    created_by_id: str = ""
    display_name: str = ""
    jobs: list[RunnerJob] | None = None
    name: str = ""
    operations: list[RunnerOperation] | None = None
    org_id: str = ""
    runner_group: RunnerGroup | None = None
    runner_group_id: str = ""
    runner_job: RunnerJob | None = None
    status: str = ""
    status_description: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class RunnerGroup(Shape):
    """`app.RunnerGroup` of the contract."""

    id: str = ""
    created_by_id: str = ""
    org_id: str = ""
    owner_id: str = ""
    owner_type: str = ""
    platform: Annotated[str, word(AppRunnerType)] = ""
    runners: list[Runner] | None = None
    settings: RunnerGroupSettings | None = None
    type: Annotated[str, word(RunnerGroupType)] = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class RunnerGroupSettings(Shape):
    """`app.RunnerGroupSettings` of the contract."""

    id: str = ""
    aws_cloudformation_stack_type: str = ""
    aws_instance_type: str = ""
    aws_max_instance_lifetime: int = field(default_factory=int)
    aws_tags: dict[str, str | None] | None = None
    container_image_tag: str = ""
    container_image_url: str = ""
    created_by_id: str = ""
    enable_logging: bool = False
    enable_metrics: bool = False
    enable_sentry: bool = False
    groups: list[str] | None = None
    heart_beat_timeout: int = 0
    local_aws_iam_role_arn: str = ""
    logging_level: str = ""
    metadata: dict[str, str | None] | None = None
    org_aws_iam_role_arn: str = ""
    org_id: str = ""
    org_k8s_service_account_name: str = ""
    otel_collector_config: str = ""
    platform: str = field(default_factory=str)
    runner_api_url: str = ""
    runner_group_id: str = ""
    sandbox_mode: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None


class RunnerHealthCheck(Shape):
    """`app.RunnerHealthCheck` of the contract."""

    id: str = ""
    created_by_id: str = ""
    minute_bucket: str = ""
    process: str = field(default_factory=str)
    runner_id: str = ""
    runner_job: RunnerJob | None = None
    status: Annotated[str, word(RunnerStatus)] = ""
    status_code: int = field(default_factory=int)
    created_at: datetime | None = None
    updated_at: datetime | None = None


class RunnerHeartBeat(Shape):
    """`app.RunnerHeartBeat` of the contract."""

    id: str = ""
    alive_time: int = 0
    created_by_id: str = ""
    process: str = field(default_factory=str)
    runner_id: str = ""
    version: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None


class RunnerJob(Shape):
    """`app.RunnerJob` of the contract."""

    id: str = ""
    available_timeout: int = 0
    created_by_id: str = ""
    execution_count: int = 0
    execution_time: int = 0
    execution_timeout: int = 0
    executions: list[RunnerJobExecution] | None = None
    final_runner_job_execution_id: str = ""
    group: Annotated[str, word(RunnerJobGroup)] = ""
    log_stream_id: str = ""
    max_executions: int = 0
    metadata: dict[str, str | None] | None = None
    operation: Annotated[str, word(RunnerJobOperationType)] = ""
    org_id: str = ""
    outputs: Any = None
    outputs_json: bytes = b""
    overall_timeout: int = 0
    owner_id: str = ""
    owner_type: str = ""
    queue_timeout: int = 0
    runner_id: str = ""
    status: Annotated[str, word(RunnerJobStatus)] = ""
    status_description: str = ""
    type: Annotated[str, word(RunnerJobType)] = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None


class RunnerJobExecution(Shape):
    """`app.RunnerJobExecution` of the contract."""

    id: str = ""
    created_by_id: str = ""
    metadata: dict[str, str | None] | None = None
    org_id: str = ""
    outputs: RunnerJobExecutionOutputs | None = None
    result: RunnerJobExecutionResult | None = None
    runner_job_id: str = ""
    status: Annotated[str, word(RunnerJobExecutionStatus)] = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class RunnerJobExecutionOutputs(Shape):
    """`app.RunnerJobExecutionOutputs` of the contract."""

    id: str = ""
    created_by_id: str = ""
    org_id: str = ""
    outputs: JSONObject | None = None
    outputs_json: bytes = b""
    runner_job_execution_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class RunnerJobExecutionResult(Shape):
    """`app.RunnerJobExecutionResult` of the contract."""

    id: str = ""
    contents: str = ""
    contents_display: bytes = b""
    contents_display_gzip: bytes = b""
    contents_gzip: bytes = b""
    created_by_id: str = ""
    error_code: int = 0
    error_metadata: dict[str, str | None] | None = None
    org_id: str = ""
    runner_job_execution_id: str = ""
    success: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None


class RunnerOperation(Shape):
    """`app.RunnerOperation` of the contract."""

    id: str = ""
    created_by_id: str = ""
    log_stream: LogStream | None = None
    operation_type: Annotated[str, word(RunnerOperationType)] = ""
    runner_id: str = ""
    status: str = ""
    status_description: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class LatestRunnerHeartBeats(Shape):
    """`service.LatestRunnerHeartBeats` of the contract."""

    pass


class RunnerCardDetailsResponse(Shape):
    """`service.RunnerCardDetailsResponse` of the contract."""

    runner: Runner | None = field(default_factory=lambda: None)
    latest_heart_beat: RunnerHeartBeat | None = field(default_factory=lambda: None)


class RunnerConnectionStatus(Shape):
    """`service.RunnerConnectionStatus` of the contract."""

    connected: bool = field(default_factory=bool)
    latest_heartbeat_timestamp: int = field(default_factory=int)


class CancelRunnerJobRequest(Body):
    """`service.CancelRunnerJobRequest` of the contract."""

    pass


class ForceShutdownRequest(Body):
    """`service.ForceShutdownRequest` of the contract."""

    pass


class GracefulShutdownRequest(Body):
    """`service.GracefulShutdownRequest` of the contract."""

    pass


class MngShutDownRequest(Body):
    """`service.MngShutDownRequest` of the contract."""

    pass


class MngUpdateRequest(Body):
    """`service.MngUpdateRequest` of the contract."""

    pass


class MngVMShutDownRequest(Body):
    """`service.MngVMShutDownRequest` of the contract."""

    pass


class UpdateRunnerSettingsRequest(Body):
    """`service.UpdateRunnerSettingsRequest` of the contract."""

    aws_max_instance_lifetime: int = 0
    container_image_tag: str = ""
    container_image_url: str = ""
    org_awsiam_role_arn: str = ""
    org_k8s_service_account_name: str = ""
    runner_api_url: str = ""


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.apps import AppRunnerType
