"""One sandbox run. The list of an install's runs is in `sandbox_runs`."""

from exclave.api.pages.relations import SANDBOX_RUN
from exclave.api.pages.roots import Root
from exclave.api.pages.sandbox_runs import DEFAULT_DEPTH
from exclave.api.route import Routes
from exclave.domain.installs import service as installs
from exclave.domain.sandboxes import queries
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.public import sandboxes as wire

route = Routes("installs")

_RUN = Root(SANDBOX_RUN, DEFAULT_DEPTH)
_EVERYTHING = Root(SANDBOX_RUN, None)


@route.get("/v1/installs/{install_id}/sandbox-runs/{run_id}")
async def get_sandbox_run(ctx: Ctx, install_id: str, run_id: str, expand: str = "") -> wire.InstallSandboxRun:
    """Return one sandbox run of an install. `expand=all` fills every nested object."""
    install = await installs.get(ctx, install_id)
    return await _read(ctx, run_id, expand, install.id)


@route.get("/v1/installs/sandbox-runs/{run_id}")
async def get_sandbox_run_alone(ctx: Ctx, run_id: str) -> wire.InstallSandboxRun:
    """Return one sandbox run."""
    return await _read(ctx, run_id, "", "")


async def _read(ctx: Ctx, run_id: str, expand: str, install_id: str) -> wire.InstallSandboxRun:
    wanted = queries.by_id(ctx.actor, run_id)
    if install_id:
        wanted = wanted.where(InstallSandboxRun.install_id == install_id)
    found = await (_EVERYTHING if expand == "all" else _RUN).read(ctx, wanted)
    if not found:
        raise errors.NotFound(f"no sandbox run {run_id}")
    run: wire.InstallSandboxRun = found[0]
    return run
