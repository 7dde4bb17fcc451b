"""Deploys with their build, jobs, artifact and log stream (spec nesting.md 3.6)."""

from typing import Any

from sqlalchemy import Select

from exclave.api.pages.relations import DEPLOY
from exclave.api.pages.roots import Root
from exclave.domain.deploys import queries
from exclave.domain.deploys.models import InstallDeploy
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.public import deploys as wire

_BUILD: dict[str, Any] = {"component_config_connection": {}, "vcs_connection_commit": {}}
_LISTED = Root(DEPLOY, {"component_build": _BUILD})
_OF_COMPONENT = Root(DEPLOY, {"created_by": {}, "component_build": _BUILD})
_SINGLE = Root(DEPLOY, {"runner_jobs": {}, "oci_artifact": {}, "log_stream": {}, "component_build": _BUILD})


async def deploy(ctx: Ctx, wanted: Select[InstallDeploy]) -> wire.InstallDeploy:
    """Return one deploy with everything that hangs on it."""
    found = await _SINGLE.read(ctx, wanted)
    if not found:
        raise errors.NotFound("no such deploy")
    return _with_lists(found[0])


async def of_install(ctx: Ctx, install_id: str, *, offset: int, fetch: int) -> list[wire.InstallDeploy]:
    """Return deploys of an install, newest first."""
    wanted = queries.of_install(ctx.actor, install_id).offset(offset).limit(fetch)
    return [_with_lists(each) for each in await _LISTED.read(ctx, wanted, at_most=max(fetch - 1, 0))]


async def of_component(ctx: Ctx, wanted: Select[InstallDeploy], *, fetch: int) -> list[wire.InstallDeploy]:
    """Return deploys of one component of an install, newest first, with who asked for them."""
    return [_with_lists(each) for each in await _OF_COMPONENT.read(ctx, wanted, at_most=max(fetch - 1, 0))]


def _with_lists(shape: wire.InstallDeploy) -> wire.InstallDeploy:
    # Relations that are loaded and hold no rows are written as empty lists.
    shape.action_workflow_runs = shape.action_workflow_runs or []
    return shape
