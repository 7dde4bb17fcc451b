"""Where the files of a config come from: checked and kept the same way for sandboxes, components and action steps."""

from typing import Protocol

from exclave.domain.artifacts import service as artifacts
from exclave.domain.vcs import service as vcs
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import Tenant


class PublicRequest(Protocol):
    """What the three requests for a public source have in common."""

    repo: str
    directory: str
    branch: str
    archive: str


class ConnectedRequest(Protocol):
    """What the three requests for a connected repository have in common."""

    repo: str
    directory: str
    branch: str
    git_ref: str


async def keep(
    ctx: Ctx, owner: Tenant, public: PublicRequest | None, connected: ConnectedRequest | None, *, required: bool = True
) -> vcs.GitConfig | None:
    """Keep the one source of a config. Raises when there are two, none although one is needed, or one that may not be read."""
    if public is not None and connected is not None:
        raise errors.Invalid("public_git_vcs_config and connected_github_vcs_config exclude one another: give one")
    if public is not None:
        if public.archive and not await artifacts.may_read(ctx, public.archive):
            raise errors.Invalid(
                f"public_git_vcs_config.archive: {public.archive} was not uploaded in this org: "
                "POST it to /v1/apps/{app_id}/sources first"
            )
        return await vcs.create_public(ctx, owner, public.repo, public.directory, public.branch, public.archive)
    if connected is not None:
        return await vcs.create_connected(ctx, owner, connected.repo, connected.directory, connected.branch or connected.git_ref)
    if required:
        raise errors.Invalid("a source is needed: give public_git_vcs_config or connected_github_vcs_config")
    return None
