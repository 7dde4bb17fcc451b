"""Branches of an app, and the sealed values that old clients keep with it."""

from sqlalchemy import select

from exclave.domain.apps import queries, rules
from exclave.domain.apps.models import App, AppBranch, AppSecret
from exclave.domain.audit import service as audit
from exclave.domain.orgs import keys
from exclave.domain.vcs.models import ConnectedGithubVCSConfig
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import first, one
from exclave.kit.time import now


async def keep_secret(ctx: Ctx, app: App, name: str, value: str) -> AppSecret:
    """Seal a value under a name. A name that is taken gets the new value."""
    rules.checked_entity_name(name)
    rules.present({"value": value})
    known: AppSecret | None = await first(
        ctx.db, queries.parts(AppSecret, ctx.actor).where(AppSecret.app_id == app.id, AppSecret.name == name)
    )
    secret = known or AppSecret(org_id=app.org_id, created_by_id=ctx.actor.account_id, app_id=app.id, name=name)
    secret.length = len(value)
    secret.value = await keys.seal(ctx, secret, "value", value.encode())
    ctx.db.add(secret)
    await ctx.db.flush()
    await audit.record(ctx, "update" if known else "create", secret, name=name)
    return secret


async def forget_secret(ctx: Ctx, app: App, ref: str) -> None:
    """Forget a value by id or name, for good: the sealed bytes go too."""
    wanted = queries.parts(AppSecret, ctx.actor).where(AppSecret.app_id == app.id, (AppSecret.id == ref) | (AppSecret.name == ref))
    secret: AppSecret = await one(ctx.db, wanted, or_raise=errors.NotFound(f"secret {ref!r} not found"))
    secret.value, secret.deleted_at = b"", int(now().timestamp())
    await audit.record(ctx, "delete", secret, name=secret.name)


async def create_branch(ctx: Ctx, app: App, name: str, git_config_id: str) -> AppBranch:
    """Create a branch of an app, tied to a connected repository of the org."""
    rules.present({"name": name, "connected_github_vcs_config_id": git_config_id})
    owned = select(ConnectedGithubVCSConfig).where(
        ConnectedGithubVCSConfig.id == git_config_id, ConnectedGithubVCSConfig.org_id == ctx.org_id
    )
    await one(ctx.db, owned, or_raise=errors.NotFound(f"connected repository {git_config_id!r} not found"))
    if await first(ctx.db, queries.parts(AppBranch, ctx.actor).where(AppBranch.app_id == app.id, AppBranch.name == name)) is not None:
        raise errors.Invalid(f"duplicate key: the app has a branch named {name!r} already")
    branch = AppBranch(
        org_id=app.org_id,
        created_by_id=ctx.actor.account_id,
        app_id=app.id,
        name=name,
        connected_github_vcs_config_id=git_config_id,
    )
    ctx.db.add(branch)
    await ctx.db.flush()
    await audit.record(ctx, "create", branch, name=name)
    return branch


async def branch(ctx: Ctx, app: App, branch_id: str) -> AppBranch:
    """Return one branch of an app."""
    wanted = queries.parts(AppBranch, ctx.actor).where(AppBranch.app_id == app.id, AppBranch.id == branch_id)
    found: AppBranch = await one(ctx.db, wanted, or_raise=errors.NotFound(f"app branch {branch_id!r} not found"))
    return found
