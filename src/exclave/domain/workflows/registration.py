"""The definitions and step handlers of an install's workflows, by their registered names: `server/wiring.py` takes them all."""

from exclave.domain.deploys import steps as deploys
from exclave.domain.installs import steps as installs
from exclave.domain.sandboxes import steps as sandboxes
from exclave.domain.secrets import steps as secrets
from exclave.domain.stacks import steps as stacks
from exclave.domain.workflows import steps
from exclave.domain.workflows.definitions import DEFINITIONS
from exclave.engine.definition import Handler, Registry

HANDLERS: dict[str, Handler] = {
    "state.generate": installs.GenerateState(),
    "install.forget": installs.Forget(),
    "runner.provision": steps.ProvisionRunner(),
    "runner.reprovision": steps.ProvisionRunner(),
    "runner.await_healthy": steps.AwaitHealthy(),
    "stack.generate": stacks.Generate(),
    "stack.await": stacks.Await(),
    "stack.outputs": stacks.Outputs(),
    "sandbox.plan": sandboxes.Plan(),
    "sandbox.apply": sandboxes.Apply(),
    "sandbox.dns": sandboxes.Dns(),
    "secrets.sync": secrets.Sync(),
    "deploy.plan": deploys.Plan(),
    "deploy.apply": deploys.Apply(),
    "teardown.plan": deploys.TeardownPlan(),
    "teardown.apply": deploys.Apply(),
    "image.sync": deploys.SyncImage(),
}


def register(registry: Registry) -> None:
    """Register all of them."""
    for workflow_type, definition in DEFINITIONS.items():
        registry.define(workflow_type, definition)
    for kind, handler in HANDLERS.items():
        registry.handle(kind, handler)
