"""The parts of an app's config: inputs, sandbox, runner, stack, permissions, policies, secrets, break-glass.

A path that the contract documents and one that only servers register lead to the same function.
"""

from typing import TypeVar

from exclave.api.pages import apps as pages
from exclave.api.pages.columns import fill
from exclave.api.route import Page, Routes
from exclave.domain.apps import configs, extras, queries, service
from exclave.domain.apps.models import (
    AppBranch,
    AppBreakGlassConfig,
    AppConfig,
    AppConfigChild,
    AppInputConfig,
    AppPermissionsConfig,
    AppPoliciesConfig,
    AppRunnerConfig,
    AppSandboxConfig,
    AppSecret,
    AppSecretsConfig,
    AppStackConfig,
)
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, one
from exclave.wire.public import access as access_wire
from exclave.wire.public import apps as wire

route = Routes("apps")

Part = TypeVar("Part", bound=AppConfigChild)


async def _newest(ctx: Ctx, kind: type[Part], app_id: str, what: str) -> Part:
    app = await service.get(ctx, app_id)
    wanted = queries.children(kind, ctx.actor, app_id=app.id).limit(1)
    found: Part = await one(ctx.db, wanted, or_raise=errors.NotFound(f"the app has no {what} config yet"))
    return found


async def _one(ctx: Ctx, kind: type[Part], app_id: str, part_id: str, what: str) -> Part:
    app = await service.get(ctx, app_id)
    wanted = queries.children(kind, ctx.actor, app_id=app.id).where(kind.id == part_id)
    found: Part = await one(ctx.db, wanted, or_raise=errors.NotFound(f"{what} config {part_id!r} not found"))
    return found


async def _listed(ctx: Ctx, kind: type[Part], app_id: str, page: Page) -> list[Part]:
    app = await service.get(ctx, app_id)
    wanted = queries.children(kind, ctx.actor, app_id=app.id)
    return page.cut(await every(ctx.db, wanted.offset(page.offset).limit(page.fetch)))


# Inputs.


@route.post("/v1/apps/{app_id}/input-config")
async def create_app_input_config(ctx: Ctx, app_id: str, body: wire.CreateAppInputConfigRequest) -> wire.AppInputConfig:
    """Store the inputs that an install is asked for."""
    row = await configs.create_inputs(ctx, await service.get(ctx, app_id), body)
    return (await pages.input_configs(ctx, [row], groups=False))[0]


@route.get("/v1/apps/{app_id}/input-configs")
async def get_app_input_configs(ctx: Ctx, app_id: str, page: Page) -> list[wire.AppInputConfig]:
    """List the input configs of an app, newest first."""
    return await pages.input_configs(ctx, await _listed(ctx, AppInputConfig, app_id, page))


@route.get("/v1/apps/{app_id}/input-configs/{input_config_id}")
async def get_app_input_config(ctx: Ctx, app_id: str, input_config_id: str) -> wire.AppInputConfig:
    """Read one input config."""
    return (await pages.input_configs(ctx, [await _one(ctx, AppInputConfig, app_id, input_config_id, "input")]))[0]


@route.get("/v1/apps/{app_id}/input-latest-config")
async def get_app_input_latest_config(ctx: Ctx, app_id: str) -> wire.AppInputConfig:
    """Read the newest input config."""
    return (await pages.input_configs(ctx, [await _newest(ctx, AppInputConfig, app_id, "input")]))[0]


# Sandbox.


@route.post("/v1/apps/{app_id}/sandbox-configs", deprecated=["/v1/apps/{app_id}/sandbox-config"])
async def create_app_sandbox_config(ctx: Ctx, app_id: str, body: wire.CreateAppSandboxConfigRequest) -> wire.AppSandboxConfig:
    """Store the base infrastructure of an install."""
    row = await configs.create_sandbox(ctx, await service.get(ctx, app_id), body)
    return (await pages.sandbox_configs(ctx, [row]))[0]


@route.get("/v1/apps/{app_id}/sandbox-configs")
async def get_app_sandbox_configs(ctx: Ctx, app_id: str, page: Page) -> list[wire.AppSandboxConfig]:
    """List the sandbox configs of an app, newest first."""
    return await pages.sandbox_configs(ctx, await _listed(ctx, AppSandboxConfig, app_id, page))


@route.get("/v1/apps/{app_id}/sandbox-latest-config")
async def get_app_sandbox_latest_config(ctx: Ctx, app_id: str) -> wire.AppSandboxConfig:
    """Read the newest sandbox config."""
    return (await pages.sandbox_configs(ctx, [await _newest(ctx, AppSandboxConfig, app_id, "sandbox")]))[0]


# Runner.


@route.post("/v1/apps/{app_id}/runner-configs")
async def create_app_runner_config(ctx: Ctx, app_id: str, body: wire.CreateAppRunnerConfigRequest) -> wire.AppRunnerConfig:
    """Store where the runners of installs live."""
    return pages.runner_config(await configs.create_runner(ctx, await service.get(ctx, app_id), body))


@route.get("/v1/apps/{app_id}/runner-configs")
async def get_app_runner_configs(ctx: Ctx, app_id: str, page: Page) -> list[wire.AppRunnerConfig]:
    """List the runner configs of an app, newest first."""
    return [pages.runner_config(row) for row in await _listed(ctx, AppRunnerConfig, app_id, page)]


@route.get("/v1/apps/{app_id}/runner-latest-config")
async def get_app_runner_latest_config(ctx: Ctx, app_id: str) -> wire.AppRunnerConfig:
    """Read the newest runner config."""
    return pages.runner_config(await _newest(ctx, AppRunnerConfig, app_id, "runner"))


# Stack.


@route.post("/v1/apps/{app_id}/stack-configs")
async def create_app_stack_config(ctx: Ctx, app_id: str, body: wire.CreateAppStackConfigRequest) -> wire.AppStackConfig:
    """Store the stack that customers run."""
    return fill(wire.AppStackConfig, await configs.create_stack(ctx, await service.get(ctx, app_id), body))


@route.get("/v1/apps/{app_id}/stack-configs/{config_id}")
async def get_app_stack_config(ctx: Ctx, app_id: str, config_id: str) -> wire.AppStackConfig:
    """Read one stack config."""
    return fill(wire.AppStackConfig, await _one(ctx, AppStackConfig, app_id, config_id, "stack"))


# Permissions.


@route.post("/v1/apps/{app_id}/permissions-configs")
async def create_app_permissions_config(
    ctx: Ctx, app_id: str, body: access_wire.CreateAppPermissionsConfigRequest
) -> access_wire.AppPermissionsConfig:
    """Store the IAM roles that the runner takes on."""
    return await pages.permissions_config(ctx, await configs.create_permissions(ctx, await service.get(ctx, app_id), body))


@route.get("/v1/apps/{app_id}/permissions-configs/{permissions_config_id}")
async def get_app_permissions_config(ctx: Ctx, app_id: str, permissions_config_id: str) -> access_wire.AppPermissionsConfig:
    """Read one permissions config."""
    return await pages.permissions_config(ctx, await _one(ctx, AppPermissionsConfig, app_id, permissions_config_id, "permissions"))


@route.get("/v1/apps/{app_id}/latest-app-permissions-config", deprecated=["/v1/apps/{app_id}/latest-permissions-config"])
async def get_latest_app_permissions_config(ctx: Ctx, app_id: str) -> access_wire.AppPermissionsConfig:
    """Read the newest permissions config."""
    return await pages.permissions_config(ctx, await _newest(ctx, AppPermissionsConfig, app_id, "permissions"))


# Break-glass.


@route.post("/v1/apps/{app_id}/break-glass-configs")
async def create_app_break_glass_config(
    ctx: Ctx, app_id: str, body: access_wire.CreateAppBreakGlassConfigRequest
) -> access_wire.AppBreakGlassConfig:
    """Store the IAM roles for emergencies."""
    return await pages.break_glass_config(ctx, await configs.create_break_glass(ctx, await service.get(ctx, app_id), body))


@route.get("/v1/apps/{app_id}/break-glass-configs/{break_glass_config_id}")
async def get_app_break_glass_config(ctx: Ctx, app_id: str, break_glass_config_id: str) -> access_wire.AppBreakGlassConfig:
    """Read one break-glass config."""
    return await pages.break_glass_config(ctx, await _one(ctx, AppBreakGlassConfig, app_id, break_glass_config_id, "break-glass"))


@route.get("/v1/apps/{app_id}/latest-app-break-glass-config", deprecated=["/v1/apps/{app_id}/latest-break-glass-config"])
async def get_latest_app_break_glass_config(ctx: Ctx, app_id: str) -> access_wire.AppBreakGlassConfig:
    """Read the newest break-glass config."""
    return await pages.break_glass_config(ctx, await _newest(ctx, AppBreakGlassConfig, app_id, "break-glass"))


# Policies.


@route.post("/v1/apps/{app_id}/policies-configs")
async def create_app_policies_config(
    ctx: Ctx, app_id: str, body: access_wire.CreateAppPoliciesConfigRequest
) -> access_wire.AppPoliciesConfig:
    """Store the policies of an app."""
    return fill(access_wire.AppPoliciesConfig, await configs.create_policies(ctx, await service.get(ctx, app_id), body))


@route.get("/v1/apps/{app_id}/policies-configs/{policies_config_id}")
async def get_app_policies_config(ctx: Ctx, app_id: str, policies_config_id: str) -> access_wire.AppPoliciesConfig:
    """Read one policies config."""
    return fill(access_wire.AppPoliciesConfig, await _one(ctx, AppPoliciesConfig, app_id, policies_config_id, "policies"))


@route.get("/v1/apps/{app_id}/latest-app-policies-config", deprecated=["/v1/apps/{app_id}/latest-policies-config"])
async def get_latest_app_policies_config(ctx: Ctx, app_id: str) -> access_wire.AppPoliciesConfig:
    """Read the newest policies config."""
    return fill(access_wire.AppPoliciesConfig, await _newest(ctx, AppPoliciesConfig, app_id, "policies"))


# Secrets.


@route.post("/v1/apps/{app_id}/secrets-configs")
async def create_app_secrets_config(ctx: Ctx, app_id: str, body: access_wire.CreateAppSecretsConfigRequest) -> access_wire.AppSecretsConfig:
    """Declare the secrets that live on the customer's side."""
    return await pages.secrets_config(ctx, await configs.create_secrets(ctx, await service.get(ctx, app_id), body))


@route.get("/v1/apps/{app_id}/secrets-configs/{app_secrets_config_id}")
async def get_app_secrets_config(ctx: Ctx, app_id: str, app_secrets_config_id: str) -> access_wire.AppSecretsConfig:
    """Read one secrets config."""
    return await pages.secrets_config(ctx, await _one(ctx, AppSecretsConfig, app_id, app_secrets_config_id, "secrets"))


@route.get("/v1/apps/{app_id}/latest-app-secrets-config", deprecated=["/v1/apps/{app_id}/latest-secrets-config"])
async def get_latest_app_secrets_config(ctx: Ctx, app_id: str) -> access_wire.AppSecretsConfig:
    """Read the newest secrets config."""
    return await pages.secrets_config(ctx, await _newest(ctx, AppSecretsConfig, app_id, "secrets"))


# What old clients keep with an app.


@route.post("/v1/apps/{app_id}/secrets", deprecated=["/v1/apps/{app_id}/secret"])
async def create_app_secret(ctx: Ctx, app_id: str, body: access_wire.CreateAppSecretRequest) -> access_wire.AppSecret:
    """Keep a sealed value with an app."""
    return fill(access_wire.AppSecret, await extras.keep_secret(ctx, await service.get(ctx, app_id), body.name, body.value))


@route.get("/v1/apps/{app_id}/secrets")
async def get_app_secrets(ctx: Ctx, app_id: str, page: Page) -> list[access_wire.AppSecret]:
    """List the sealed values of an app, without the values, newest first."""
    app = await service.get(ctx, app_id)
    wanted = queries.parts(AppSecret, ctx.actor).where(AppSecret.app_id == app.id).order_by(AppSecret.created_at.desc())
    rows = await every(ctx.db, wanted.offset(page.offset).limit(page.fetch))
    return [fill(access_wire.AppSecret, row) for row in page.cut(rows)]


@route.delete("/v1/apps/{app_id}/secrets/{secret_id}", deprecated=["/v1/apps/{app_id}/secret/{secret_id}"])
async def delete_app_secret(ctx: Ctx, app_id: str, secret_id: str) -> bool:
    """Forget a sealed value."""
    await extras.forget_secret(ctx, await service.get(ctx, app_id), secret_id)
    return True


# Branches.


@route.post("/v1/apps/{app_id}/branches")
async def create_app_branch(ctx: Ctx, app_id: str, body: wire.CreateAppBranchRequest) -> wire.AppBranch:
    """Create a branch of an app."""
    app = await service.get(ctx, app_id)
    return fill(wire.AppBranch, await extras.create_branch(ctx, app, body.name, body.connected_github_vcs_config_id))


@route.get("/v1/apps/{app_id}/branches")
async def get_app_branches(ctx: Ctx, app_id: str, page: Page) -> list[wire.AppBranch]:
    """List the branches of an app, newest first."""
    app = await service.get(ctx, app_id)
    wanted = queries.parts(AppBranch, ctx.actor).where(AppBranch.app_id == app.id).order_by(AppBranch.created_at.desc())
    rows = await every(ctx.db, wanted.offset(page.offset).limit(page.fetch))
    return [fill(wire.AppBranch, row) for row in page.cut(rows)]


@route.get("/v1/apps/{app_id}/branches/{app_branch_id}/configs")
async def get_app_branch_app_configs(ctx: Ctx, app_id: str, app_branch_id: str, page: Page) -> list[wire.AppConfig]:
    """List the config versions that came from a branch, newest first."""
    app = await service.get(ctx, app_id)
    branch = await extras.branch(ctx, app, app_branch_id)
    wanted = queries.configs(ctx.actor, app.id).where(AppConfig.app_branch_id == branch.id)
    rows = await every(ctx.db, wanted.offset(page.offset).limit(page.fetch))
    return [pages.config(row) for row in page.cut(rows)]
