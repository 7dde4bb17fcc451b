"""An action run: its steps in order, with rendered commands and environment."""

from __future__ import annotations

from exclave.wire.plans.base import AWSAuth, ClusterInfo, GitSource, PlanShape, SandboxMode, Source


class ActionWorkflowRunStepPlan(PlanShape):
    run_id: str  # id of the run step, not of the run
    attrs: dict[str, str] = {}  # step.name, step.id
    interpolated_env_vars: dict[str, str] = {}
    git_source: GitSource | None = None
    interpolated_inline_contents: str = ""
    interpolated_command: str = ""
    # Our own:
    source: Source | None = None


class ActionWorkflowRunPlan(PlanShape):
    """What `actions-workflow` jobs do. The job's execution timeout is the action's own plus a minute."""

    id: str
    install_id: str
    attrs: dict[str, str] = {}  # action.name, action.id
    steps: list[ActionWorkflowRunStepPlan] = []
    builtin_env_vars: dict[str, str] = {}
    override_env_vars: dict[str, str] = {}
    cluster_info: ClusterInfo | None = None
    aws_auth: AWSAuth | None = None
    sandbox_mode: SandboxMode | None = None
    # Our own:
    timeout: int = 0  # nanoseconds, over all steps
    sensitive_values: list[str] = []  # texts to redact in logs
