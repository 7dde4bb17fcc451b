"""What nests in what: the links of every shape that hangs on a run, and the fields that are computed once a tree is read.

Secrets never pass here: an execution's plan file (`contents`, `contents_gzip`) and a stream's `write_token` are left out, a plan is
shown as the runner masked it.
"""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, case, func, select

from exclave.api.pages.references import refs
from exclave.api.pages.tree import Finisher, Link, Links, Node, Table
from exclave.domain.accounts.models import Account
from exclave.domain.actions.models import (
    ActionWorkflow,
    ActionWorkflowConfig,
    ActionWorkflowStepConfig,
    ActionWorkflowTriggerConfig,
    InstallActionWorkflow,
    InstallActionWorkflowRun,
    InstallActionWorkflowRunStep,
)
from exclave.domain.apps.models import AppConfig, AppRunnerConfig, AppSandboxConfig
from exclave.domain.artifacts.models import OCIArtifact
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components.models import (
    Component,
    ComponentConfigConnection,
    DockerBuildComponentConfig,
    ExternalImageComponentConfig,
    HelmComponentConfig,
    JobComponentConfig,
    KubernetesManifestComponentConfig,
    TerraformModuleComponentConfig,
)
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.jobs.models import RunnerJob, RunnerJobExecution, RunnerJobExecutionOutputs, RunnerJobExecutionResult
from exclave.domain.logs.models import LogStream
from exclave.domain.orgs.models import AccountRole, Policy, Role
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.vcs.models import ConnectedGithubVCSConfig, PublicGitVCSConfig, VCSConnection, VCSConnectionCommit
from exclave.engine.models import (
    Workflow,
    WorkflowStep,
    WorkflowStepApproval,
    WorkflowStepApprovalResponse,
    WorkflowStepPolicyValidation,
)
from exclave.kit.time import nanoseconds
from exclave.wire.public import accounts, actions, apps, components, deploys, runners, sandboxes, vcs, workflows

# Tables, and what their shapes hold beyond columns of the same name.


def _outputs_of_job(statement: Select[Any]) -> Select[Any]:
    return statement.outerjoin(
        RunnerJobExecutionOutputs, RunnerJobExecutionOutputs.runner_job_execution_id == func.nullif(RunnerJob.current_execution_id, "")
    )


def _with_response(statement: Select[Any]) -> Select[Any]:
    return statement.outerjoin(
        WorkflowStepApprovalResponse, WorkflowStepApprovalResponse.install_workflow_step_approval_id == WorkflowStepApproval.id
    )


def _response() -> ColumnElement[Any]:
    given = WorkflowStepApprovalResponse
    shown = func.json_build_object("id", given.id, "type", given.type, "note", given.note, "created_by_id", given.created_by_id)
    return case((given.id.is_not(None), shown), else_=None)


def _platform() -> ColumnElement[Any]:
    """The cloud of a sandbox config is that of its app config's runner."""
    newest = (
        select(AppRunnerConfig.app_runner_type)
        .where(AppRunnerConfig.app_id == AppSandboxConfig.app_id, AppRunnerConfig.app_config_id == AppSandboxConfig.app_config_id)
        .order_by(AppRunnerConfig.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    return case((newest.like("aws%"), "aws"), (newest.like("azure%"), "azure"), else_="unknown")


def _component_name() -> ColumnElement[Any]:
    return select(Component.name).where(Component.id == ComponentConfigConnection.component_id).scalar_subquery()


def _app_config_version() -> ColumnElement[Any]:
    version = select(AppConfig.version).where(AppConfig.id == ComponentConfigConnection.app_config_id).scalar_subquery()
    return func.coalesce(version, 0)


ACCOUNT = Table(accounts.Account, Account)
ROLE = Table(accounts.Role, Role, joined=lambda s: s.join(AccountRole, (AccountRole.role_id == Role.id) & (AccountRole.deleted_at == 0)))
POLICY = Table(accounts.Policy, Policy)
SANDBOX_RUN = Table(sandboxes.InstallSandboxRun, InstallSandboxRun)
SANDBOX_CONFIG = Table(apps.AppSandboxConfig, AppSandboxConfig, extra={"cloud_platform": _platform})
PUBLIC_GIT = Table(vcs.PublicGitVCSConfig, PublicGitVCSConfig)
CONNECTED_GIT = Table(vcs.ConnectedGithubVCSConfig, ConnectedGithubVCSConfig)
CONNECTION = Table(vcs.VCSConnection, VCSConnection)
COMMIT = Table(vcs.VCSConnectionCommit, VCSConnectionCommit)
JOB = Table(
    runners.RunnerJob,
    RunnerJob,
    renamed={"job_metadata": "metadata"},
    extra={
        "final_runner_job_execution_id": lambda: func.coalesce(RunnerJobExecutionOutputs.runner_job_execution_id, ""),
    },
    raw=lambda: RunnerJobExecutionOutputs.outputs,
    joined=_outputs_of_job,
)
EXECUTION = Table(runners.RunnerJobExecution, RunnerJobExecution, renamed={"execution_metadata": "metadata"})
RESULT = Table(
    runners.RunnerJobExecutionResult,
    RunnerJobExecutionResult,
    left_out=frozenset({"contents", "contents_display"}),
    raw=lambda: func.encode(RunnerJobExecutionResult.contents_display, "base64"),
)
OUTPUTS = Table(runners.RunnerJobExecutionOutputs, RunnerJobExecutionOutputs, raw=lambda: RunnerJobExecutionOutputs.outputs)
LOG_STREAM = Table(runners.LogStream, LogStream)
WORKFLOW = Table(workflows.Workflow, Workflow, renamed={"workflow_metadata": "metadata"})
STEP = Table(workflows.WorkflowStep, WorkflowStep, renamed={"step_metadata": "metadata"})
APPROVAL = Table(workflows.WorkflowStepApproval, WorkflowStepApproval, extra={"response": _response}, joined=_with_response)
VALIDATION = Table(workflows.WorkflowStepPolicyValidation, WorkflowStepPolicyValidation)
DEPLOY = Table(deploys.InstallDeploy, InstallDeploy)
ARTIFACT = Table(runners.OCIArtifact, OCIArtifact)
BUILD = Table(components.ComponentBuild, ComponentBuild)
CONFIG_CONNECTION = Table(
    components.ComponentConfigConnection,
    ComponentConfigConnection,
    extra={"component_name": _component_name, "app_config_version": _app_config_version},
)
COMPONENT = Table(components.Component, Component)
ACTION_RUN = Table(actions.InstallActionWorkflowRun, InstallActionWorkflowRun)
RUN_STEP = Table(actions.InstallActionWorkflowRunStep, InstallActionWorkflowRunStep)
ACTION_CONFIG = Table(actions.ActionWorkflowConfig, ActionWorkflowConfig)
STEP_CONFIG = Table(actions.ActionWorkflowStepConfig, ActionWorkflowStepConfig)
TRIGGER = Table(actions.ActionWorkflowTriggerConfig, ActionWorkflowTriggerConfig)
INSTALL_ACTION = Table(actions.InstallActionWorkflow, InstallActionWorkflow)
ACTION = Table(actions.ActionWorkflow, ActionWorkflow)

TYPED: Mapping[str, Table] = {
    "terraform_module": Table(components.TerraformModuleComponentConfig, TerraformModuleComponentConfig),
    "helm": Table(components.HelmComponentConfig, HelmComponentConfig, left_out=frozenset({"helm_repo_config"})),
    "docker_build": Table(components.DockerBuildComponentConfig, DockerBuildComponentConfig),
    "external_image": Table(
        components.ExternalImageComponentConfig, ExternalImageComponentConfig, left_out=frozenset({"aws_ecr_image_config"})
    ),
    "job": Table(components.JobComponentConfig, JobComponentConfig),
    "kubernetes_manifest": Table(components.KubernetesManifestComponentConfig, KubernetesManifestComponentConfig),
}

# Links.


def _by_id(name: str, table: Table, key: str) -> Link:
    return Link(name, table, key, lambda: table.model.id, by_id=True)  # type: ignore[attr-defined]


def _below(name: str, table: Table, column: str, *, many: bool = False, newest: bool = False, key: str = "id") -> Link:
    """Rows that name their parent in a column; lists newest first."""
    model: Any = table.model
    return Link(
        name,
        table,
        key,
        lambda: getattr(model, column),
        many=many,
        newest=newest,
        order=lambda: (model.created_at.desc(), model.id) if many or newest else (),
    )


def _owned(name: str, table: Table, *, many: bool = False) -> Link:
    return _below(name, table, "owner_id", many=many, newest=not many)


CREATED_BY = _by_id("created_by", ACCOUNT, "created_by_id")
_REPOSITORIES = (
    _below("public_git_vcs_config", PUBLIC_GIT, "component_config_id"),
    _below("connected_github_vcs_config", CONNECTED_GIT, "component_config_id"),
)


def _in_order(name: str, table: Table, column: str, *attributes: str) -> Link:
    model: Any = table.model
    return Link(
        name,
        table,
        "id",
        lambda: getattr(model, column),
        many=True,
        order=lambda: tuple(getattr(model, attribute) for attribute in (*attributes, "created_at", "id")),
    )


LINKS: Links = {
    sandboxes.InstallSandboxRun: (
        CREATED_BY,
        _by_id("app_sandbox_config", SANDBOX_CONFIG, "app_sandbox_config_id"),
        _owned("runner_jobs", JOB, many=True),
        _owned("log_stream", LOG_STREAM),
        _below("action_workflow_runs", ACTION_RUN, "sandbox_run_id", many=True),
        _by_id("workflow", WORKFLOW, "install_workflow_id"),
    ),
    accounts.Account: (Link("roles", ROLE, "id", lambda: AccountRole.account_id, many=True, order=lambda: (Role.created_at, Role.id)),),
    accounts.Role: (_in_order("policies", POLICY, "role_id"),),
    apps.AppSandboxConfig: _REPOSITORIES,
    vcs.ConnectedGithubVCSConfig: (_by_id("vcs_connection", CONNECTION, "vcs_connection_id"),),
    vcs.VCSConnection: (_below("vcs_connection_commit", COMMIT, "vcs_connection_id", many=True),),
    runners.RunnerJob: (_below("executions", EXECUTION, "runner_job_id", many=True),),
    runners.RunnerJobExecution: (
        _below("result", RESULT, "runner_job_execution_id"),
        _below("outputs", OUTPUTS, "runner_job_execution_id"),
    ),
    workflows.Workflow: (
        CREATED_BY,
        _in_order("steps", STEP, "install_workflow_id", "group_idx", "group_retry_idx", "idx"),
        _below("install_deploys", DEPLOY, "install_workflow_id", many=True),
        _below("install_sandbox_runs", SANDBOX_RUN, "install_workflow_id", many=True),
        _below("install_action_workflow_runs", ACTION_RUN, "install_workflow_id", many=True),
    ),
    workflows.WorkflowStep: (
        CREATED_BY,
        _below("approval", APPROVAL, "install_workflow_step_id", newest=True),
        _below("policy_validation", VALIDATION, "install_workflow_step_id", newest=True),
    ),
    workflows.WorkflowStepApproval: (_by_id("runner_job", JOB, "runner_job_id"),),
    deploys.InstallDeploy: (
        CREATED_BY,
        _by_id("component_build", BUILD, "build_id"),
        _owned("log_stream", LOG_STREAM),
        _owned("oci_artifact", ARTIFACT),
        _owned("runner_jobs", JOB, many=True),
        _by_id("workflow", WORKFLOW, "install_workflow_id"),
    ),
    components.ComponentBuild: (
        CREATED_BY,
        _by_id("component_config_connection", CONFIG_CONNECTION, "component_config_connection_id"),
        _owned("log_stream", LOG_STREAM),
        _owned("runner_job", JOB),
        _by_id("vcs_connection_commit", COMMIT, "vcs_connection_commit_id"),
    ),
    components.ComponentConfigConnection: tuple(_below(name, table, "component_config_connection_id") for name, table in TYPED.items()),
    components.TerraformModuleComponentConfig: _REPOSITORIES,
    components.HelmComponentConfig: _REPOSITORIES,
    components.DockerBuildComponentConfig: _REPOSITORIES,
    actions.InstallActionWorkflowRun: (
        CREATED_BY,
        _by_id("config", ACTION_CONFIG, "action_workflow_config_id"),
        _by_id("install_action_workflow", INSTALL_ACTION, "install_action_workflow_id"),
        _owned("log_stream", LOG_STREAM),
        _owned("runner_job", JOB),
        _in_order("steps", RUN_STEP, "install_action_workflow_run_id", "idx"),
        _by_id("workflow", WORKFLOW, "install_workflow_id"),
    ),
    actions.ActionWorkflowConfig: (
        _in_order("steps", STEP_CONFIG, "action_workflow_config_id", "idx"),
        _in_order("triggers", TRIGGER, "action_workflow_config_id", "index"),
    ),
    actions.ActionWorkflowStepConfig: _REPOSITORIES,
    actions.ActionWorkflowTriggerConfig: (_by_id("component", COMPONENT, "component_id"),),
    actions.InstallActionWorkflow: (_by_id("action_workflow", ACTION, "action_workflow_id"),),
    actions.ActionWorkflow: (_below("configs", ACTION_CONFIG, "action_workflow_id", many=True, newest=True),),
}

# Fields that are computed.


def _execution_time(thing: Any) -> int:
    return nanoseconds(thing.finished_at - thing.started_at) if thing.started_at and thing.finished_at else 0


def _account(node: Node) -> None:
    account: accounts.Account = node.shape
    rights: dict[str, str] = {}
    for role in account.roles or []:
        for policy in role.policies or []:
            rights.update({key: str(value) for key, value in (policy.permissions or {}).items()})
    account.org_ids = sorted(rights)
    account.permissions = rights


def _job(node: Node) -> None:
    job: runners.RunnerJob = node.shape
    job.execution_time = _execution_time(job)
    if node.raw:
        job.outputs = msgspec.Raw(node.raw.encode())
        job.outputs_json = node.raw.encode()


def _outputs(node: Node) -> None:
    if node.raw:
        node.shape.outputs = msgspec.Raw(node.raw.encode())
        node.shape.outputs_json = node.raw.encode()


def _result(node: Node) -> None:
    if node.raw:
        node.shape.contents_display_gzip = base64.b64decode(node.raw)


def merged(jobs: list[runners.RunnerJob]) -> Any:
    """The outputs of several jobs as one object, the newest winning, maps merged deeply. One job's outputs pass byte for byte."""
    given = [job.outputs for job in jobs if isinstance(job.outputs, msgspec.Raw)]
    if not given:
        return {}
    if len(given) == 1:
        return given[0]
    result: dict[str, Any] = {}
    for raw in reversed(given):  # jobs come newest first
        found = msgspec.json.decode(raw)
        if isinstance(found, dict):
            result = _over(result, found)
    return result


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            both[key] = _over(below[key], above[key])
    return both


def _sandbox_run(node: Node) -> None:
    run: sandboxes.InstallSandboxRun = node.shape
    run.workflow_id = run.install_workflow_id
    run.outputs = merged(run.runner_jobs or [])


def _workflow(node: Node) -> None:
    workflow: workflows.Workflow = node.shape
    workflow.finished = workflow.finished_at is not None
    workflow.execution_time = _execution_time(workflow)
    workflow.name = workflow_name(workflow)


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


def _step(node: Node) -> None:
    step: workflows.WorkflowStep = node.shape
    step.finished = step.finished_at is not None
    step.execution_time = _execution_time(step)
    step.workflow_id = step.install_workflow_id


def _approval(node: Node) -> None:
    approval: workflows.WorkflowStepApproval = node.shape
    approval.workflow_step_id = approval.install_workflow_step_id


def _deploy(node: Node) -> None:
    deploy: deploys.InstallDeploy = node.shape
    deploy.workflow_id = deploy.install_workflow_id
    build = deploy.component_build
    if build is not None:
        deploy.component_name = build.component_name
        deploy.component_config_version = build.component_config_version
    deploy.outputs = merged([job for job in deploy.runner_jobs or [] if job.operation != "create-apply-plan"])


def _build(node: Node) -> None:
    build: components.ComponentBuild = node.shape
    config = build.component_config_connection
    if config is not None:
        build.component_name = config.component_name
        build.component_config_version = config.version


def _with_refs(node: Node) -> None:
    node.shape.refs = refs(node.shape.references)


def _action_run(node: Node) -> None:
    run: actions.InstallActionWorkflowRun = node.shape
    run.workflow_id = run.install_workflow_id
    if run.runner_job is not None:
        run.execution_time = run.runner_job.execution_time
        run.outputs = run.runner_job.outputs


def _helm(node: Node) -> None:
    helm: components.HelmComponentConfig = node.shape
    helm.helm_config_json = components.HelmConfig(
        chart_name=helm.chart_name,
        namespace=helm.namespace,
        storage_driver=helm.storage_driver,
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
    components.ComponentBuild: _build,
    components.ComponentConfigConnection: _with_refs,
    components.HelmComponentConfig: _helm,
    apps.AppSandboxConfig: _with_refs,
    actions.ActionWorkflowConfig: _with_refs,
    actions.InstallActionWorkflowRun: _action_run,
}

__all__ = ["FINISHERS", "LINKS", "SANDBOX_RUN", "merged", "workflow_name"]
