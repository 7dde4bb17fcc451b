"""One sandbox run on which everything hangs that the seed's page can show."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

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
    TypedConfig,
)
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs.models import InstallComponent, InstallInputs
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
from exclave.kit.context import Runtime
from exclave.kit.db import Row
from tests.factories import OrgWithToken
from tests.factories_runs import Ground, filled, ground, job, save, status, stream_of

TYPED: dict[str, type[TypedConfig]] = {
    "terraform_module": TerraformModuleComponentConfig,
    "helm_chart": HelmComponentConfig,
    "docker_build": DockerBuildComponentConfig,
    "external_image": ExternalImageComponentConfig,
    "job": JobComponentConfig,
    "kubernetes_manifest": KubernetesManifestComponentConfig,
}
REFERENCE = "component|network|outputs.zone|.nuon.components.network.outputs.zone"
_FROM_GIT = ("terraform_module", "helm_chart", "docker_build")
_BLOCKS = {
    "helm_chart": {"helm_repo_config": {"chart": "the chart", "repo_url": "https://charts.example.com", "version": "1.2.3"}},
    "external_image": {"aws_ecr_image_config": {"aws_region": "eu-west-3", "iam_role_arn": "arn:aws:iam::1:role/pull"}},
}


@dataclass
class FullRun:
    install_id: str
    run_id: str
    workflow_id: str


class _Rows(list[Row]):
    """The rows to insert, each made by a person of its own."""

    def __init__(self, org: OrgWithToken) -> None:
        super().__init__()
        self.org = org
        self.people: list[str] = []
        self.again = itertools.cycle(self.people)

    def person(self) -> str:
        """An account of the org with a role and a journey, another one each time but that there are no more than 40; returns its id."""
        if len(self.people) == 40:
            return next(self.again)
        step = {"name": "s", "title": "S", "complete": True, "completed_at": "2026-01-02T03:04:05Z", "completion_method": "auto",
                "completion_source": "system", "metadata": {"seen": 3}}  # fmt: skip
        account = filled(Account, account_type="auth0", created_by_id="", user_journeys=[{"name": "j", "title": "J", "steps": [step]}])
        role = filled(Role, org_id=self.org.id, role_type="installer")
        self += [
            account,
            role,
            filled(Policy, org_id=self.org.id, role_id=role.id, name="installer", permissions={self.org.id: "read"}),
            filled(AccountRole, org_id=self.org.id, account_id=account.id, role_id=role.id),
        ]
        self.people.append(account.id)
        return account.id

    def make(self, model: type[Any], **given: Any) -> Any:
        made = filled(model, **{"org_id": self.org.id, "created_by_id": self.org.actor.account_id, **given})
        self.append(made)
        return made

    def repositories(self, owner: Row, connection: VCSConnection, *kinds: type[Any]) -> None:
        of = {"component_config_id": owner.id, "component_config_type": owner.__tablename__}
        for kind in kinds or (PublicGitVCSConfig, ConnectedGithubVCSConfig):
            more = {"vcs_connection_id": connection.id} if kind is ConnectedGithubVCSConfig else {}
            self.make(kind, **of, **more)


async def everything_around_a_run(runtime: Runtime, org: OrgWithToken, *, runs: int = 1, kinds: Sequence[str] = tuple(TYPED)) -> FullRun:
    """An install on AWS with sandbox runs. Each has two jobs, one of which failed first; a workflow with two approved steps and a
    deploy of each kind of component; two actions that ran around it."""
    on, rows = ground(org, runner_type="aws-ecs"), _Rows(org)
    rows += on.rows
    connection = rows.make(VCSConnection)
    rows.make(VCSConnectionCommit, vcs_connection_id=connection.id)
    commit = rows.make(VCSConnectionCommit, vcs_connection_id=connection.id)
    rows.repositories(on.sandbox_config, connection)
    rows.make(InstallInputs, install_id=on.install.id, app_input_config_id=on.config.id)

    made = [_run(rows, on, kinds, connection, commit) for _ in range(runs)]
    async with runtime.sweep() as ctx:
        await save(ctx, rows)
        # The org's own role and policy, made with the org, name nobody who made them.
        for table in ("roles", "policies"):
            await ctx.db.execute(
                text(f"update {table} set created_by_id = :by where org_id = :org and created_by_id = ''"),
                {"by": org.actor.account_id, "org": org.id},
            )
    return FullRun(on.install.id, made[-1].id, made[-1].install_workflow_id)


def _run(rows: _Rows, on: Ground, kinds: Sequence[str], connection: VCSConnection, commit: VCSConnectionCommit) -> InstallSandboxRun:
    workflow = rows.make(Workflow, owner_id=on.install.id, owner_type="installs", type="reprovision", state="finished",
                         status=status("success", rows.person()), created_by_id=rows.person(), step_error_behavior="abort",
                         approval_option="prompt", workflow_metadata={"workflow-name-suffix": "by hand", "k": "v"})  # fmt: skip
    run = rows.make(InstallSandboxRun, install_id=on.install.id, install_sandbox_id=on.sandbox.id, install_workflow_id=workflow.id,
                    app_sandbox_config_id=on.sandbox_config.id, run_type="reprovision", status="active",
                    status_v2=status("active", rows.person()), created_by_id=rows.person())  # fmt: skip
    stream = stream_of(on, run)
    rows += [stream, *job(on, run, stream, executions=2), *job(on, run, stream, operation="create-apply-plan")]

    for idx in (1, 2):
        _step(rows, on, workflow, run, idx)
    components = [_deploy(rows, on, workflow, kind, connection, commit) for kind in kinds]
    rows.make(ComponentDependency, component_id=components[-1].id, dependency_id=components[0].id)
    for _ in range(2):
        _action_run(rows, on, workflow, run, components[-1], connection)
    return run  # type: ignore[no-any-return]


def _step(rows: _Rows, on: Ground, workflow: Workflow, run: InstallSandboxRun, idx: int) -> None:
    step = rows.make(WorkflowStep, install_workflow_id=workflow.id, owner_id=on.install.id, owner_type="installs", idx=idx, group_idx=idx,
                     group_retry_idx=idx, state="done", execution_type="approval", status=status("approved", rows.person()),
                     created_by_id=rows.person(), step_target_id=run.id, step_target_type=run.__tablename__)  # fmt: skip
    stream = stream_of(on, step)
    asked = job(on, step, stream, executions=2)
    approval = rows.make(WorkflowStepApproval, install_workflow_step_id=step.id, owner_id=run.id, owner_type=run.__tablename__,
                         runner_job_id=asked[0].id, type="terraform_plan")  # fmt: skip
    rows += [stream, *asked]
    rows.make(WorkflowStepApprovalResponse, install_workflow_step_approval_id=approval.id, type="approve")
    rows.make(WorkflowStepPolicyValidation, install_workflow_step_id=step.id, runner_job_id=asked[0].id,
              status=status("success", rows.person()))  # fmt: skip


def _deploy(rows: _Rows, on: Ground, workflow: Workflow, kind: str, connection: VCSConnection, commit: VCSConnectionCommit) -> Component:
    component = rows.make(Component, app_id=on.app.id, type=kind)
    config = rows.make(ComponentConfigConnection, component_id=component.id, app_config_id=on.config.id, type=kind,
                       component_dependency_ids=[component.id], references=[REFERENCE])  # fmt: skip
    typed = rows.make(TYPED[kind], component_config_connection_id=config.id, **_BLOCKS.get(kind, {}))
    if kind in _FROM_GIT:
        rows.repositories(typed, connection)
    build = rows.make(ComponentBuild, component_id=component.id, component_config_connection_id=config.id, status="active",
                      status_v2=status("active", rows.person()), vcs_connection_commit_id=commit.id,
                      created_by_id=rows.person())  # fmt: skip
    in_install = rows.make(InstallComponent, install_id=on.install.id, component_id=component.id)
    deploy = rows.make(InstallDeploy, install_id=on.install.id, install_component_id=in_install.id, component_id=component.id,
                       build_id=build.id, install_deploy_type="apply", status="active", install_workflow_id=workflow.id,
                       status_v2=status("active", rows.person()), created_by_id=rows.person())  # fmt: skip
    rows.make(OCIArtifact, owner_id=deploy.id, owner_type=deploy.__tablename__)
    for owner in (build, deploy):
        stream = stream_of(on, owner)
        rows += [stream, *job(on, owner, stream, executions=2)]
    return component


def _action_run(
    rows: _Rows, on: Ground, workflow: Workflow, run: InstallSandboxRun, component: Component, connection: VCSConnection
) -> None:
    action = rows.make(ActionWorkflow, app_id=on.app.id)
    config = rows.make(ActionWorkflowConfig, app_id=on.app.id, app_config_id=on.config.id, action_workflow_id=action.id,
                       references=["actions|check|outputs.ok|.nuon.actions.check.outputs.ok"])  # fmt: skip
    of_config = {"app_id": on.app.id, "app_config_id": on.config.id, "action_workflow_config_id": config.id}
    rows.make(ActionWorkflowTriggerConfig, type="post-deploy-component", component_id=component.id, **of_config)
    rows.make(ActionWorkflowTriggerConfig, type="cron", component_id="", **of_config)
    in_install = rows.make(InstallActionWorkflow, install_id=on.install.id, action_workflow_id=action.id)
    ran = rows.make(InstallActionWorkflowRun, install_id=on.install.id, install_action_workflow_id=in_install.id,
                    action_workflow_config_id=config.id, trigger_type="post-reprovision", status="finished",
                    status_v2=status("success", rows.person()), install_workflow_id=workflow.id, sandbox_run_id=run.id,
                    created_by_id=rows.person())  # fmt: skip
    for idx in (1, 2):
        step = rows.make(ActionWorkflowStepConfig, idx=idx, **of_config)
        rows.repositories(step, connection)
        rows.make(InstallActionWorkflowRunStep, install_action_workflow_run_id=ran.id, step_id=step.id, idx=idx, status="finished")
    stream = stream_of(on, ran)
    rows += [stream, *job(on, ran, stream, executions=2, type="actions-workflow")]
