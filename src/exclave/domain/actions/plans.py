"""What the runner is told about an action run: rendered commands and environment, never a token (spec runner.md 5.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exclave.domain.actions import rules
from exclave.domain.actions.models import (
    ActionWorkflow,
    ActionWorkflowConfig,
    ActionWorkflowStepConfig,
    InstallActionWorkflowRun,
    InstallActionWorkflowRunStep,
)
from exclave.domain.installs import clouds
from exclave.domain.installs.models import Install
from exclave.domain.states import service as states
from exclave.domain.vcs import service as vcs
from exclave.kit.context import Ctx
from exclave.wire.plans.actions import ActionWorkflowRunPlan, ActionWorkflowRunStepPlan
from exclave.wire.plans.base import AWSAuth, Source


@dataclass(frozen=True)
class Opened:
    """A run that was just made, with the config that it follows."""

    run: InstallActionWorkflowRun
    action: ActionWorkflow
    config: ActionWorkflowConfig
    step_configs: Sequence[ActionWorkflowStepConfig]
    run_steps: Sequence[InstallActionWorkflowRunStep]


async def build(ctx: Ctx, install: Install, opened: Opened) -> ActionWorkflowRunPlan:
    """Render every step with the state document. Raises `Invalid` naming action, step, key and what is missing."""
    state = await states.current(ctx, install.id)
    run, action = opened.run, opened.action
    steps = []
    for config, run_step in zip(opened.step_configs, opened.run_steps, strict=True):
        texts = rules.StepTexts(config.name, config.command, config.inline_contents, config.env_vars)
        rendered = rules.render_step(action.name, texts, state.document)
        source = await _source_of(ctx, config)
        steps.append(
            ActionWorkflowRunStepPlan(
                run_id=run_step.id,
                attrs={"step.name": config.name, "step.id": config.id},
                interpolated_env_vars=dict(rendered.env_vars),
                git_source=source.git if source else None,
                interpolated_inline_contents=rendered.inline_contents,
                interpolated_command=rendered.command,
                source=source,
            )
        )
    return ActionWorkflowRunPlan(
        id=run.id,
        install_id=install.id,
        attrs={"action.name": action.name, "action.id": action.id},
        steps=steps,
        builtin_env_vars={
            "NUON_ORG_ID": install.org_id,
            "NUON_APP_ID": install.app_id,
            "NUON_INSTALL_ID": install.id,
            "NUON_API_URL": ctx.runtime.settings.public_url,
            "TRIGGER_TYPE": run.trigger_type,
        },
        override_env_vars={
            name: rules.render(str(value or ""), state.document, where=f"action {action.name!r}, run environment, {name}")
            for name, value in run.run_env_vars.items()
        },
        cluster_info=clouds.cluster_info(state.document),
        aws_auth=_aws_auth(opened, state.document, session=f"action-{install.id}"),
        timeout=opened.config.timeout,
        sensitive_values=state.sensitive_values,
    )


def _aws_auth(opened: Opened, document: Mapping[str, Any], *, session: str) -> AWSAuth | None:
    """An action runs as the maintenance role; by hand, as the break-glass role that its config names."""
    wanted = opened.config.break_glass_role_arn
    if not wanted or opened.run.trigger_type != "manual":
        return clouds.aws_auth(document, "maintenance", session=session)
    role = rules.render(wanted, document, where=f"action {opened.action.name!r}, break_glass_role")
    return clouds.break_glass_auth(document, role, session=session)


async def _source_of(ctx: Ctx, config: ActionWorkflowStepConfig) -> Source | None:
    git = await vcs.config_of(ctx, config.id)
    return vcs.source(config.id, git) if git is not None else None
