"""What a definition knows of an install when its steps are made: components in order, what is deployed, which actions run when."""

from collections.abc import Collection
from dataclasses import dataclass

from exclave.domain.actions import service as actions
from exclave.domain.actions.service import Lifecycles
from exclave.domain.components import rules as graphs
from exclave.domain.components import service as components
from exclave.domain.deploys import rules as deploy_rules
from exclave.domain.installs import service as installs
from exclave.domain.installs.models import Install
from exclave.domain.workflows import queries
from exclave.engine.definition import StepSpec
from exclave.engine.models import Workflow
from exclave.kit import errors
from exclave.kit.context import Ctx


@dataclass(frozen=True)
class Component:
    """A component of the app config that the install has."""

    id: str
    name: str
    type: str = "terraform_module"
    needs: tuple[str, ...] = ()  # ids of components
    references: tuple[str, ...] = ()
    status: str = ""  # of the install's row; empty when it was never deployed
    known: bool = True  # does the install have a row of it?

    @property
    def is_image(self) -> bool:
        return deploy_rules.is_image(self.type)

    @property
    def is_deployed(self) -> bool:
        return deploy_rules.is_deployed(self.status)


@dataclass(frozen=True)
class View:
    """An install, seen once when a workflow begins."""

    components: tuple[Component, ...]  # each after what it needs
    lifecycles: Lifecycles
    plan_only: bool = False
    sandbox_references: tuple[str, ...] = ()

    def actions(self, trigger: str, component: Component | None = None) -> tuple[StepSpec, ...]:
        """The actions that run at a trigger. A plan changes nothing, so none run in a workflow that only plans."""
        if self.plan_only:
            return ()
        if component is None:
            return self.lifecycles.steps(trigger)
        return self.lifecycles.steps(trigger, component_id=component.id, component_name=component.name)

    def component(self, component_id: str) -> Component:
        for each in self.components:
            if each.id == component_id:
                return each
        raise errors.Invalid(f"the app config that the install has does not list the component {component_id}")

    def with_dependents(self, ids: Collection[str]) -> tuple[Component, ...]:
        """Components and all that need one of them, directly or not, in the order of deploys."""
        wanted = set(ids)
        for each in self.components:  # in order, so that one pass is enough
            if wanted.intersection(each.needs):
                wanted.add(each.id)
        return tuple(each for each in self.components if each.id in wanted)


async def of(ctx: Ctx, workflow: Workflow) -> View:
    """Look at the install of a workflow."""
    found = await queries.VIEWED.first(ctx.db, install=workflow.owner_id, org=ctx.org_id)
    install = await installs.get(ctx, workflow.owner_id)
    sandbox = found[1] if found is not None else None
    return View(
        components=await _components(ctx, install),
        lifecycles=await actions.lifecycles(ctx, install, workflow),
        plan_only=workflow.plan_only,
        sandbox_references=tuple(sandbox.references) if sandbox is not None else (),
    )


async def _components(ctx: Ctx, install: Install) -> tuple[Component, ...]:
    graph = await components.graph(ctx, install.app_config_id)
    rows = {row.component_id: row for row in await installs.components(ctx, install.id)}
    return tuple(
        Component(
            id=node.id,
            name=node.name,
            type=node.type,
            needs=node.needs,
            references=tuple(graph.connections[node.id].references or ()) if node.id in graph.connections else (),
            status=rows[node.id].status if node.id in rows else "",
            known=node.id in rows,
        )
        for node in graphs.deploy_order(graph.nodes)
    )
