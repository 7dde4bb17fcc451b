"""The caller's account and its journeys."""

from dataclasses import replace

from exclave.api.pages import accounts as pages
from exclave.api.route import AnyRequest, Routes
from exclave.domain.accounts import rules, service
from exclave.domain.orgs import service as orgs
from exclave.kit.context import Ctx, enter
from exclave.wire.public import accounts as wire

route = Routes("accounts")


@route.get("/v1/account", org=False)
async def get_current_account(ctx: Ctx, request: AnyRequest) -> wire.Account:
    """Read the account that owns the token in use."""
    return await current(ctx, request)


async def current(ctx: Ctx, request: AnyRequest) -> wire.Account:
    """The caller's account; a call from a terminal completes the journey step of having installed one."""
    if rules.is_terminal(request.headers.get("user-agent", "") + request.headers.get("x-nuon-client-version", "")):
        await service.complete_step(ctx, ctx.actor.account_id, "cli_installed", source="cli")
    await _join(ctx)
    return await pages.account(ctx, await service.get(ctx, ctx.actor.account_id))


async def _join(ctx: Ctx) -> None:
    """Accept what the caller was invited to. Invites of other orgs are seen from a transaction across orgs only."""
    if ctx.actor.kind == "service":
        return
    async with ctx.runtime.sweep(ctx.actor) as across:
        joined = await orgs.accept_invites(across, ctx.actor.account_id, ctx.actor.email)
    if joined:
        await enter(ctx.db, replace(ctx.actor, org_ids=(*ctx.actor.org_ids, *joined)))


@route.get("/v1/account/user-journeys", org=False)
async def get_user_journeys(ctx: Ctx) -> list[wire.UserJourney] | None:
    """List the caller's journeys."""
    return pages.journeys(await service.get(ctx, ctx.actor.account_id))


@route.post("/v1/account/user-journeys", org=False)
async def create_user_journey(ctx: Ctx, body: wire.CreateUserJourneyRequest) -> wire.Account:
    """Add a journey to the caller's account."""
    account = await service.add_journey(ctx, body.name, body.title, [(step.name, step.title) for step in body.steps])
    return await pages.account(ctx, account)


@route.post("/v1/account/user-journeys/{journey_name}/complete", org=False)
async def complete_user_journey(ctx: Ctx, journey_name: str) -> wire.Account:
    """Mark every step of a journey as done."""
    return await pages.account(ctx, await service.set_journey(ctx, journey_name, complete=True))


@route.post("/v1/account/user-journeys/{journey_name}/reset", org=False)
async def reset_user_journey(ctx: Ctx, journey_name: str) -> wire.Account:
    """Clear the progress of a journey."""
    return await pages.account(ctx, await service.set_journey(ctx, journey_name, complete=False))


@route.patch("/v1/account/user-journeys/{journey_name}/steps/{step_name}", org=False)
async def update_user_journey_step(ctx: Ctx, journey_name: str, step_name: str, body: wire.UpdateUserJourneyStepRequest) -> wire.Account:
    """Set whether one step of a journey is done."""
    return await pages.account(ctx, await service.set_step(ctx, journey_name, step_name, complete=body.complete))
