"""What a user asks an install to do: each verb starts one workflow and returns it (spec domain.md 3.1)."""

from collections.abc import Mapping

from exclave.domain.audit import service as audit
from exclave.domain.installs import inputs, rules, service
from exclave.domain.installs.models import Install, InstallInputs
from exclave.engine.models import Workflow
from exclave.kit import errors
from exclave.kit.context import Ctx

DELETE = "delete_install"  # metadata of a deprovision workflow after which the install is forgotten


async def reprovision(ctx: Ctx, install: Install, *, plan_only: bool = False) -> Workflow:
    """Apply stack outputs, sandbox and every component again."""
    return await _begin(ctx, install, "reprovision", plan_only=plan_only)


async def reprovision_sandbox(ctx: Ctx, install: Install, *, plan_only: bool = False) -> Workflow:
    """Apply the sandbox again, then every component."""
    return await _begin(ctx, install, "reprovision_sandbox", plan_only=plan_only)


async def deprovision(ctx: Ctx, install: Install, *, plan_only: bool = False) -> Workflow:
    """Tear down every component, then the sandbox."""
    return await _begin(ctx, install, "deprovision", plan_only=plan_only)


async def deprovision_sandbox(ctx: Ctx, install: Install, *, plan_only: bool = False) -> Workflow:
    """Tear down the sandbox alone."""
    return await _begin(ctx, install, "deprovision_sandbox", plan_only=plan_only)


async def sync_secrets(ctx: Ctx, install: Install, *, plan_only: bool = False) -> Workflow:
    """Copy the customer's secrets into the install's cluster."""
    return await _begin(ctx, install, "sync_secrets", plan_only=plan_only)


async def deploy_all(ctx: Ctx, install: Install, *, plan_only: bool = False) -> Workflow:
    """Deploy every component in the order of dependencies."""
    return await _begin(ctx, install, "deploy_components", plan_only=plan_only)


async def teardown_all(ctx: Ctx, install: Install, *, plan_only: bool = False) -> Workflow | None:
    """Tear down every component in reverse order. None when the install has no components; `Invalid` when none is deployed."""
    components = await service.components(ctx, install.id)
    if not components:
        return None
    if not any(rules.may_teardown(each.status) for each in components):
        raise errors.Invalid("every component of the install is torn down already")
    return await _begin(ctx, install, "teardown_components", plan_only=plan_only)


async def teardown(ctx: Ctx, install: Install, component_id: str, *, plan_only: bool = False) -> Workflow:
    """Tear down one component."""
    row = await service.component(ctx, install, component_id)
    if not rules.may_teardown(row.status):
        raise errors.Invalid("the component is torn down already")
    return await _begin(ctx, install, "teardown_component", plan_only=plan_only, metadata={"component_id": row.component_id})


async def update_inputs(
    ctx: Ctx, install: Install, given: Mapping[str, str], *, by_customer: bool = False
) -> tuple[InstallInputs, Workflow]:
    """Change inputs and start the workflow that brings what uses them up to date."""
    if not given:
        raise errors.Invalid("inputs: give at least one")
    row, changed = await inputs.change(ctx, install, given, by_customer=by_customer)
    return row, await _begin(ctx, install, "input_update", metadata={"inputs": ",".join(changed)})


async def delete(ctx: Ctx, install: Install) -> Workflow:
    """Deprovision an install, and forget it once that has succeeded. When it fails the install stays, so nothing is orphaned."""
    return await _begin(ctx, install, "deprovision", metadata={DELETE: "true"})


async def forget(ctx: Ctx, install: Install) -> None:
    """Cancel what runs for an install and drop it from the database at once. What it made in the cloud stays."""
    await service.cancel_workflows(ctx, install)
    await service.forget(ctx, install)


async def _begin(ctx: Ctx, install: Install, kind: str, *, plan_only: bool = False, metadata: Mapping[str, str] = {}) -> Workflow:
    workflow = await service.start(ctx, install, kind, plan_only=plan_only, metadata=metadata)
    await audit.record(ctx, kind, install, workflow_id=workflow.id, plan_only=plan_only)
    return workflow
