"""Apps as parents of installs, made by rows."""

import secrets
from collections.abc import Sequence
from typing import Any

from exclave.domain.actions.models import (
    ActionWorkflow,
    ActionWorkflowConfig,
    ActionWorkflowStepConfig,
    ActionWorkflowTriggerConfig,
)
from exclave.domain.apps.models import App, AppConfig, AppInput, AppInputConfig, AppRunnerConfig, AppSandboxConfig
from exclave.domain.components.models import Component
from exclave.domain.orgs.models import Policy, Role
from exclave.domain.vcs.models import PublicGitVCSConfig
from exclave.kit.context import Ctx

INPUTS: Sequence[dict[str, Any]] = (
    {"name": "region", "required": True},
    {"name": "size", "type": "number", "default": "3"},
    {"name": "password", "sensitive": True},
)


async def app(
    ctx: Ctx, *, runner_type: str = "local", inputs: Sequence[dict[str, Any]] = INPUTS, components: Sequence[str] = ("web", "db")
) -> App:
    """An app with one active config."""
    owned = {"org_id": ctx.org_id, "created_by_id": ctx.actor.account_id}
    made = App(**owned, name=f"app-{secrets.token_hex(4)}")
    ctx.db.add(made)
    await ctx.db.flush()
    config = AppConfig(**owned, app_id=made.id, version=1, status="active", readme="Hello {{ .nuon.install.name }}")
    ctx.db.add(config)
    await ctx.db.flush()
    child = {**owned, "app_id": made.id, "app_config_id": config.id}
    sandbox = AppSandboxConfig(**child, terraform_version="1.11.4", references=["inputs|region||nuon.inputs.inputs.region"])
    ctx.db.add_all([sandbox, AppRunnerConfig(**child, app_runner_type=runner_type)])
    await ctx.db.flush()
    git = {"component_config_id": sandbox.id, "component_config_type": "app_sandbox_configs"}
    ctx.db.add(PublicGitVCSConfig(**owned, **git, repo="https://example.com/r.git", directory="sandbox", branch="main"))
    if inputs:
        input_config = AppInputConfig(**child)
        ctx.db.add(input_config)
        await ctx.db.flush()
        ctx.db.add_all([AppInput(**owned, app_input_id=input_config.id, index=n + 1, **each) for n, each in enumerate(inputs)])
    ctx.db.add_all([Component(**owned, app_id=made.id, name=name, type="terraform_module") for name in components])
    await ctx.db.flush()
    made.config_id = config.id  # type: ignore[attr-defined]
    return made


async def action(
    ctx: Ctx,
    of: App,
    name: str,
    *,
    triggers: Sequence[tuple[str, int]] = (("post-provision", 0),),
    steps: Sequence[dict[str, Any]] = ({"name": "say", "inline_contents": "#!/bin/sh\necho {{ .nuon.install.id }}\n"},),
    component_id: str = "",
    config_id: str = "",
) -> tuple[ActionWorkflow, ActionWorkflowConfig]:
    """An action in the app's config."""
    owned = {"org_id": ctx.org_id, "created_by_id": ctx.actor.account_id}
    row = ActionWorkflow(**owned, app_id=of.id, name=name)
    ctx.db.add(row)
    await ctx.db.flush()
    child = {**owned, "app_id": of.id, "app_config_id": config_id or of.config_id}  # type: ignore[attr-defined]
    config = ActionWorkflowConfig(**child, action_workflow_id=row.id, timeout=60_000_000_000)
    ctx.db.add(config)
    await ctx.db.flush()
    below = {**child, "action_workflow_config_id": config.id}
    ctx.db.add_all([ActionWorkflowTriggerConfig(**below, type=kind, index=index, component_id=component_id) for kind, index in triggers])
    ctx.db.add_all([ActionWorkflowStepConfig(**below, idx=n, **each) for n, each in enumerate(steps)])
    await ctx.db.flush()
    return row, config


async def runner_role(ctx: Ctx) -> None:
    """The role that an org made by `orgs.create` has for its runners."""
    role = Role(org_id=ctx.org_id, role_type="runner")
    ctx.db.add(role)
    await ctx.db.flush()
    ctx.db.add(Policy(org_id=ctx.org_id, role_id=role.id, name="runner", permissions={ctx.org_id: "all"}))
    await ctx.db.flush()
