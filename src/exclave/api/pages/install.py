"""Installs as the wire nests them (spec nesting.md 3.3-3.5). The number of statements does not grow with the number of rows."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Select, and_, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from exclave.domain.apps.models import App, AppRunnerConfig, AppSandboxConfig
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components.models import Component
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs import rules
from exclave.domain.installs.models import (
    AWSAccount,
    AzureAccount,
    Install,
    InstallComponent,
    InstallConfig,
    InstallInputs,
    InstallSandbox,
    InstallStack,
)
from exclave.domain.runners.models import Runner, RunnerGroup
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.domain.stacks.models import InstallStackOutputs
from exclave.domain.vcs.models import ConnectedGithubVCSConfig, PublicGitVCSConfig
from exclave.domain.workspaces.models import TerraformWorkspace
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.base import CompositeStatus, Ref
from exclave.wire.public import actions as _actions  # noqa: F401  shapes nest in a circle: all of them must be there
from exclave.wire.public import apps as wire_apps
from exclave.wire.public import components as wire_components
from exclave.wire.public import deploys as wire_deploys
from exclave.wire.public import installs as wire
from exclave.wire.public import sandboxes as wire_sandboxes
from exclave.wire.public import stacks as wire_stacks
from exclave.wire.public import vcs as wire_vcs
from exclave.wire.public import workspaces as wire_workspaces

S = TypeVar("S", bound=msgspec.Struct)

NESTED_RUNS = 5  # sandbox runs below one install
LISTED_RUNS = 20  # sandbox runs below an install of an app's list; the original shows all of them
DEPRECATED = "deprecated"
DEPRECATED_TEXT = "the status of an install is deprecated: see sandbox_status, runner_status and composite_component_status"


def flat(kind: type[S], row: Any, **more: Any) -> S:
    """Return the row's own columns in the shape; what a relation or a rule gives comes as keyword."""
    columns = row.__mapper__.columns
    values = {name: getattr(row, name) for name in kind.__struct_fields__ if name in columns and name not in more}
    if "status_v2" in values:
        values["status_v2"] = composite(values["status_v2"])
    return kind(**{name: value for name, value in values.items() if value is not None}, **more)


def composite(status: dict[str, Any] | None) -> CompositeStatus | None:
    return msgspec.convert(status, CompositeStatus) if status else None


def refs(references: Sequence[str]) -> list[Ref]:
    """Take references apart: `type|name|value|input`."""
    parts = [text.split("|", 3) for text in references]
    return [Ref(type=each[0], name=each[1], value=each[2], input=each[3]) for each in parts if len(each) == 4]


def links(ctx: Ctx, noun: str, row: Any) -> dict[str, str]:
    facts = ctx.runtime.settings
    return {"ui": f"{facts.ui_url}/{row.org_id}/{noun}/{row.id}", "api": f"{facts.public_url}/v1/{noun}/{row.id}"}


def component(ctx: Ctx, row: Component) -> wire_components.Component:
    return flat(wire_components.Component, row, resolved_var_name=row.var_name or row.name, links=links(ctx, "components", row))


def sandbox_run(row: InstallSandboxRun, config: AppSandboxConfig | None = None) -> wire_sandboxes.InstallSandboxRun:
    """A sandbox run below an install: its own columns, and its config without the repository."""
    nested = sandbox_config(config) if config is not None else None
    return flat(wire_sandboxes.InstallSandboxRun, row, outputs={}, workflow_id=row.install_workflow_id, app_sandbox_config=nested)


def sandbox_config(row: AppSandboxConfig, repositories: dict[str, dict[str, Any]] | None = None) -> wire_apps.AppSandboxConfig:
    return flat(wire_apps.AppSandboxConfig, row, refs=refs(row.references), **(repositories or {}).get(row.id, {}))


def runner_config(row: AppRunnerConfig) -> wire_apps.AppRunnerConfig:
    return flat(wire_apps.AppRunnerConfig, row, cloud_platform=rules.cloud_of(row.app_runner_type))


def inputs(row: InstallInputs) -> wire.InstallInputs:
    """A version of the inputs: `values` holds what is not sensitive, `redacted_values` every input with masks."""
    return flat(wire.InstallInputs, row, values=dict(row.values), redacted_values=dict(row.redacted_values))


# One install, and lists of them.


async def install(ctx: Ctx, install_id: str, *, created: bool = False) -> wire.Install:
    """Return an install as GET shows it; just created, its stack is there too."""
    heads = await _heads(ctx, [install_id])
    if not heads:
        raise errors.NotFound(f"no install {install_id!r}")
    head = heads[0]
    components = (await _components(ctx, [install_id]))[install_id]
    page = _derived(ctx, head, components)
    page.app = flat(wire_apps.App, head.app, cloud_platform="unknown", runner_type="unknown", links=links(ctx, "apps", head.app))
    repositories = await _repositories(ctx, [head.sandbox_config.id])
    page.app_sandbox_config = sandbox_config(head.sandbox_config, repositories)
    page.app_runner_config = runner_config(head.runner_config)
    page.install_config = flat(wire.InstallConfig, head.config) if head.config else None
    newest = select(InstallInputs).where(InstallInputs.install_id == install_id, InstallInputs.deleted_at == 0)
    page.install_inputs = [inputs(row) for row in await every(ctx.db, newest.order_by(InstallInputs.created_at.desc()).limit(1))]
    page.install_components = [
        flat(wire.InstallComponent, row, component=component(ctx, its), links=links(ctx, "components", its)) for row, its in components
    ]
    workspace = flat(wire_workspaces.TerraformWorkspace, head.workspace) if head.workspace else None
    page.sandbox = flat(wire_sandboxes.InstallSandbox, head.sandbox, terraform_workspace=workspace) if head.sandbox else page.sandbox
    page.install_sandbox_runs = [sandbox_run(*row) for row in await _newest_runs(ctx, [install_id], limit=NESTED_RUNS)]
    page.drifted_objects = await drifted(ctx, [install_id])
    if created:
        page.install_stack = await _stack(ctx, install_id)
    return page


async def org_list(ctx: Ctx, rows: Sequence[Install]) -> list[wire.Install]:
    """Return installs as the org's list shows them."""
    ids = [row.id for row in rows]
    heads = {head.install.id: head for head in await _heads(ctx, ids)}
    components = await _components(ctx, ids)
    repositories = await _repositories(ctx, [head.sandbox_config.id for head in heads.values()])
    deploys = {row.install_component_id: row for row in await every(ctx.db, _newest_deploys(ids))}
    active: dict[str, list[Any]] = defaultdict(list)
    for run, config in await _newest_runs(ctx, ids, limit=1, status="active"):
        active[run.install_id].append(sandbox_run(run, config))
    pages: list[wire.Install] = []
    for row in rows:
        head = heads[row.id]
        page = _derived(ctx, head, components[row.id])
        page.app = flat(
            wire_apps.App,
            head.app,
            links=links(ctx, "apps", head.app),
            runner_config=runner_config(head.runner_config),
            cloud_platform=page.cloud_platform,
            runner_type=page.runner_type,
        )
        page.app_sandbox_config = sandbox_config(head.sandbox_config, repositories)
        page.app_runner_config = runner_config(head.runner_config)
        page.install_components = [
            flat(
                wire.InstallComponent,
                of_install,
                component=component(ctx, its),
                links=links(ctx, "components", its),
                install_deploys=[deploy(deploys[of_install.id])] if of_install.id in deploys else [],
            )
            for of_install, its in components[row.id]
        ]
        page.install_sandbox_runs = active[row.id]
        pages.append(page)
    return pages


async def app_list(ctx: Ctx, rows: Sequence[Install]) -> list[wire.Install]:
    """Return installs as an app's list shows them."""
    ids = [row.id for row in rows]
    heads = {head.install.id: head for head in await _heads(ctx, ids)}
    components = await _components(ctx, ids)
    runs: dict[str, list[Any]] = defaultdict(list)
    for run, _ in await _newest_runs(ctx, ids, limit=LISTED_RUNS):
        runs[run.install_id].append(sandbox_run(run))
    pages: list[wire.Install] = []
    for row in rows:
        page = _derived(ctx, heads[row.id], components[row.id])
        page.app_sandbox_config = sandbox_config(heads[row.id].sandbox_config)
        page.app_runner_config = runner_config(heads[row.id].runner_config)
        page.install_sandbox_runs = runs[row.id]
        pages.append(page)
    return pages


async def components(ctx: Ctx, rows: Sequence[tuple[InstallComponent, Component]], *, deploys: bool = False) -> list[wire.InstallComponent]:
    """Return components of one install with their workspaces and what drifted; with `deploys`, the newest deploy of each too."""
    ids = [row.id for row, _ in rows]
    statement = select(TerraformWorkspace).where(
        TerraformWorkspace.owner_id.in_(ids), TerraformWorkspace.owner_type == "install_components", TerraformWorkspace.deleted_at == 0
    )
    workspaces = {each.owner_id: flat(wire_workspaces.TerraformWorkspace, each) for each in await every(ctx.db, statement)}
    install_ids = sorted({row.install_id for row, _ in rows})
    differs = {each.install_component_id: each for each in await drifted(ctx, install_ids) if each.install_component_id}
    newest = {}
    if deploys:
        newest = {each.install_component_id: deploy(each) for each in await every(ctx.db, _newest_deploys(install_ids))}
    return [
        flat(
            wire.InstallComponent,
            row,
            component=component(ctx, its),
            links=links(ctx, "components", its),
            terraform_workspace=workspaces.get(row.id),
            drifted_object=differs.get(row.id),
            install_deploys=([newest[row.id]] if row.id in newest else []) if deploys else None,
        )
        for row, its in rows
    ]


def deploy(row: InstallDeploy) -> wire_deploys.InstallDeploy:
    """A deploy below something else: its own columns."""
    return flat(wire_deploys.InstallDeploy, row, outputs={}, workflow_id=row.install_workflow_id)


class _Head(msgspec.Struct):
    """What an install has once."""

    install: Any
    app: Any
    sandbox_config: Any
    runner_config: Any
    aws: Any
    azure: Any
    config: Any
    sandbox: Any
    workspace: Any
    runner: Any


async def _heads(ctx: Ctx, ids: Sequence[str]) -> list[_Head]:
    def own(table: type[Any]) -> Any:
        return and_(table.install_id == Install.id, table.deleted_at == 0)

    statement = (
        select(
            Install,
            App,
            AppSandboxConfig,
            AppRunnerConfig,
            AWSAccount,
            AzureAccount,
            InstallConfig,
            InstallSandbox,
            TerraformWorkspace,
            Runner,
        )
        .join(App, App.id == Install.app_id)
        .join(AppSandboxConfig, AppSandboxConfig.id == Install.app_sandbox_config_id)
        .join(AppRunnerConfig, AppRunnerConfig.id == Install.app_runner_config_id)
        .outerjoin(AWSAccount, own(AWSAccount))
        .outerjoin(AzureAccount, own(AzureAccount))
        .outerjoin(InstallConfig, own(InstallConfig))
        .outerjoin(InstallSandbox, own(InstallSandbox))
        .outerjoin(
            TerraformWorkspace,
            and_(
                TerraformWorkspace.owner_id == InstallSandbox.id,
                TerraformWorkspace.owner_type == InstallSandbox.__tablename__,
                TerraformWorkspace.deleted_at == 0,
            ),
        )
        .outerjoin(RunnerGroup, and_(RunnerGroup.owner_id == Install.id, RunnerGroup.owner_type == "installs", RunnerGroup.deleted_at == 0))
        .outerjoin(Runner, and_(Runner.runner_group_id == RunnerGroup.id, Runner.deleted_at == 0))
        .where(Install.id.in_(ids), Install.org_id == ctx.org_id, Install.deleted_at == 0)
        .order_by(Install.id, Runner.created_at)
        .ext(distinct_on(Install.id))
    )
    return [_Head(*tuple(row)) for row in (await ctx.db.execute(statement)).all()]


def _derived(ctx: Ctx, head: _Head, components: Sequence[tuple[InstallComponent, Component]]) -> wire.Install:
    """The install with what is computed when it is read."""
    statuses: dict[str, str | None] = {row.component_id: row.status for row, _ in components}
    summed, sentence = rules.composite_component_status(row.status for row, _ in components)
    runner_type = head.runner_config.app_runner_type
    return flat(
        wire.Install,
        head.install,
        metadata=dict(head.install.install_metadata),
        aws_account=flat(wire.AWSAccount, head.aws) if head.aws else None,
        azure_account=flat(wire.AzureAccount, head.azure) if head.azure else None,
        component_statuses=statuses,
        composite_component_status=summed,
        composite_component_status_description=sentence,
        runner_id=head.runner.id if head.runner else "",
        runner_status=head.runner.status if head.runner else "deprovisioned",
        runner_status_description=head.runner.status_description if head.runner else "",
        runner_type=runner_type,
        cloud_platform=rules.cloud_of(runner_type),
        sandbox_status=head.sandbox.status if head.sandbox else "",
        sandbox_status_description=head.sandbox.status_description if head.sandbox else "",
        status=DEPRECATED,
        status_description=DEPRECATED_TEXT,
        links=links(ctx, "installs", head.install),
    )


async def _components(ctx: Ctx, ids: Sequence[str]) -> dict[str, list[tuple[InstallComponent, Component]]]:
    statement = (
        select(InstallComponent, Component)
        .join(Component, Component.id == InstallComponent.component_id)
        .where(InstallComponent.install_id.in_(ids), InstallComponent.deleted_at == 0, Component.deleted_at == 0)
        .order_by(Component.name, InstallComponent.id)
    )
    found: dict[str, list[tuple[InstallComponent, Component]]] = defaultdict(list)
    for row, its in (await ctx.db.execute(statement)).all():
        found[row.install_id].append((row, its))
    return found


async def _newest_runs(ctx: Ctx, ids: Sequence[str], *, limit: int, status: str = "") -> list[tuple[InstallSandboxRun, AppSandboxConfig]]:
    """The newest sandbox runs of each install, with their configs."""
    place = func.row_number().over(
        partition_by=InstallSandboxRun.install_id, order_by=(InstallSandboxRun.created_at.desc(), InstallSandboxRun.id.desc())
    )
    placed = select(InstallSandboxRun.id, place.label("place")).where(
        InstallSandboxRun.install_id.in_(ids), InstallSandboxRun.org_id == ctx.org_id, InstallSandboxRun.deleted_at == 0
    )
    if status:
        placed = placed.where(InstallSandboxRun.status == status)
    newest = placed.subquery()
    statement = (
        select(InstallSandboxRun, AppSandboxConfig)
        .join(newest, newest.c.id == InstallSandboxRun.id)
        .outerjoin(AppSandboxConfig, AppSandboxConfig.id == InstallSandboxRun.app_sandbox_config_id)
        .where(newest.c.place <= limit)
        .order_by(InstallSandboxRun.created_at.desc(), InstallSandboxRun.id.desc())
    )
    return [(row[0], row[1]) for row in (await ctx.db.execute(statement)).all()]


def _newest_deploys(ids: Sequence[str]) -> Select[InstallDeploy]:
    return (
        select(InstallDeploy)
        .ext(distinct_on(InstallDeploy.install_component_id))
        .where(InstallDeploy.install_id.in_(ids), InstallDeploy.deleted_at == 0)
        .order_by(InstallDeploy.install_component_id, InstallDeploy.created_at.desc())
    )


async def _repositories(ctx: Ctx, config_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The repository of each config, under the key that the wire has for its kind."""
    found: dict[str, dict[str, Any]] = {}
    kinds: tuple[tuple[type[Any], str, type[Any]], ...] = (
        (PublicGitVCSConfig, "public_git_vcs_config", wire_vcs.PublicGitVCSConfig),
        (ConnectedGithubVCSConfig, "connected_github_vcs_config", wire_vcs.ConnectedGithubVCSConfig),
    )
    for table, key, kind in kinds:
        statement = select(table).where(table.component_config_id.in_(config_ids), table.deleted_at == 0)
        for row in await every(ctx.db, statement):
            found[row.component_config_id] = {key: flat(kind, row)}
    return found


async def drifted(ctx: Ctx, ids: Sequence[str]) -> list[wire_deploys.DriftedObject]:
    """Return what differs from its config: components and sandboxes whose newest deploy or run found drift."""
    deploys = _newest_deploys(ids).where(InstallDeploy.org_id == ctx.org_id).subquery()
    by_deploy = (
        select(InstallDeploy, Component.name, ComponentBuild.id)
        .join(deploys, deploys.c.id == InstallDeploy.id)
        .join(Component, Component.id == InstallDeploy.component_id)
        .outerjoin(ComponentBuild, ComponentBuild.id == InstallDeploy.build_id)
        .where(deploys.c.status == "drifted")
        .order_by(Component.name)
    )
    found = [
        wire_deploys.DriftedObject(
            target_type="install_deploy",
            target_id=row.id,
            install_workflow_id=row.install_workflow_id,
            component_build_id=build_id or "",
            install_component_id=row.install_component_id,
            component_name=name,
            install_id=row.install_id,
            org_id=row.org_id,
        )
        for row, name, build_id in (await ctx.db.execute(by_deploy)).all()
    ]
    for run, _ in await _newest_runs(ctx, ids, limit=1):
        if run.status == "drifted":
            found.append(
                wire_deploys.DriftedObject(
                    target_type="install_sandbox_run",
                    target_id=run.id,
                    install_workflow_id=run.install_workflow_id,
                    app_sandbox_config_id=run.app_sandbox_config_id,
                    install_sandbox_id=run.install_sandbox_id,
                    install_id=run.install_id,
                    org_id=run.org_id,
                )
            )
    return found


async def _stack(ctx: Ctx, install_id: str) -> wire_stacks.InstallStack | None:
    statement = (
        select(InstallStack, InstallStackOutputs)
        .outerjoin(InstallStackOutputs, InstallStackOutputs.install_stack_id == InstallStack.id)
        .where(InstallStack.install_id == install_id, InstallStack.deleted_at == 0)
    )
    found = (await ctx.db.execute(statement)).first()
    return flat(wire_stacks.InstallStack, found[0]) if found else None
