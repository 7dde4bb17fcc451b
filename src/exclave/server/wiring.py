"""The composition root: explicit lists of routes, workflows, steps and subscriptions. A new one is a line here."""

from collections.abc import Sequence
from typing import Any

from exclave.api import openapi, public, runner, status
from exclave.api.app import VERSION, health, planned
from exclave.api.contract import Listener
from exclave.api.route import Routes
from exclave.domain.actions import service as action_service
from exclave.domain.actions.steps import RunAction
from exclave.domain.apps.events import AppMayDelete, RunnerConfigCreated
from exclave.domain.builds import definition as build_definition
from exclave.domain.builds import service as build_service
from exclave.domain.builds.events import BuildFinished
from exclave.domain.builds.steps import Run as RunBuild
from exclave.domain.components.events import ComponentAdded, ComponentConfigured, ComponentMayDelete
from exclave.domain.installs import subscriptions as install_subscriptions
from exclave.domain.installs.events import InstallCreated
from exclave.domain.jobs.events import ExecutionEnded, JobFinished
from exclave.domain.orgs.events import OrgCreated
from exclave.domain.runners import service as runner_service
from exclave.domain.runners.events import RunnerHealthy
from exclave.domain.workflows import registration
from exclave.domain.workspaces import service as workspace_service
from exclave.engine import service as engine
from exclave.engine.definition import Registry
from exclave.kit.context import Ctx
from exclave.kit.events import Events


def document(audience: Listener) -> dict[str, Any]:
    """The OpenAPI document of a listener."""
    routes = public.ROUTES if audience == "public" else runner.ROUTES
    served = [operation for module in (*routes, health(audience)) for operation in module.operations]
    return openapi.document(audience, served, planned(audience, served), VERSION)


def status_page() -> str:
    """`docs/status.md`: what of the contract is not there yet."""
    parts = [status.HEAD]
    listeners: tuple[tuple[Listener, Sequence[Routes]], ...] = (("public", public.ROUTES), ("runner", runner.ROUTES))
    for audience, routes in listeners:
        served = [operation for module in (*routes, health(audience)) for operation in module.operations]
        parts.append(status.section(audience, planned(audience, served)))
    return "\n".join(parts)


def subscribe(events: Events) -> None:
    """Who listens to what: one hop, in the caller's transaction."""
    events.subscribe(OrgCreated, _give_the_org_a_build_runner)
    events.subscribe(ComponentAdded, install_subscriptions.on_component_added)
    events.subscribe(ComponentConfigured, build_service.on_component_configured)
    events.subscribe(ComponentMayDelete, install_subscriptions.on_component_may_delete)
    events.subscribe(AppMayDelete, install_subscriptions.on_app_may_delete)
    events.subscribe(RunnerConfigCreated, install_subscriptions.on_runner_config_created)
    events.subscribe(InstallCreated, action_service.on_install_created)
    events.subscribe(RunnerHealthy, install_subscriptions.on_runner_healthy)
    events.subscribe(ExecutionEnded, workspace_service.release_after)
    # Whoever waits for it looks again.
    events.subscribe(JobFinished, lambda ctx, event: engine.wake_waiting(ctx, event.job_id))
    events.subscribe(BuildFinished, lambda ctx, event: engine.wake_waiting(ctx, event.build_id))
    events.subscribe(RunnerHealthy, lambda ctx, event: engine.wake_waiting(ctx, event.runner_id))


async def _give_the_org_a_build_runner(ctx: Ctx, event: OrgCreated) -> None:
    await runner_service.group_for_org(ctx, event.org_id)
    await runner_service.provision(ctx, await runner_service.of_org(ctx, event.org_id))


def registry() -> Registry:
    """Every workflow type and every kind of step."""
    made = Registry()
    made.define("build", build_definition.build)
    made.handle("build.run", RunBuild())
    made.handle("action.run", RunAction())
    registration.register(made)
    return made
