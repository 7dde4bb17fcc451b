"""Actions of an app with their configs (spec nesting.md 2 "actions")."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from exclave.api.pages import components, vcs
from exclave.api.pages.columns import fill
from exclave.api.pages.references import refs
from exclave.domain.actions.models import (
    ActionWorkflow,
    ActionWorkflowConfig,
    ActionWorkflowStepConfig,
    ActionWorkflowTriggerConfig,
)
from exclave.domain.components.models import Component
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import actions as wire


def flat(row: ActionWorkflow) -> wire.ActionWorkflow:
    """An action alone."""
    return fill(wire.ActionWorkflow, row)


async def actions(ctx: Ctx, rows: Sequence[ActionWorkflow], *, sources: bool = False) -> list[wire.ActionWorkflow]:
    """Actions with the newest config of each; one that is read alone shows the sources of its steps too."""
    ids = [row.id for row in rows]
    newest = await every(
        ctx.db,
        select(ActionWorkflowConfig)
        .where(ActionWorkflowConfig.org_id == ctx.org_id, ActionWorkflowConfig.action_workflow_id.in_(ids))
        .ext(distinct_on(ActionWorkflowConfig.action_workflow_id))
        .order_by(ActionWorkflowConfig.action_workflow_id, ActionWorkflowConfig.created_at.desc()),
    )
    filled = {shape.action_workflow_id: shape for shape in await configs(ctx, newest, named=True, sources=sources)}
    shapes = [flat(row) for row in rows]
    for shape in shapes:
        shape.configs = [filled[shape.id]] if shape.id in filled else []
    return shapes


async def configs(
    ctx: Ctx, rows: Sequence[ActionWorkflowConfig], *, named: bool = False, sources: bool = False
) -> list[wire.ActionWorkflowConfig]:
    """Configs with triggers and steps; `named` also shows the component that a trigger is about."""
    ids = [row.id for row in rows]
    if not ids:
        return []
    triggers = await every(
        ctx.db,
        select(ActionWorkflowTriggerConfig)
        .where(ActionWorkflowTriggerConfig.org_id == ctx.org_id, ActionWorkflowTriggerConfig.action_workflow_config_id.in_(ids))
        .order_by(ActionWorkflowTriggerConfig.created_at),
    )
    steps = await every(
        ctx.db,
        select(ActionWorkflowStepConfig)
        .where(ActionWorkflowStepConfig.org_id == ctx.org_id, ActionWorkflowStepConfig.action_workflow_config_id.in_(ids))
        .order_by(ActionWorkflowStepConfig.idx),
    )
    found = await vcs.sources(ctx, [step.id for step in steps] if sources else [])
    about: dict[str, Component] = {}
    wanted = {trigger.component_id for trigger in triggers if trigger.component_id}
    if named and wanted:
        rows_of = await every(ctx.db, select(Component).where(Component.org_id == ctx.org_id, Component.id.in_(wanted)))
        about = {row.id: row for row in rows_of}
    return [
        fill(
            wire.ActionWorkflowConfig,
            row,
            refs=refs(row.references),
            triggers=[
                fill(
                    wire.ActionWorkflowTriggerConfig,
                    trigger,
                    component=components.flat(ctx, about[trigger.component_id]) if trigger.component_id in about else None,
                )
                for trigger in triggers
                if trigger.action_workflow_config_id == row.id
            ],
            steps=[
                fill(
                    wire.ActionWorkflowStepConfig,
                    step,
                    public_git_vcs_config=found.public(step.id),
                    connected_github_vcs_config=found.connected(step.id),
                )
                for step in steps
                if step.action_workflow_config_id == row.id
            ],
        )
        for row in rows
    ]


async def of_app_config(ctx: Ctx, app_config_id: str) -> list[wire.ActionWorkflowConfig]:
    """The action configs of an app config, without triggers and steps."""
    rows = await every(
        ctx.db,
        select(ActionWorkflowConfig)
        .where(ActionWorkflowConfig.org_id == ctx.org_id, ActionWorkflowConfig.app_config_id == app_config_id)
        .order_by(ActionWorkflowConfig.created_at),
    )
    return [fill(wire.ActionWorkflowConfig, row, refs=refs(row.references)) for row in rows]
