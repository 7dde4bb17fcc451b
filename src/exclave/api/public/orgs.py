"""Orgs: create, read, rename, end; their people, invites and build runners."""

from dataclasses import replace

from exclave.api.pages import accounts as account_pages
from exclave.api.pages import orgs as pages
from exclave.api.pages.columns import fill
from exclave.api.route import Page, Routes
from exclave.domain.accounts import service as accounts
from exclave.domain.apps import service as apps
from exclave.domain.orgs import queries, service
from exclave.domain.orgs.models import Org
from exclave.domain.runners import queries as runner_queries
from exclave.domain.runners import service as runners
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, first
from exclave.wire.public import accounts as account_wire
from exclave.wire.public import orgs as wire
from exclave.wire.public import runners as runner_wire

route = Routes("orgs")


@route.get("/v1/orgs", org=False)
async def get_orgs(ctx: Ctx, page: Page, q: str = "") -> list[wire.Org]:
    """List the caller's orgs."""
    found = queries.visible_to(ctx.actor).order_by(Org.id)
    if q:
        found = found.where(Org.name.icontains(q, autoescape=True))
    rows = await every(ctx.db, found.offset(page.offset).limit(page.fetch))
    return [pages.flat(ctx, row) for row in page.cut(rows)]


@route.post("/v1/orgs", org=False)
async def create_org(ctx: Ctx, body: wire.CreateOrgRequest) -> wire.Org:
    """Create an org; the caller becomes its admin."""
    org = await service.create(ctx, body.name, account_id=ctx.actor.account_id, sandbox_mode=body.use_sandbox_mode)
    inside = ctx.acting_as(replace(ctx.actor, org_id=org.id, org_ids=(*ctx.actor.org_ids, org.id)))
    return await pages.created(inside, org)


@route.get("/v1/orgs/current")
async def get_org(ctx: Ctx) -> wire.Org:
    """Read the current org."""
    return await pages.org(ctx, await service.current(ctx))


@route.patch("/v1/orgs/current")
async def update_org(ctx: Ctx, body: wire.UpdateOrgRequest) -> wire.Org:
    """Rename the current org."""
    return pages.flat(ctx, await service.rename(ctx, body.name))


@route.delete("/v1/orgs/current")
async def delete_org(ctx: Ctx) -> bool:
    """Delete the current org, once no app is left in it. Its build runner ends."""
    if await apps.exists_any(ctx):
        raise errors.Invalid("the org still has apps: delete them first")
    group = await first(ctx.db, runner_queries.group_of_owner(ctx.org_id, "orgs", ctx.org_id))
    for runner in await every(ctx.db, runner_queries.in_group(group.id)) if group is not None else ():
        await runners.deprovision(ctx, runner)
    await service.delete(ctx)
    return True


@route.get("/v1/orgs/current/accounts")
async def get_org_accounts(ctx: Ctx, page: Page) -> list[account_wire.Account]:
    """List the people of the org."""
    rows = await every(ctx.db, queries.members(ctx.org_id).offset(page.offset).limit(page.fetch))
    return [account_pages.brief(row) for row in page.cut(rows)]


@route.get("/v1/orgs/current/invites")
async def get_org_invites(ctx: Ctx, page: Page) -> list[wire.OrgInvite]:
    """List the invites of the org, newest first."""
    rows = await every(ctx.db, queries.invites(ctx.actor).offset(page.offset).limit(page.fetch))
    return [fill(wire.OrgInvite, row) for row in page.cut(rows)]


@route.post("/v1/orgs/current/invites")
async def create_org_invite(ctx: Ctx, body: wire.CreateOrgInviteRequest) -> wire.OrgInvite:
    """Invite an e-mail address to the org."""
    return fill(wire.OrgInvite, await service.invite(ctx, body.email))


@route.post("/v1/orgs/current/user")
async def add_user(ctx: Ctx, body: wire.CreateOrgUserRequest) -> account_wire.Account:
    """Add an account to the org. The answer is the caller's account, as clients expect."""
    await service.add_account(ctx, body.user_id or ctx.actor.account_id)
    return await account_pages.account(ctx, await accounts.get(ctx, ctx.actor.account_id))


@route.post("/v1/orgs/current/remove-user")
async def remove_user(ctx: Ctx, body: wire.RemoveOrgUserRequest) -> account_wire.Account:
    """Take an account out of the org. The answer is the caller's account, as clients expect."""
    await service.remove_account(ctx, body.user_id)
    return await account_pages.account(ctx, await accounts.get(ctx, ctx.actor.account_id))


@route.get("/v1/orgs/current/runner-group")
async def get_org_runner_group(ctx: Ctx) -> runner_wire.RunnerGroup:
    """Read the runner group that makes the org's builds."""
    return await pages.runner_group(ctx, ctx.org_id)
