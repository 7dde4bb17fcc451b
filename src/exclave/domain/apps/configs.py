"""Open a config, set its outcome, and take in the parts that belong to it (spec domain.md 4.2, config.md 4.2).

A sync is many requests: `create` opens a config, each part names it, `update` closes it. A part without a config is what old
clients send: it belongs to the app, and the newest counts.
"""

from typing import TypeVar

from sqlalchemy import select

from exclave.domain.accounts import service as accounts
from exclave.domain.apps import queries, rules, service, sources
from exclave.domain.apps.events import RunnerConfigCreated
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
    AppPoliciesConfig,
    AppPolicyConfig,
    AppRunnerConfig,
    AppSandboxConfig,
    AppSecretConfig,
    AppSecretsConfig,
    AppStackConfig,
)
from exclave.domain.audit import service as audit
from exclave.kit.context import Ctx
from exclave.kit.db import Row
from exclave.wire.public import access as access_wire
from exclave.wire.public import apps as wire

Kept = TypeVar("Kept", bound=Row)


async def create(ctx: Ctx, app: App, body: wire.CreateAppConfigRequest) -> AppConfig:
    """Open the next version of an app's config, to be filled and closed by the client."""
    # Two syncs at once take turns here, so that each gets a version of its own.
    await ctx.db.execute(select(App.id).where(App.id == app.id).with_for_update())
    version = (await ctx.db.execute(queries.highest_version(app.id))).scalar_one() + 1
    config = AppConfig(
        org_id=app.org_id,
        created_by_id=ctx.actor.account_id,
        app_id=app.id,
        version=version,
        status="pending",
        status_description="sync pending",
        readme=body.readme,
        cli_version=body.cli_version,
    )
    return await _kept(ctx, config)


async def update(ctx: Ctx, config: AppConfig, body: wire.UpdateAppConfigRequest) -> AppConfig:
    """Set status, description, state and components of a config; what is absent, null or empty stays.

    A list that is there but empty takes the components out. Setting it active completes the journey step of the first sync.
    """
    if body.status:
        config.status = body.status
    if body.status_description:
        config.status_description = body.status_description
    if body.state:
        config.state = body.state
    if body.component_ids is not None:
        config.component_ids = list(dict.fromkeys(body.component_ids))
    if body.status == "active":
        await accounts.complete_step(ctx, ctx.actor.account_id, "app_synced")
    await audit.record(ctx, "update", config, status=config.status)
    return config


async def create_inputs(ctx: Ctx, app: App, body: wire.CreateAppInputConfigRequest) -> AppInputConfig:
    """Store the inputs that an install is asked for, with their groups."""
    rules.check_inputs(body)
    config = AppInputConfig(**await _belonging(ctx, app, body.app_config_id))
    ctx.db.add(config)
    await ctx.db.flush()
    groups: dict[str, AppInputGroup] = {}
    for name, group in body.groups.items():
        groups[name] = AppInputGroup(
            org_id=app.org_id,
            created_by_id=ctx.actor.account_id,
            app_input_id=config.id,
            name=name,
            display_name=group.display_name,
            description=group.description,
            index=group.index,
        )
    ctx.db.add_all(groups.values())
    for name, given in body.inputs.items():
        ctx.db.add(
            AppInput(
                org_id=app.org_id,
                created_by_id=ctx.actor.account_id,
                app_input_id=config.id,
                group_id=groups[given.group].id,
                name=name,
                display_name=given.display_name,
                description=given.description,
                default=given.default,
                required=given.required,
                sensitive=given.sensitive,
                internal=given.internal,
                index=given.index,
                type=given.type or "string",
                source=given.source or "vendor",
            )
        )
    return await _kept(ctx, config)


async def create_sandbox(ctx: Ctx, app: App, body: wire.CreateAppSandboxConfigRequest) -> AppSandboxConfig:
    """Store the base infrastructure of an install: a Terraform module and what it is given."""
    rules.present({"terraform_version": body.terraform_version})
    config = AppSandboxConfig(
        **await _belonging(ctx, app, body.app_config_id),
        terraform_version=body.terraform_version,
        variables=body.variables,
        env_vars=body.env_vars,
        variables_files=list(body.variables_files or []),
        references=rules.references(body.references),
        drift_schedule=rules.checked_cron(body.drift_schedule, "drift_schedule"),
    )
    ctx.db.add(config)
    await ctx.db.flush()
    await sources.keep(ctx, config, body.public_git_vcs_config, body.connected_github_vcs_config)
    return await _kept(ctx, config)


async def create_runner(ctx: Ctx, app: App, body: wire.CreateAppRunnerConfigRequest) -> AppRunnerConfig:
    """Store where the runner of an install lives. The installs of the app follow the newest."""
    config = AppRunnerConfig(
        **await _belonging(ctx, app, body.app_config_id),
        app_runner_type=body.type,
        env_vars=body.env_vars or {},
        helm_driver=body.helm_driver or "",
        init_script=body.init_script_url,
    )
    await _kept(ctx, config)
    await ctx.tell(RunnerConfigCreated(app.id, config.id))
    return config


async def create_stack(ctx: Ctx, app: App, body: wire.CreateAppStackConfigRequest) -> AppStackConfig:
    """Store the stack that a customer runs to let the runner in."""
    rules.present({"app_config_id": body.app_config_id, "name": body.name, "description": body.description})
    config = AppStackConfig(
        **await _belonging(ctx, app, body.app_config_id),
        type=body.type,
        name=body.name,
        description=body.description,
        runner_nested_template_url=body.runner_nested_template_url,
        vpc_nested_template_url=body.vpc_nested_template_url,
    )
    return await _kept(ctx, config)


async def create_permissions(ctx: Ctx, app: App, body: access_wire.CreateAppPermissionsConfigRequest) -> AppPermissionsConfig:
    """Store the IAM roles that the runner takes on."""
    rules.present({"app_config_id": body.app_config_id})
    roles = [
        ("runner_provision", "provision_role", body.provision_role),
        ("runner_maintenance", "maintenance_role", body.maintenance_role),
        ("runner_deprovision", "deprovision_role", body.deprovision_role),
        *(("runner_breakglass", f"break_glass_roles.{at}", role) for at, role in enumerate(body.break_glass_roles or [])),
    ]
    for _, field, role in roles:
        rules.check_role(role, field)
    config = AppPermissionsConfig(**await _belonging(ctx, app, body.app_config_id))
    ctx.db.add(config)
    await ctx.db.flush()
    for kind, _, role in roles:
        await _add_role(ctx, config, kind, role)
    return await _kept(ctx, config)


async def create_break_glass(ctx: Ctx, app: App, body: access_wire.CreateAppBreakGlassConfigRequest) -> AppBreakGlassConfig:
    """Store the IAM roles for emergencies."""
    rules.present({"app_config_id": body.app_config_id})
    for at, role in enumerate(body.roles):
        rules.check_role(role, f"roles.{at}")
    config = AppBreakGlassConfig(**await _belonging(ctx, app, body.app_config_id))
    ctx.db.add(config)
    await ctx.db.flush()
    for role in body.roles:
        await _add_role(ctx, config, "breakglass", role)
    return await _kept(ctx, config)


async def create_policies(ctx: Ctx, app: App, body: access_wire.CreateAppPoliciesConfigRequest) -> AppPoliciesConfig:
    """Store the policies that plans and clusters are held against."""
    rules.present({"app_config_id": body.app_config_id})
    for at, policy in enumerate(body.policies or []):
        rules.present({f"policies.{at}.contents": policy.contents})
    config = AppPoliciesConfig(**await _belonging(ctx, app, body.app_config_id))
    ctx.db.add(config)
    await ctx.db.flush()
    for policy in body.policies or []:
        ctx.db.add(
            AppPolicyConfig(
                org_id=app.org_id,
                created_by_id=ctx.actor.account_id,
                app_policies_config_id=config.id,
                type=policy.type,
                contents=policy.contents,
            )
        )
    return await _kept(ctx, config)


async def create_secrets(ctx: Ctx, app: App, body: access_wire.CreateAppSecretsConfigRequest) -> AppSecretsConfig:
    """Store which secrets live on the customer's side. Their values never come here."""
    rules.present({"app_config_id": body.app_config_id})
    for at, secret in enumerate(body.secrets or []):
        rules.check_secret(secret, f"secrets.{at}")
    config = AppSecretsConfig(**await _belonging(ctx, app, body.app_config_id))
    ctx.db.add(config)
    await ctx.db.flush()
    for secret in body.secrets or []:
        ctx.db.add(
            AppSecretConfig(
                org_id=app.org_id,
                created_by_id=ctx.actor.account_id,
                app_secrets_config_id=config.id,
                app_config_id=config.app_config_id,
                name=secret.name,
                display_name=secret.display_name,
                description=secret.description,
                required=secret.required,
                auto_generate=secret.auto_generate,
                format=secret.format,
                default=secret.default,
                kubernetes_sync=secret.kubernetes_sync,
                kubernetes_secret_namespace=secret.kubernetes_secret_namespace,
                kubernetes_secret_name=secret.kubernetes_secret_name,
            )
        )
    return await _kept(ctx, config)


async def check_open(ctx: Ctx, app: App, app_config_id: str) -> None:
    """Raise unless the config that a part names belongs to the app."""
    if app_config_id:
        await service.config(ctx, app_config_id, app_id=app.id)


async def _belonging(ctx: Ctx, app: App, app_config_id: str) -> dict[str, str]:
    await check_open(ctx, app, app_config_id)
    return {"org_id": app.org_id, "created_by_id": ctx.actor.account_id, "app_id": app.id, "app_config_id": app_config_id}


async def _add_role(
    ctx: Ctx, owner: AppPermissionsConfig | AppBreakGlassConfig, kind: str, role: access_wire.AppAWSIAMRoleConfigRequest
) -> None:
    row = AppAWSIAMRoleConfig(
        org_id=owner.org_id,
        created_by_id=ctx.actor.account_id,
        app_config_id=owner.app_config_id,
        owner_id=owner.id,
        owner_type=owner.__tablename__,
        type=kind,
        name=role.name,
        display_name=role.display_name,
        description=role.description,
        permissions_boundary=role.permissions_boundary,
    )
    ctx.db.add(row)
    await ctx.db.flush()
    for policy in role.policies or []:
        ctx.db.add(
            AppAWSIAMPolicyConfig(
                org_id=owner.org_id,
                created_by_id=ctx.actor.account_id,
                app_config_id=owner.app_config_id,
                app_aws_iam_role_config_id=row.id,
                name=policy.name,
                managed_policy_name=policy.managed_policy_name,
                contents=policy.contents,
            )
        )


async def _kept(ctx: Ctx, row: Kept) -> Kept:
    ctx.db.add(row)
    await ctx.db.flush()
    await audit.record(ctx, "create", row)
    return row
