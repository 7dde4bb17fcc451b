"""The stack that a customer applies in their account, its versions, and what they phoned home."""

from typing import Any

from exclave.api.pages.columns import fill
from exclave.api.pages.install import composite
from exclave.api.route import Page, Routes
from exclave.domain.installs import service as installs
from exclave.domain.installs.models import InstallStack
from exclave.domain.stacks import queries
from exclave.domain.stacks.models import InstallStackVersion, InstallStackVersionRun
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, first
from exclave.wire.public import stacks as wire

route = Routes("installs")

_VERSIONS = 10


@route.get("/v1/installs/{install_id}/stack")
async def get_stack_of_install(ctx: Ctx, install_id: str) -> wire.InstallStack:
    """Return the stack of an install with its newest versions and its outputs. Installs on the platform `local` have none."""
    install = await installs.get(ctx, install_id)
    stack = await installs.stack(ctx, install.id)
    if stack is None:
        raise errors.NotFound(f"the install {install.name!r} has no stack: its platform needs none")
    return await _page(ctx, stack)


@route.get("/v1/installs/stacks/{stack_id}")
async def get_stack(ctx: Ctx, stack_id: str) -> wire.InstallStack:
    """Return a stack by its own id."""
    stack: InstallStack | None = await first(ctx.db, queries.visible_to(ctx.actor).where(InstallStack.id == stack_id))
    if stack is None:
        raise errors.NotFound(f"no stack {stack_id}")
    return await _page(ctx, stack)


@route.get("/v1/installs/{install_id}/stack-runs")
async def list_stack_runs(ctx: Ctx, install_id: str, page: Page) -> list[wire.InstallStackVersionRun]:
    """Return what the stack of an install phoned home, newest first."""
    install = await installs.get(ctx, install_id)
    rows = await every(ctx.db, queries.runs_of(ctx.actor, install.id).offset(page.offset).limit(page.fetch))
    return [_run(row) for row in page.cut(rows)]


async def _page(ctx: Ctx, stack: InstallStack) -> wire.InstallStack:
    outputs = await first(ctx.db, queries.outputs_of(stack.id))
    versions: list[InstallStackVersion] = await every(ctx.db, queries.versions_of(stack.id).limit(_VERSIONS))
    runs: list[InstallStackVersionRun] = await every(ctx.db, queries.runs_of(ctx.actor, stack.install_id).limit(_VERSIONS))
    return fill(
        wire.InstallStack,
        stack,
        install_stack_outputs=fill(wire.InstallStackOutputs, outputs, data=_texts(outputs.data)) if outputs is not None else None,
        versions=[_version(version, [run for run in runs if run.install_stack_version_id == version.id]) for version in versions],
    )


def _version(row: InstallStackVersion, runs: list[InstallStackVersionRun]) -> wire.InstallStackVersion:
    return fill(
        wire.InstallStackVersion,
        row,
        composite_status=composite(row.composite_status),
        contents=row.contents or b"",
        # Whoever knows it may phone home: it is the customer's secret and stays in their template.
        phone_home_id="",
        phone_home_url="",
        runs=[_run(run) for run in runs],
    )


def _run(row: InstallStackVersionRun) -> wire.InstallStackVersionRun:
    return fill(wire.InstallStackVersionRun, row, data=_texts(row.data))


def _texts(data: dict[str, Any]) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in data.items()}
