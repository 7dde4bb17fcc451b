"""What nests in what: the tables and links of every shape that hangs on a run. What is computed beside columns is in `derived`.

Secrets never pass here: an execution's plan file (`contents`, `contents_gzip`) and a stream's `write_token` are left out, a plan is
shown as the runner masked it.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, ColumnElement, Select, case, cast, func, select

from exclave.api.pages.tree import Link, Links, Table
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
    ComponentDependency,
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


def _dependencies() -> ColumnElement[Any]:
    edges = select(ComponentDependency.dependency_id).where(ComponentDependency.component_id == Component.id)
    ids = edges.order_by(ComponentDependency.created_at, ComponentDependency.id).scalar_subquery()
    return func.array_to_json(func.array(ids, type_=JSON))


def _config_versions() -> ColumnElement[Any]:
    return select(func.count()).where(ComponentConfigConnection.component_id == Component.id).scalar_subquery()


def _config_count() -> ColumnElement[Any]:
    return select(func.count()).where(ActionWorkflowConfig.action_workflow_id == ActionWorkflow.id).scalar_subquery()


def _status_of_newest_run() -> ColumnElement[Any]:
    run = InstallActionWorkflowRun
    newest = select(run.status).where(run.install_action_workflow_id == InstallActionWorkflow.id, run.deleted_at == 0)
    return func.coalesce(newest.order_by(run.created_at.desc()).limit(1).scalar_subquery(), "unknown")


def _ecr_image() -> ColumnElement[Any]:
    image = ExternalImageComponentConfig
    owner = {"component_config_id": image.id, "component_config_type": image.__tablename__}
    shown = cast(func.jsonb_build_object(*(part for pair in owner.items() for part in pair)), image.aws_ecr_image_config.type)
    return case((func.jsonb_typeof(image.aws_ecr_image_config) == "object", shown.op("||")(image.aws_ecr_image_config)), else_=None)


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
COMPONENT = Table(
    components.Component,
    Component,
    extra={
        "dependencies": _dependencies,
        "config_versions": _config_versions,
        "resolved_var_name": lambda: func.coalesce(func.nullif(Component.var_name, ""), Component.name),
    },
)
ACTION_RUN = Table(actions.InstallActionWorkflowRun, InstallActionWorkflowRun)
RUN_STEP = Table(actions.InstallActionWorkflowRunStep, InstallActionWorkflowRunStep)
ACTION_CONFIG = Table(actions.ActionWorkflowConfig, ActionWorkflowConfig)
STEP_CONFIG = Table(actions.ActionWorkflowStepConfig, ActionWorkflowStepConfig)
TRIGGER = Table(actions.ActionWorkflowTriggerConfig, ActionWorkflowTriggerConfig)
INSTALL_ACTION = Table(actions.InstallActionWorkflow, InstallActionWorkflow, extra={"status": _status_of_newest_run})
ACTION = Table(actions.ActionWorkflow, ActionWorkflow, extra={"config_count": _config_count})

TYPED: Mapping[str, Table] = {
    "terraform_module": Table(components.TerraformModuleComponentConfig, TerraformModuleComponentConfig),
    "helm": Table(components.HelmComponentConfig, HelmComponentConfig, raw=lambda: HelmComponentConfig.helm_repo_config),
    "docker_build": Table(components.DockerBuildComponentConfig, DockerBuildComponentConfig),
    "external_image": Table(
        components.ExternalImageComponentConfig,
        ExternalImageComponentConfig,
        left_out=frozenset({"aws_ecr_image_config"}),
        extra={"aws_ecr_image_config": _ecr_image},
    ),
    "job": Table(components.JobComponentConfig, JobComponentConfig),
    "kubernetes_manifest": Table(components.KubernetesManifestComponentConfig, KubernetesManifestComponentConfig),
}

# Links.


def _by_id(name: str, table: Table, key: str) -> Link:
    return Link(name, table, key, lambda: table.model.id, by_id=True)  # type: ignore[attr-defined]


def _below(name: str, table: Table, column: str, *, many: bool = False, newest: bool = False, seldom: bool = False) -> Link:
    """Rows that name their parent in a column; lists newest first."""
    model: Any = table.model
    return Link(
        name,
        table,
        "id",
        lambda: getattr(model, column),
        many=many,
        newest=newest,
        seldom=seldom,
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
        _below("action_workflow_runs", ACTION_RUN, "sandbox_run_id", many=True, seldom=True),
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
        _below("install_deploys", DEPLOY, "install_workflow_id", many=True, seldom=True),
        _below("install_sandbox_runs", SANDBOX_RUN, "install_workflow_id", many=True, seldom=True),
        _below("install_action_workflow_runs", ACTION_RUN, "install_workflow_id", many=True, seldom=True),
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
