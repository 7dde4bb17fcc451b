"""Queue builds, reuse what was built before, and say which build a deploy may use (spec domain.md 4.3)."""

from dataclasses import dataclass

from exclave.domain.apps.models import App
from exclave.domain.artifacts import service as artifacts
from exclave.domain.artifacts.models import OCIArtifact
from exclave.domain.audit import service as audit
from exclave.domain.builds import queries, rules
from exclave.domain.builds.events import BuildFinished
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components import queries as component_queries
from exclave.domain.components import service as components
from exclave.domain.components.events import ComponentConfigured
from exclave.domain.components.models import Component, ComponentConfigConnection, TypedConfig
from exclave.domain.vcs import rules as vcs_rules
from exclave.domain.vcs import service as vcs
from exclave.engine import service as engine
from exclave.engine.status import moved
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.kit.db import every, first, one
from exclave.kit.prepared import by_id
from exclave.wire.plans.base import GitSource, Source

WORKFLOW = "build"  # hidden: clients see the build, not the workflow that makes it


async def create(ctx: Ctx, component: Component, connection: ComponentConfigConnection, *, git_ref: str = "") -> ComponentBuild:
    """Queue a build of one config of a component, at a ref or at the branch that the config names.

    Where the content is known and was built before in this org, the build is active at once with the same artifact.
    """
    source = await source_of(ctx, connection)
    git = source.git if source is not None else None
    git_ref = (vcs_rules.checked_ref(git_ref) or git.ref) if git is not None else ""
    build = ComponentBuild(
        org_id=component.org_id,
        created_by_id=ctx.actor.account_id,
        component_id=component.id,
        component_config_connection_id=connection.id,
        git_ref=git_ref,
        checksum=rules.fingerprint(connection.type, await components.typed(ctx, connection), _at(source, git_ref)),
    )
    ctx.db.add(build)
    move(ctx, build, "queued", "build is queued")
    await ctx.db.flush()
    await audit.record(ctx, "create", build)
    if connection.type in rules.NOTHING_TO_BUILD:
        move(ctx, build, "active", "nothing to build: the config itself is deployed")
    elif not await _reuse(ctx, build):
        workflow = await engine.start(
            ctx, WORKFLOW, owner_id=build.id, owner_type=build.__tablename__, visible=False, serial_key=component.id
        )
        build.workflow_id = workflow.id
    return build


async def create_latest(ctx: Ctx, component: Component, *, git_ref: str = "") -> ComponentBuild:
    """Queue a build of the newest config of a component."""
    newest = await first(ctx.db, component_queries.connections(ctx.actor, component.id).limit(1))
    if newest is None:
        raise errors.Invalid(f"the component {component.name!r} has no config yet: sync one first")
    return await create(ctx, component, newest, git_ref=git_ref)


async def build_all(ctx: Ctx, app: App) -> list[ComponentBuild]:
    """Queue a build of every component of an app that has a config."""
    rows: list[Component] = await every(ctx.db, component_queries.of_app(ctx.actor, app.id))
    return [await create_latest(ctx, row) for row in rows if row.type]


async def on_component_configured(ctx: Ctx, event: ComponentConfigured) -> None:
    """Build a component as soon as it has another config."""
    component = await components.get(ctx, event.component_id)
    await create(ctx, component, await components.connection(ctx, event.connection_id))


async def get(ctx: Ctx, build_id: str, *, component_id: str = "") -> ComponentBuild:
    """Return one build; with a component, only when it is that component's."""
    found = await by_id(ctx.db, ComponentBuild, build_id, org_id=ctx.org_id)
    if found is None or component_id not in ("", found.component_id):
        raise errors.NotFound(f"build {build_id!r} not found")
    return found


async def latest(ctx: Ctx, component_id: str) -> ComponentBuild:
    """Return the newest build of a component, or 404."""
    found: ComponentBuild = await one(
        ctx.db, queries.of_component(ctx.actor, component_id).limit(1), or_raise=errors.NotFound("the component has no build yet")
    )
    return found


@dataclass(frozen=True)
class Built:
    """A build, the config that it is of, the block of its type where that can be deployed, and its artifact, if it has one."""

    build: ComponentBuild
    connection: ComponentConfigConnection
    typed: TypedConfig | None = None
    artifact: OCIArtifact | None = None


async def built(ctx: Ctx, build_id: str) -> Built:
    """Return a build with what it was made of and what it made, or raise `NotFound`."""
    missing = errors.NotFound(f"build {build_id!r} not found")
    return _built(await queries.BUILT.one(ctx.db, build=build_id, org=ctx.org_id, or_raise=missing))


async def newest_for(ctx: Ctx, component_id: str, app_config_id: str) -> Built | None:
    """Return the build to deploy of the config that an app config means for a component: the newest active one, while there is none the
    newest in whatever status, and None before the first. Raises `NotFound` when the app config means no config."""
    found = await queries.USABLE.first(ctx.db, org=ctx.org_id, component=component_id, app_config=app_config_id)
    if found is not None and found[-2] is not None:
        return _built(found)
    connection = await components.config_in(ctx, component_id, app_config_id)
    wanted = queries.of_component(ctx.actor, component_id).where(ComponentBuild.component_config_connection_id == connection.id)
    newest: ComponentBuild | None = await first(ctx.db, wanted.limit(1))
    return Built(newest, connection) if newest is not None else None


async def source_of(ctx: Ctx, connection: ComponentConfigConnection) -> Source | None:
    """Return where the files of a component's config come from; None for types without files."""
    typed = await components.typed(ctx, connection)
    git = await vcs.config_of(ctx, typed.id)
    return vcs.source(typed.id, git) if git is not None else None


async def finish(ctx: Ctx, build: ComponentBuild, status: str, description: str) -> None:
    """End a build, and tell whoever waits for it."""
    move(ctx, build, status, description)
    await audit.record(ctx, "update", build, status=status)
    await ctx.tell(BuildFinished(build.id))


def move(ctx: Ctx, build: ComponentBuild, status: str, description: str) -> None:
    """Give a build another status, in both of its forms."""
    build.status, build.status_description = status, description
    build.status_v2 = moved(build.status_v2, status, description, by=ctx.actor.account_id)
    ctx.poke(f"build:{build.id}")  # who watches it looks again


def _built(found: queries.Row) -> Built:
    connection, *blocks, build, artifact = found
    assert build is not None
    return Built(build, connection, next((block for block in blocks if block is not None), None), artifact)


async def _reuse(ctx: Ctx, build: ComponentBuild) -> bool:
    """Give a build the artifact of an active one with the same content, if there is one."""
    if not build.checksum:
        return False
    found = (await ctx.db.execute(queries.with_same_content(ctx.actor, build.checksum))).first()
    if found is None:
        return False
    earlier, artifact = found
    artifacts.copy(ctx, artifact, build, tag=artifact.tag)
    build.vcs_connection_commit_id = earlier.vcs_connection_commit_id
    move(ctx, build, "active", f"reused the artifact of build {earlier.id}: its source is the same")
    return True


def _at(source: Source | None, git_ref: str) -> Source | None:
    """The source at the ref that is built."""
    if source is not None and source.git is not None and git_ref:
        return Source(path=source.path, git=GitSource(url=source.git.url, ref=git_ref, path=source.git.path))
    return source
