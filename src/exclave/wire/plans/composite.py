"""A job's plan under the name of its kind: one of them is there."""

from __future__ import annotations

from exclave.wire.base import Shape
from exclave.wire.plans.actions import ActionWorkflowRunPlan
from exclave.wire.plans.build import BuildPlan
from exclave.wire.plans.deploy import DeployPlan
from exclave.wire.plans.sync import SyncOCIPlan, SyncSecretsPlan
from exclave.wire.plans.terraform import SandboxRunPlan


class CompositePlan(Shape):
    """Every kind of plan."""

    action_workflow_run_plan: ActionWorkflowRunPlan | None = None
    build_plan: BuildPlan | None = None
    deploy_plan: DeployPlan | None = None
    sandbox_run_plan: SandboxRunPlan | None = None
    sync_oci_plan: SyncOCIPlan | None = None
    sync_secrets_plan: SyncSecretsPlan | None = None
