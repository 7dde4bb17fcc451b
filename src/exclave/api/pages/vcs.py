"""Git configs beside what they describe."""

from exclave.api.pages.columns import fill
from exclave.domain.vcs import queries
from exclave.domain.vcs import service as vcs
from exclave.domain.vcs.models import ConnectedGithubVCSConfig, PublicGitVCSConfig, VCSConnection
from exclave.kit.context import Ctx
from exclave.kit.db import every
from exclave.wire.public import vcs as wire


class Sources:
    """The git configs of the things of one page, read in two or three statements whatever their number."""

    def __init__(self, configs: dict[str, vcs.GitConfig], connections: dict[str, VCSConnection]) -> None:
        self._configs = configs
        self._connections = connections

    def public(self, owner_id: str) -> wire.PublicGitVCSConfig | None:
        config = self._configs.get(owner_id)
        return fill(wire.PublicGitVCSConfig, config) if isinstance(config, PublicGitVCSConfig) else None

    def connected(self, owner_id: str) -> wire.ConnectedGithubVCSConfig | None:
        config = self._configs.get(owner_id)
        if not isinstance(config, ConnectedGithubVCSConfig):
            return None
        connection = self._connections.get(config.vcs_connection_id)
        return fill(
            wire.ConnectedGithubVCSConfig,
            config,
            vcs_connection=fill(wire.VCSConnection, connection) if connection is not None else None,
        )


async def sources(ctx: Ctx, owner_ids: list[str], *, connections: bool = False) -> Sources:
    """Read the git configs of many things, with the connections behind them when asked."""
    configs = await vcs.configs_of(ctx, owner_ids)
    wanted = {config.vcs_connection_id for config in configs.values() if isinstance(config, ConnectedGithubVCSConfig)}
    rows: list[VCSConnection] = []
    if connections and wanted:
        rows = await every(ctx.db, queries.visible_to(ctx.actor).where(VCSConnection.id.in_(wanted)))
    return Sources(configs, {row.id: row for row in rows})
