"""Components of an install: where each stands. Deploys and outputs are in `deploys`, what starts a workflow in `installs`."""

from sqlalchemy import select

from exclave.api.pages import install as pages
from exclave.api.route import Page, Routes
from exclave.domain.components.models import Component
from exclave.domain.installs import queries
from exclave.domain.installs import service as installs
from exclave.domain.installs.models import InstallComponent
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.public import installs as wire

route = Routes("installs")


@route.get("/v1/installs/{install_id}/components")
async def list_components(ctx: Ctx, install_id: str, page: Page, q: str = "", types: str = "") -> list[wire.InstallComponent]:
    """Return the components of an install, newest first. `types`: words joined by commas."""
    install = await installs.get(ctx, install_id)
    statement = queries.components_of(install.id).order_by(None).order_by(InstallComponent.created_at.desc(), InstallComponent.id)
    if q:
        statement = statement.where(Component.name.icontains(q, autoescape=True))
    wanted = [word for word in types.split(",") if word]
    if wanted:
        statement = statement.where(Component.type.in_(wanted))
    rows = (await ctx.db.execute(statement.offset(page.offset).limit(page.fetch))).all()
    return await pages.components(ctx, page.cut([(row[0], row[1]) for row in rows]))


@route.get("/v1/installs/{install_id}/components/{component_id}")
async def get_component(ctx: Ctx, install_id: str, component_id: str) -> wire.InstallComponent:
    """Return one component of an install, by the component's id or name or the row's own id, with its newest deploy."""
    install = await installs.get(ctx, install_id)
    own = select(InstallComponent.component_id).where(InstallComponent.id == component_id, InstallComponent.install_id == install.id)
    its = (await ctx.db.execute(own)).scalar() or (await installs.component_by_ref(ctx, install, component_id)).id
    row = (await ctx.db.execute(queries.components_of(install.id).where(Component.id == its))).first()
    if row is None:
        raise errors.NotFound(f"the install has no component {component_id!r}")
    return (await pages.components(ctx, [(row[0], row[1])], deploys=True))[0]
