"""Connections to GitHub, the git config of a thing, and the source that a plan names."""

from exclave.domain.audit import service as audit
from exclave.domain.vcs import queries, rules
from exclave.domain.vcs.models import ConnectedGithubVCSConfig, PublicGitVCSConfig, VCSConnection, VCSConnectionCommit
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import Tenant, every, first, one
from exclave.kit.time import now
from exclave.wire.plans.base import GitSource, Source

GitConfig = PublicGitVCSConfig | ConnectedGithubVCSConfig
ID_LIMIT = 255


async def connect(ctx: Ctx, github_install_id: str) -> VCSConnection:
    """Register an installation of the GitHub app; one that is known already is answered as it is."""
    if not github_install_id or len(github_install_id) > ID_LIMIT:
        raise errors.Invalid(f"github_install_id: the id of the GitHub app's installation is needed, of at most {ID_LIMIT} characters")
    known: VCSConnection | None = await first(
        ctx.db, queries.visible_to(ctx.actor).where(VCSConnection.github_install_id == github_install_id)
    )
    if known is not None:
        return known
    connection = VCSConnection(org_id=ctx.org_id, created_by_id=ctx.actor.account_id, github_install_id=github_install_id)
    ctx.db.add(connection)
    await ctx.db.flush()
    await audit.record(ctx, "create", connection)
    return connection


async def connection(ctx: Ctx, connection_id: str) -> VCSConnection:
    """Return a connection of the org."""
    found: VCSConnection = await one(
        ctx.db, queries.visible_to(ctx.actor).where(VCSConnection.id == connection_id), or_raise=errors.NotFound("VCS connection not found")
    )
    return found


async def disconnect(ctx: Ctx, connection_id: str) -> None:
    """Forget a connection. The GitHub app stays installed: other orgs may share it."""
    row = await connection(ctx, connection_id)
    row.deleted_at = int(now().timestamp())
    await audit.record(ctx, "delete", row)


async def create_public(ctx: Ctx, owner: Tenant, repo: str, directory: str, branch: str, archive: str = "") -> PublicGitVCSConfig:
    """Say that the owner's files come from a public repository, or from an archive that was uploaded."""
    source = rules.checked(repo, directory, branch, archive, ctx.runtime.settings.local_sources)
    row = PublicGitVCSConfig(
        org_id=owner.org_id,
        created_by_id=ctx.actor.account_id,
        component_config_id=owner.id,
        component_config_type=owner.__tablename__,
        repo=source.repo,
        directory=source.directory,
        branch=source.branch,
        archive=source.archive,
    )
    ctx.db.add(row)
    await ctx.db.flush()
    return row


async def create_connected(ctx: Ctx, owner: Tenant, repo: str, directory: str, branch: str) -> ConnectedGithubVCSConfig:
    """Say that the owner's files come from a private repository, reached through one of the org's connections."""
    repo_owner, repo_name = rules.slug_of(repo)
    connections: list[VCSConnection] = await every(ctx.db, queries.visible_to(ctx.actor))
    matching = [each for each in connections if each.github_account_name in ("", repo_owner)]
    if not matching:
        raise errors.Invalid(
            f"connected_github_vcs_config: the org has no connection to the GitHub account {repo_owner!r}; "
            "connect it first, or use public_repo for a repository that anybody may read"
        )
    row = ConnectedGithubVCSConfig(
        org_id=owner.org_id,
        created_by_id=ctx.actor.account_id,
        component_config_id=owner.id,
        component_config_type=owner.__tablename__,
        repo=f"{repo_owner}/{repo_name}",
        repo_owner=repo_owner,
        repo_name=repo_name,
        directory=rules.checked_directory(directory),
        branch=rules.checked_ref(branch),
        vcs_connection_id=matching[0].id,
    )
    ctx.db.add(row)
    await ctx.db.flush()
    return row


async def config_of(ctx: Ctx, owner_id: str) -> GitConfig | None:
    """Return the git config of a thing, if it has one."""
    return (await configs_of(ctx, [owner_id])).get(owner_id)


async def configs_of(ctx: Ctx, owner_ids: list[str]) -> dict[str, GitConfig]:
    """Return the git configs of many things by their ids, in two statements at most."""
    if not owner_ids:
        return {}
    found: dict[str, GitConfig] = {row.component_config_id: row for row in await every(ctx.db, queries.public_of(ctx.org_id, owner_ids))}
    missing = [owner_id for owner_id in owner_ids if owner_id not in found]
    if missing:
        found |= {row.component_config_id: row for row in await every(ctx.db, queries.connected_of(ctx.org_id, missing))}
    return found


async def source_of(ctx: Ctx, owner_id: str) -> Source:
    """Return where a runner finds the files of a thing: an uploaded archive, or git. Raises when it has no source."""
    return source(owner_id, await config_of(ctx, owner_id))


def source(owner_id: str, config: GitConfig | None) -> Source:
    """Return what a git config means for a runner. Raises for a thing that has none."""
    match config:
        case None:
            raise errors.Invalid(f"{owner_id} has no source: neither a repository nor an uploaded directory")
        case PublicGitVCSConfig(archive=str(archive), directory=str(directory)) if archive:
            return Source(archive=archive, path=directory)
        case PublicGitVCSConfig():
            url = rules.url_of(config.repo)
            return Source(git=GitSource(url=url, ref=config.branch, path=config.directory), path=config.directory)
        case ConnectedGithubVCSConfig():
            return Source(git=GitSource(url=rules.url_of(config.repo), ref=config.branch, path=config.directory), path=config.directory)


async def commit(
    ctx: Ctx, *, sha: str, author_name: str = "", author_email: str = "", message: str = "", vcs_connection_id: str = ""
) -> VCSConnectionCommit:
    """Record the commit that something was made from."""
    row = VCSConnectionCommit(
        org_id=ctx.org_id,
        created_by_id=ctx.actor.account_id,
        vcs_connection_id=vcs_connection_id,
        sha=sha,
        author_name=author_name,
        author_email=author_email,
        message=message,
    )
    ctx.db.add(row)
    await ctx.db.flush()
    return row
