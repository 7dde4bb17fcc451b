"""One module for each type of workflow: a list of groups, as a page that can be read aloud (spec domain.md 3.3).

`groups` of each module is a pure function of what is known of the install (`view.View`); `DEFINITIONS` has them all by type.
"""

from collections.abc import Callable, Mapping

from exclave.domain.workflows import view
from exclave.domain.workflows.definitions import (
    action_workflow_run,
    deploy_components,
    deprovision,
    deprovision_sandbox,
    input_update,
    manual_deploy,
    provision,
    reprovision,
    reprovision_sandbox,
    sync_secrets,
    teardown_component,
    teardown_components,
)
from exclave.domain.workflows.view import View
from exclave.engine.definition import Definition, Group
from exclave.engine.models import Workflow
from exclave.kit.context import Ctx


def _of_view(groups: Callable[[View], list[Group]]) -> Definition:
    async def definition(ctx: Ctx, workflow: Workflow) -> list[Group]:
        return groups(await view.of(ctx, workflow))

    return definition


DEFINITIONS: Mapping[str, Definition] = {
    "provision": _of_view(provision.groups),
    "reprovision": _of_view(reprovision.groups),
    "reprovision_sandbox": _of_view(reprovision_sandbox.groups),
    "drift_run_reprovision_sandbox": _of_view(reprovision_sandbox.groups),
    "deprovision": deprovision.define,
    "deprovision_sandbox": _of_view(deprovision_sandbox.groups),
    "manual_deploy": manual_deploy.define,
    "drift_run": manual_deploy.define,
    "deploy_components": _of_view(deploy_components.groups),
    "teardown_component": teardown_component.define,
    "teardown_components": _of_view(teardown_components.groups),
    "input_update": input_update.define,
    "sync_secrets": _of_view(sync_secrets.groups),
    "action_workflow_run": action_workflow_run.define,
}
