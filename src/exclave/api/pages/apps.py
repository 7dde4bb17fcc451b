"""Apps and their configs (spec nesting.md 2 "apps", 3.10)."""

import re
from collections.abc import Sequence

from exclave.api.pages import actions_config, components, vcs
from exclave.api.pages.columns import fill
from exclave.api.pages.references import refs
from exclave.domain.apps import queries, rules, service
from exclave.domain.apps.models import (
    App,
    AppAWSIAMPolicyConfig,
    AppAWSIAMRoleConfig,
    AppBreakGlassConfig,
    AppConfig,
    AppInput,
    AppInputConfig,
    AppInputGroup,
    AppPermissionsConfig,
    AppRunnerConfig,
    AppSandboxConfig,
    AppSecretConfig,
    AppSecretsConfig,
)
from exclave.domain.orgs import queries as org_queries
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, first
from exclave.wire.public import access as access_wire
from exclave.wire.public import apps as wire
from exclave.wire.public import orgs as org_wire


def config(row: AppConfig) -> wire.AppConfig:
    """A config alone."""
    return fill(wire.AppConfig, row)


async def config_tree(ctx: Ctx, row: AppConfig) -> wire.AppConfig:
    """A config with everything that belongs to it; refused while it is in error."""
    if row.status == "error":
        raise errors.Invalid(f"the app config is in error: {row.status_description}")
    shape = config(row)
    permissions = await service.permissions_config(ctx, row.id)
    break_glass = await service.break_glass_config(ctx, row.id)
    policies = await service.policies_config(ctx, row.id)
    secrets = await service.secrets_config(ctx, row.id)
    inputs = await service.input_config(ctx, row.id)
    runner = await service.runner_config(ctx, row.id)
    sandbox = await service.sandbox_config(ctx, row.id)
    stack = await service.stack_config(ctx, row.id)
    shape.permissions = await permissions_config(ctx, permissions) if permissions is not None else None
    shape.break_glass = await break_glass_config(ctx, break_glass) if break_glass is not None else None
    shape.policies = fill(access_wire.AppPoliciesConfig, policies) if policies is not None else None
    shape.secrets = await secrets_config(ctx, secrets) if secrets is not None else None
    shape.input = (await input_configs(ctx, [inputs], groups=False))[0] if inputs is not None else None
    shape.runner = runner_config(runner) if runner is not None else None
    shape.sandbox = (await sandbox_configs(ctx, [sandbox], connections=True))[0] if sandbox is not None else None
    shape.stack = fill(wire.AppStackConfig, stack) if stack is not None else None
    shape.component_config_connections = await components.connections_in(ctx, row)
    shape.action_workflow_configs = await actions_config.of_app_config(ctx, row.id)
    return shape


async def app(ctx: Ctx, row: App) -> wire.App:
    """One app with its newest configs."""
    shape = fill(wire.App, row, links=_links(ctx, row))
    configs = await every(ctx.db, queries.configs(ctx.actor, row.id).limit(3))
    shape.app_configs = [config(each) for each in configs]
    inputs = await every(ctx.db, queries.newest_children(AppInputConfig, ctx.actor, [row.id]))
    shape.input_config = (await input_configs(ctx, inputs))[0] if inputs else None
    notifications = await first(ctx.db, org_queries.notifications_of(row.id))
    shape.notifications_config = fill(org_wire.NotificationsConfig, notifications) if notifications is not None else None
    await _with_platform(ctx, [row], [shape])
    return shape


async def apps(ctx: Ctx, rows: Sequence[App]) -> list[wire.App]:
    """Apps of a list: the newest config, runner and sandbox config of each."""
    shapes = [fill(wire.App, row, links=_links(ctx, row)) for row in rows]
    newest = await every(ctx.db, queries.newest_configs(ctx.actor, [row.id for row in rows], each=1)) if rows else []
    for shape in shapes:
        shape.app_configs = [config(each) for each in newest if each.app_id == shape.id]
    await _with_platform(ctx, rows, shapes)
    return shapes


async def created(ctx: Ctx, row: App) -> wire.App:
    """The answer to creating an app: its notifications config, no links."""
    notifications = await first(ctx.db, org_queries.notifications_of(row.id))
    return fill(
        wire.App,
        row,
        notifications_config=fill(org_wire.NotificationsConfig, notifications) if notifications is not None else None,
    )


async def sandbox_configs(ctx: Ctx, rows: Sequence[AppSandboxConfig], *, connections: bool = False) -> list[wire.AppSandboxConfig]:
    """Sandbox configs with their source."""
    found = await vcs.sources(ctx, [row.id for row in rows], connections=connections)
    return [
        fill(
            wire.AppSandboxConfig,
            row,
            refs=refs(row.references),
            public_git_vcs_config=found.public(row.id),
            connected_github_vcs_config=found.connected(row.id),
        )
        for row in rows
    ]


def runner_config(row: AppRunnerConfig) -> wire.AppRunnerConfig:
    """A runner config, with the cloud that its type means."""
    return fill(wire.AppRunnerConfig, row, cloud_platform=rules.cloud_platform(row.app_runner_type))


async def input_configs(ctx: Ctx, rows: Sequence[AppInputConfig], *, groups: bool = True) -> list[wire.AppInputConfig]:
    """Input configs with inputs and groups by index; with `groups`, each input names its group and each group lists its inputs."""
    ids = [row.id for row in rows]
    inputs: list[AppInput] = await every(
        ctx.db, queries.parts(AppInput, ctx.actor).where(AppInput.app_input_id.in_(ids)).order_by(AppInput.index, AppInput.name)
    )
    rows_of_groups: list[AppInputGroup] = await every(
        ctx.db,
        queries.parts(AppInputGroup, ctx.actor)
        .where(AppInputGroup.app_input_id.in_(ids))
        .order_by(AppInputGroup.index, AppInputGroup.name),
    )
    by_id = {group.id: group for group in rows_of_groups}
    shapes = []
    for row in rows:
        shape = fill(wire.AppInputConfig, row)
        shape.inputs = []
        for each in inputs:
            if each.app_input_id == row.id:
                given = input_shape(each)
                if groups and each.group_id in by_id:
                    given.group = fill(wire.AppInputGroup, by_id[each.group_id])
                shape.inputs.append(given)
        shape.input_groups = []
        for group in rows_of_groups:
            if group.app_input_id == row.id:
                listed = fill(wire.AppInputGroup, group)
                if groups:
                    listed.app_inputs = [input_shape(each) for each in inputs if each.group_id == group.id]
                shape.input_groups.append(listed)
        shapes.append(shape)
    return shapes


def input_shape(row: AppInput) -> wire.AppInput:
    """An input. What customers give in their stack carries the names that it has there."""
    if row.source != "customer":
        return fill(wire.AppInput, row)
    name = f"Install{_camel(row.name)}"
    return fill(wire.AppInput, row, cloudformation_stack_name=name, cloudformation_stack_parameter_name=name)


async def permissions_config(ctx: Ctx, row: AppPermissionsConfig) -> access_wire.AppPermissionsConfig:
    """The IAM roles of an app, also by what they are for."""
    roles = await _roles(ctx, row.id)
    by_type = {role.type: role for role in roles}
    return fill(
        access_wire.AppPermissionsConfig,
        row,
        aws_iam_roles=roles,
        provision_aws_iam_role=by_type.get("runner_provision"),
        maintenance_aws_iam_role=by_type.get("runner_maintenance"),
        deprovision_aws_iam_role=by_type.get("runner_deprovision"),
        break_glass_aws_iam_role=by_type.get("runner_breakglass"),
    )


async def break_glass_config(ctx: Ctx, row: AppBreakGlassConfig) -> access_wire.AppBreakGlassConfig:
    """The IAM roles for emergencies."""
    return fill(access_wire.AppBreakGlassConfig, row, aws_iam_roles=await _roles(ctx, row.id))


async def secrets_config(ctx: Ctx, row: AppSecretsConfig) -> access_wire.AppSecretsConfig:
    """Which secrets live on the customer's side."""
    secrets: list[AppSecretConfig] = await every(
        ctx.db,
        queries.parts(AppSecretConfig, ctx.actor)
        .where(AppSecretConfig.app_secrets_config_id == row.id)
        .order_by(AppSecretConfig.created_at),
    )
    return fill(
        access_wire.AppSecretsConfig,
        row,
        secrets=[
            fill(
                access_wire.AppSecretConfig,
                secret,
                app_id=row.app_id,
                cloudformation_stack_name=_camel(secret.name),
                cloudformation_param_name=_camel(secret.name) + "Param",
            )
            for secret in secrets
        ],
    )


async def _roles(ctx: Ctx, owner_id: str) -> list[access_wire.AppAWSIAMRoleConfig]:
    roles: list[AppAWSIAMRoleConfig] = await every(
        ctx.db,
        queries.parts(AppAWSIAMRoleConfig, ctx.actor)
        .where(AppAWSIAMRoleConfig.owner_id == owner_id)
        .order_by(AppAWSIAMRoleConfig.created_at),
    )
    policies: list[AppAWSIAMPolicyConfig] = await every(
        ctx.db,
        queries.parts(AppAWSIAMPolicyConfig, ctx.actor)
        .where(AppAWSIAMPolicyConfig.app_aws_iam_role_config_id.in_([role.id for role in roles]))
        .order_by(AppAWSIAMPolicyConfig.created_at),
    )
    return [_role(role, [policy for policy in policies if policy.app_aws_iam_role_config_id == role.id]) for role in roles]


def _role(role: AppAWSIAMRoleConfig, policies: list[AppAWSIAMPolicyConfig]) -> access_wire.AppAWSIAMRoleConfig:
    stack_name = _camel(role.type + "_" + role.name) if "breakglass" in role.type else _camel(role.type)
    return fill(
        access_wire.AppAWSIAMRoleConfig,
        role,
        permissions_boundary=role.permissions_boundary.encode(),
        cloudformation_stack_name=stack_name,
        cloudformation_param_name="Enable" + stack_name,
        policies=[
            fill(
                access_wire.AppAWSIAMPolicyConfig,
                policy,
                contents=policy.contents.encode(),
                cloudformation_stack_name=_camel(policy.name),
            )
            for policy in policies
        ],
    )


async def _with_platform(ctx: Ctx, rows: Sequence[App], shapes: Sequence[wire.App]) -> None:
    """Give apps their newest runner and sandbox config, and what the runner config means."""
    ids = [row.id for row in rows]
    if not ids:
        return
    runners = {row.app_id: row for row in await every(ctx.db, queries.newest_children(AppRunnerConfig, ctx.actor, ids))}
    sandboxes = await every(ctx.db, queries.newest_children(AppSandboxConfig, ctx.actor, ids))
    sandbox_of = {row.app_id: shape for row, shape in zip(sandboxes, await sandbox_configs(ctx, sandboxes), strict=True)}
    for shape in shapes:
        runner = runners.get(shape.id)
        shape.runner_config = runner_config(runner) if runner is not None else None
        shape.sandbox_config = sandbox_of.get(shape.id)
        shape.runner_type = runner.app_runner_type if runner is not None else "unknown"
        shape.cloud_platform = rules.cloud_platform(runner.app_runner_type) if runner is not None else "unknown"


def _links(ctx: Ctx, row: App) -> dict[str, str]:
    settings = ctx.runtime.settings
    return {"ui": f"{settings.ui_url}/{row.org_id}/apps/{row.id}", "api": f"{settings.public_url}/v1/apps/{row.id}"}


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name) if part)
