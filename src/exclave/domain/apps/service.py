"""Create, find, change and delete apps, and read their configs."""

from typing import TypeVar

from sqlalchemy import Select

from exclave.domain.accounts import service as accounts
from exclave.domain.apps import queries, rules
from exclave.domain.apps.events import AppMayDelete
from exclave.domain.apps.models import (
    App,
    AppBreakGlassConfig,
    AppConfig,
    AppConfigChild,
    AppInputConfig,
    AppPermissionsConfig,
    AppPoliciesConfig,
    AppRunnerConfig,
    AppSandboxConfig,
    AppSecretsConfig,
    AppStackConfig,
)
from exclave.domain.audit import service as audit
from exclave.domain.orgs.models import NotificationsConfig
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import first, one
from exclave.kit.prepared import by_id
from exclave.kit.time import now
from exclave.wire.public import apps as wire

Child = TypeVar("Child", bound=AppConfigChild)


async def create(ctx: Ctx, body: wire.CreateAppRequest) -> App:
    """Create an app. Its name is unique in the org."""
    name = rules.checked_app_name(body.name)
    if await first(ctx.db, queries.visible_to(ctx.actor).where(App.name == name)) is not None:
        raise errors.Invalid(f"duplicate key: an app named {name!r} exists already in this org")
    app = App(
        org_id=ctx.org_id,
        created_by_id=ctx.actor.account_id,
        name=name,
        description=body.description,
        display_name=body.display_name,
        status="active",
        status_description="app is active",
    )
    ctx.db.add(app)
    await ctx.db.flush()
    ctx.db.add(
        NotificationsConfig(
            org_id=ctx.org_id,
            created_by_id=ctx.actor.account_id,
            owner_id=app.id,
            owner_type="apps",
            slack_webhook_url=body.slack_webhook_url,
        )
    )
    await accounts.complete_step(ctx, ctx.actor.account_id, "app_created")
    await audit.record(ctx, "create", app, name=name)
    return app


async def get(ctx: Ctx, ref: str) -> App:
    """Return an app by id or name."""
    app: App = await one(ctx.db, queries.by_ref(ctx.actor, ref), or_raise=errors.NotFound(f"app {ref!r} not found"))
    return app


async def update(ctx: Ctx, app: App, body: wire.UpdateAppRequest) -> App:
    """Change what the body names; empty texts change nothing."""
    if body.name and body.name != app.name:
        name = rules.checked_app_name(body.name)
        if await first(ctx.db, queries.visible_to(ctx.actor).where(App.name == name)) is not None:
            raise errors.Invalid(f"duplicate key: an app named {name!r} exists already in this org")
        app.name = name
    for field in ("description", "display_name", "config_repo", "config_directory"):
        if value := getattr(body, field):
            setattr(app, field, value)
    if body.slack_webhook_url:
        await _notify_by(ctx, app, body.slack_webhook_url)
    app.updated_at = now()
    await audit.record(ctx, "update", app)
    return app


async def delete(ctx: Ctx, app: App) -> None:
    """Delete an app that no install uses and whose latest config lists no component."""
    await _locked(ctx, queries.visible_to(ctx.actor).where(App.id == app.id).with_for_update(), app)
    latest = await newest_config(ctx, app.id)
    if latest is not None and latest.component_ids:
        raise errors.Invalid(
            f"the app {app.name!r} still has {len(latest.component_ids)} component(s) in its latest config: "
            "sync a config without components first"
        )
    await ctx.tell(AppMayDelete(app.id))
    app.status, app.status_description = "delete_queued", "app is deleted"
    app.deleted_at = int(now().timestamp())
    await audit.record(ctx, "delete", app, name=app.name)


async def hold(ctx: Ctx, app: App) -> None:
    """Keep an app from being deleted until this transaction ends, for what must not outlive it. 404 when it is gone already."""
    await _locked(ctx, queries.visible_to(ctx.actor).where(App.id == app.id).with_for_update(read=True, key_share=True), app)


async def _locked(ctx: Ctx, statement: Select[App], app: App) -> None:
    await one(ctx.db, statement, or_raise=errors.NotFound(f"app {app.name!r} not found"))


async def exists_any(ctx: Ctx) -> bool:
    """Has the org an app?"""
    return await first(ctx.db, queries.visible_to(ctx.actor).limit(1)) is not None


async def config(ctx: Ctx, config_id: str, *, app_id: str = "") -> AppConfig:
    """Return one config; with an app, only when it belongs to that app."""
    found = await by_id(ctx.db, AppConfig, config_id, org_id=ctx.org_id)
    if found is None or app_id not in ("", found.app_id):
        raise errors.NotFound(f"app config {config_id!r} not found")
    return found


async def newest_config(ctx: Ctx, app_id: str, *, status: str | None = None) -> AppConfig | None:
    """Return the newest config of an app, or of those in one status; None when there is none."""
    wanted = queries.configs(ctx.actor, app_id)
    if status is not None:
        wanted = wanted.where(AppConfig.status == status)
    found: AppConfig | None = await first(ctx.db, wanted.limit(1))
    return found


async def latest_config(ctx: Ctx, app_id: str, *, status: str | None = None) -> AppConfig:
    """Return the newest config of an app, or of those in one status; 404 when there is none."""
    found = await newest_config(ctx, app_id, status=status)
    if found is None:
        raise errors.NotFound("the app has no config yet: sync one first" if status is None else f"the app has no {status} config")
    return found


# What hangs on one config; None when the config has no such part.


async def sandbox_config(ctx: Ctx, app_config_id: str) -> AppSandboxConfig | None:
    return await _child(ctx, AppSandboxConfig, app_config_id)


async def runner_config(ctx: Ctx, app_config_id: str) -> AppRunnerConfig | None:
    return await _child(ctx, AppRunnerConfig, app_config_id)


async def input_config(ctx: Ctx, app_config_id: str) -> AppInputConfig | None:
    return await _child(ctx, AppInputConfig, app_config_id)


async def stack_config(ctx: Ctx, app_config_id: str) -> AppStackConfig | None:
    return await _child(ctx, AppStackConfig, app_config_id)


async def permissions_config(ctx: Ctx, app_config_id: str) -> AppPermissionsConfig | None:
    return await _child(ctx, AppPermissionsConfig, app_config_id)


async def policies_config(ctx: Ctx, app_config_id: str) -> AppPoliciesConfig | None:
    return await _child(ctx, AppPoliciesConfig, app_config_id)


async def secrets_config(ctx: Ctx, app_config_id: str) -> AppSecretsConfig | None:
    return await _child(ctx, AppSecretsConfig, app_config_id)


async def break_glass_config(ctx: Ctx, app_config_id: str) -> AppBreakGlassConfig | None:
    return await _child(ctx, AppBreakGlassConfig, app_config_id)


async def _child(ctx: Ctx, kind: type[Child], app_config_id: str) -> Child | None:
    found: Child | None = await first(ctx.db, queries.children(kind, ctx.actor, app_config_id=app_config_id).limit(1))
    return found


async def _notify_by(ctx: Ctx, app: App, slack_webhook_url: str) -> None:
    row: NotificationsConfig | None = await first(
        ctx.db, queries.parts(NotificationsConfig, ctx.actor).where(NotificationsConfig.owner_id == app.id)
    )
    if row is not None:
        row.slack_webhook_url = slack_webhook_url
