"""Fields that are computed once a tree is read, children before parents (spec nesting.md 1.2)."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from exclave.api.pages.references import refs
from exclave.api.pages.tree import Finisher, Node
from exclave.kit.context import Facts
from exclave.kit.time import nanoseconds
from exclave.wire.public import accounts, actions, apps, components, deploys, runners, sandboxes, workflows


def _execution_time(thing: Any) -> int:
    return nanoseconds(thing.finished_at - thing.started_at) if thing.started_at and thing.finished_at else 0


def _account(node: Node, facts: Facts) -> None:
    account: accounts.Account = node.shape
    rights: dict[str, str] = {}
    for role in account.roles or []:
        for policy in role.policies or []:
            rights.update({key: str(value) for key, value in (policy.permissions or {}).items()})
    account.org_ids = sorted(rights)
    account.permissions = rights


def _job(node: Node, facts: Facts) -> None:
    job: runners.RunnerJob = node.shape
    job.execution_time = _execution_time(job)
    if node.raw:
        job.outputs = msgspec.Raw(node.raw.encode())
        job.outputs_json = node.raw.encode()


def _outputs(node: Node, facts: Facts) -> None:
    if node.raw:
        node.shape.outputs = msgspec.Raw(node.raw.encode())
        node.shape.outputs_json = node.raw.encode()


def _result(node: Node, facts: Facts) -> None:
    if node.raw:
        node.shape.contents_display_gzip = base64.b64decode(node.raw)


def merged(jobs: list[runners.RunnerJob]) -> Any:
    """The outputs of several jobs as one object, the newest winning, objects merged deeply. Values keep their bytes."""
    # Jobs come newest first. Most plans have no outputs.
    given = [job.outputs for job in jobs if isinstance(job.outputs, msgspec.Raw) and bytes(job.outputs) != b"{}"]
    if len(given) == 1:
        return given[0]
    result: dict[str, Any] = {}
    for raw in reversed(given):
        result = _over(result, _members(raw) or {})
    return result


def _members(raw: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """The members of a JSON object, unread; None for anything else."""
    return _object.decode(raw) if bytes(raw).lstrip()[:1] == b"{" else None


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for key in below.keys() & above.keys():
        lower, upper = _members(below[key]), _members(above[key])
        if lower is not None and upper is not None:
            both[key] = msgspec.Raw(msgspec.json.encode(_over(lower, upper)))
    return both


def _sandbox_run(node: Node, facts: Facts) -> None:
    run: sandboxes.InstallSandboxRun = node.shape
    run.workflow_id = run.install_workflow_id
    run.outputs = merged(run.runner_jobs or [])


def _workflow(node: Node, facts: Facts) -> None:
    workflow: workflows.Workflow = node.shape
    workflow.finished = workflow.finished_at is not None
    workflow.execution_time = _execution_time(workflow)
    workflow.name = workflow_name(workflow)
    workflow.links = {
        "ui": f"{facts.ui_url}/{workflow.org_id}/installs/{workflow.owner_id}/workflows/{workflow.id}",
        "api": f"{facts.public_url}/v1/workflows/{workflow.id}",
    }


_LABELS = {
    "provision": ("Provisioning install", "Provisioned install"),
    "reprovision": ("Reprovisioning install", "Reprovisioned install"),
    "reprovision_sandbox": ("Reprovisioning sandbox", "Reprovisioned sandbox"),
    "drift_run_reprovision_sandbox": ("Reprovisioning install", "Reprovisioned sandbox"),
    "deprovision": ("Deprovisioning install", "Deprovisioned install"),
    "manual_deploy": ("Deploying to install", "Deployed to install"),
    "drift_run": ("Deploying to install", "Deployed to install"),
    "input_update": ("Input Update", "Updated Input"),
    "deploy_components": ("Deploying all components", "Deployed all components"),
    "teardown_components": ("Tearing down all components", "Tore down all components"),
    "sync_secrets": ("Syncing secrets", "Synced secrets"),
}


def workflow_name(workflow: workflows.Workflow) -> str:
    """The label that people read: what happens, or what has happened (spec domain.md 1.7)."""
    during, after = _LABELS.get(workflow.type, ("", ""))
    name = after if workflow.finished else during
    suffix = (workflow.metadata or {}).get("workflow-name-suffix")
    return f"{name} ({suffix})" if name and suffix else name


def _step(node: Node, facts: Facts) -> None:
    step: workflows.WorkflowStep = node.shape
    step.finished = step.finished_at is not None
    step.execution_time = _execution_time(step)
    step.workflow_id = step.install_workflow_id
    step.links = {
        "ui": f"{facts.ui_url}/{step.org_id}/installs/{step.owner_id}/workflows/{step.install_workflow_id}",
        "api": f"{facts.public_url}/v1/workflows/{step.install_workflow_id}/steps/{step.id}",
    }


def _component(node: Node, facts: Facts) -> None:
    component: components.Component = node.shape
    component.links = {
        "ui": f"{facts.ui_url}/{component.org_id}/apps/{component.app_id}/components/{component.id}",
        "api": f"{facts.public_url}/v1/components/{component.id}",
    }


def _approval(node: Node, facts: Facts) -> None:
    approval: workflows.WorkflowStepApproval = node.shape
    approval.workflow_step_id = approval.install_workflow_step_id


def _deploy(node: Node, facts: Facts) -> None:
    deploy: deploys.InstallDeploy = node.shape
    deploy.workflow_id = deploy.install_workflow_id
    build = deploy.component_build
    if build is not None:
        deploy.component_name = build.component_name
        deploy.component_config_version = build.component_config_version
    deploy.outputs = merged([job for job in deploy.runner_jobs or [] if job.operation != "create-apply-plan"])


def _build(node: Node, facts: Facts) -> None:
    build: components.ComponentBuild = node.shape
    config = build.component_config_connection
    if config is not None:
        build.component_name = config.component_name
        build.component_config_version = config.version


def _with_refs(node: Node, facts: Facts) -> None:
    node.shape.refs = refs(node.shape.references)


def _action_run(node: Node, facts: Facts) -> None:
    run: actions.InstallActionWorkflowRun = node.shape
    run.workflow_id = run.install_workflow_id
    if run.runner_job is not None:
        run.execution_time = run.runner_job.execution_time
        run.outputs = run.runner_job.outputs


def _helm(node: Node, facts: Facts) -> None:
    helm: components.HelmComponentConfig = node.shape
    helm.helm_config_json = components.HelmConfig(
        chart_name=helm.chart_name,
        namespace=helm.namespace,
        helm_repo_config=msgspec.json.decode(node.raw, type=components.HelmRepoConfig | None) if node.raw else None,
        storage_driver=helm.storage_driver,
        take_ownership=helm.take_ownership,
        values={name: value or "" for name, value in (helm.values or {}).items()},
        values_files=helm.values_files,
    )


FINISHERS: Mapping[type, Finisher] = {
    accounts.Account: _account,
    runners.RunnerJob: _job,
    runners.RunnerJobExecutionOutputs: _outputs,
    runners.RunnerJobExecutionResult: _result,
    sandboxes.InstallSandboxRun: _sandbox_run,
    workflows.Workflow: _workflow,
    workflows.WorkflowStep: _step,
    workflows.WorkflowStepApproval: _approval,
    deploys.InstallDeploy: _deploy,
    components.Component: _component,
    components.ComponentBuild: _build,
    components.ComponentConfigConnection: _with_refs,
    components.HelmComponentConfig: _helm,
    apps.AppSandboxConfig: _with_refs,
    actions.ActionWorkflowConfig: _with_refs,
    actions.InstallActionWorkflowRun: _action_run,
}
