"""Create, find, change and forget installs. Inputs change in `inputs`, workflows start in `operations`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert

from exclave.domain.accounts import service as accounts
from exclave.domain.apps import service as apps
from exclave.domain.apps.models import App, AppInput, AppRunnerConfig
from exclave.domain.audit import service as audit
from exclave.domain.components.models import Component
from exclave.domain.installs import inputs as install_inputs
from exclave.domain.installs import queries, rules
from exclave.domain.installs.events import InstallCreated, InstallForgotten
from exclave.domain.installs.models import (
    AWSAccount,
    AzureAccount,
    Install,
    InstallComponent,
    InstallConfig,
    InstallInputs,
    InstallSandbox,
    InstallStack,
)
from exclave.domain.orgs.models import Org
from exclave.domain.runners import service as runners
from exclave.domain.runners.models import Runner, RunnerGroup
from exclave.domain.states import service as states
from exclave.domain.states.models import InstallState
from exclave.domain.workspaces import service as workspaces
from exclave.engine import service as engine
from exclave.engine.models import Workflow
from exclave.engine.status import composite
from exclave.kit import errors, ids, time
from exclave.kit.context import Ctx
from exclave.kit.db import every, first, one
from exclave.kit.prepared import by_id


@dataclass(frozen=True)
class Created:
    """A new install, and the workflow that provisions it."""

    install: Install
    workflow: Workflow


@dataclass(frozen=True)
class Account:
    """Where an install goes: one of the two, or none for an app that runs on the server's own host."""

    aws_region: str | None = None
    azure_location: str | None = None


async def create(
    ctx: Ctx,
    app: App,
    *,
    name: str,
    inputs: Mapping[str, str],
    account: Account,
    approval_option: str = "",
    managed_by: str = "",
) -> Created:
    """Create an install of the app's newest active config and start provisioning it (spec domain.md 4.5).

    Raises `Invalid` when the name is taken, the app has no complete config, inputs are wrong (`InputsInvalid` names all of them) or
    the cloud account does not fit the app.
    """
    name = rules.checked_name(name)
    await apps.hold(ctx, app)
    option = rules.checked_approval(approval_option or "prompt")
    config, sandbox_config, runner_config, input_config_id = await _pinnable(ctx, app)
    rules.check_account(
        runner_config.app_runner_type,
        aws_region=account.aws_region,
        azure_location=account.azure_location,
        local_allowed=ctx.runtime.settings.local_platform,
    )
    declared = await install_inputs.declared(ctx, input_config_id)
    values = rules.resolve_inputs(declared, inputs)
    if await first(ctx.db, queries.installs_of_app(app.id).where(Install.name == name)) is not None:
        raise errors.Invalid(f"duplicate key: the app {app.name!r} has an install named {name!r} already")
    # Numbers of an app's installs are given one after the other.
    await ctx.db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"install number:{app.id}", 0))))
    install = Install(
        **_owned(ctx),
        name=name,
        app_id=app.id,
        app_config_id=config.id,
        app_sandbox_config_id=sandbox_config.id,
        app_runner_config_id=runner_config.id,
        install_metadata={"managed_by": managed_by} if managed_by else {},
        install_number=(await ctx.db.execute(queries.next_number(app.id))).scalar_one(),
    )
    ctx.db.add(install)
    await ctx.db.flush()
    await _surround(ctx, install, account=account, runner_config=runner_config, option=option if approval_option else "")
    if declared:
        await install_inputs.store(ctx, install, declared, values, input_config_id=input_config_id)
    for component in await every(ctx.db, queries.app_components(app.id)):
        await ensure_component(ctx, install, component)
    await runners.create_group(
        ctx,
        org_id=install.org_id,
        owner_id=install.id,
        owner_type="installs",
        type="install",
        platform=runner_config.app_runner_type,
        metadata={"org_id": install.org_id, "app_id": app.id, "install_id": install.id},
    )
    known = known_state(install, await surroundings(ctx, install.id), declared, values)
    await states.put_many(ctx, install.id, known, org_id=install.org_id)
    await audit.record(ctx, "create", install, name=name, app_id=app.id)
    await ctx.tell(InstallCreated(install.id, app.id, install.org_id))
    workflow = await start(ctx, install, "provision", option=option)
    await accounts.complete_step(ctx, ctx.actor.account_id, "install_created")
    return Created(install, workflow)


async def _pinnable(ctx: Ctx, app: App) -> tuple[Any, Any, AppRunnerConfig, str]:
    found = (await ctx.db.execute(queries.pinnable(ctx.actor, app.id))).first()
    if found is None:
        raise errors.Invalid(f"the app {app.name!r} has no active config: sync it first (`exclave apps sync`)")
    config, sandbox_config, runner_config, input_config_id = found
    for missing, what in ((sandbox_config, "sandbox"), (runner_config, "runner")):
        if missing is None:
            raise errors.Invalid(f"the config of the app {app.name!r} has no {what} config: add one and sync again")
    return config, sandbox_config, runner_config, input_config_id or ""


async def _surround(ctx: Ctx, install: Install, *, account: Account, runner_config: AppRunnerConfig, option: str) -> None:
    """Make the rows that exist once for each install."""
    once = {**_owned(ctx), "install_id": install.id}
    sandbox = InstallSandbox(**once, status="queued", status_v2=composite("queued", by=ctx.actor.account_id))
    ctx.db.add(sandbox)
    if account.aws_region is not None:
        ctx.db.add(AWSAccount(**once, region=account.aws_region.strip()))
    if account.azure_location is not None:
        ctx.db.add(AzureAccount(**once, location=account.azure_location.strip()))
    if rules.has_stack(runner_config.app_runner_type):
        ctx.db.add(InstallStack(**once))
    if option:
        ctx.db.add(InstallConfig(**once, approval_option=option))
    await ctx.db.flush()
    await workspaces.ensure(ctx, sandbox)


def _owned(ctx: Ctx) -> dict[str, Any]:
    return {"org_id": ctx.org_id, "created_by_id": ctx.actor.account_id}


async def ensure_component(ctx: Ctx, install: Install, component: Component) -> InstallComponent:
    """Return the install's row of a component, made at the first call, with its workspace."""
    names: dict[str, Any] = {"install": install.id, "component": component.id}
    row = await queries.COMPONENT_OF.first(ctx.db, **names)
    if row is None:
        # Two may find it missing at once: the database keeps one.
        values = {"id": ids.new_id(InstallComponent.prefix), "install_id": install.id, "component_id": component.id}
        wanted = insert(InstallComponent).values(org_id=install.org_id, created_by_id=ctx.actor.account_id, **values)
        await ctx.db.execute(wanted.on_conflict_do_nothing(index_elements=["install_id", "component_id"]))
        row = await queries.COMPONENT_OF.one(ctx.db, **names)
        await workspaces.ensure(ctx, row)
    return row


async def ensure_components(ctx: Ctx, install: Install) -> None:
    """Give an install its row of every component of its app: one that was added in the same moment may have missed it."""
    for component in await every(ctx.db, queries.missing_components(install)):
        await ensure_component(ctx, install, component)


async def get(ctx: Ctx, ref: str) -> Install:
    """Return an install by id or name. Raises `NotFound`; `Invalid` when several apps have an install of that name."""
    if ids.is_id(ref) and (named := await by_id(ctx.db, Install, ref, org_id=ctx.org_id)) is not None:
        return named
    found: list[Install] = await every(ctx.db, queries.by_name(ctx.actor, ref))
    if not found:
        raise errors.NotFound(f"no install {ref!r}")
    if len(found) > 1:
        raise errors.Invalid(f"several apps have an install named {ref!r}: name it by its id")
    return found[0]


async def require_app(ctx: Ctx, app_id: str) -> None:
    """Refuse a runner another app than that of its install, and a token of one purpose any: it does not exist for them (rule 7)."""
    shown = not ctx.actor.runner_id or await first(ctx.db, queries.runner_that_may_see(ctx.actor, app_id)) is not None
    if ctx.actor.scope or not shown:
        raise errors.NotFound(f"app {app_id!r} not found")


async def inputs(ctx: Ctx, install_id: str) -> dict[str, str]:
    """Return the values of an install's inputs as they are stored now, sensitive ones included."""
    return await install_inputs.values_of(ctx, install_id)


async def components(ctx: Ctx, install_id: str) -> list[InstallComponent]:
    """Return the install's rows of its components, by name of the component."""
    return [row for row, _ in await queries.COMPONENTS_OF.all(ctx.db, install=install_id)]


async def component(ctx: Ctx, install: Install, component_id: str) -> InstallComponent:
    """Return the install's row of one component, made when it is missing. Raises `NotFound` for a component of another app."""
    found = await by_id(ctx.db, Component, component_id, org_id=install.org_id)
    if found is None or found.app_id != install.app_id:
        raise errors.NotFound(f"the install's app has no component {component_id!r}")
    return await ensure_component(ctx, install, found)


async def component_by_ref(ctx: Ctx, install: Install, ref: str) -> Component:
    """Return a component of the install's app by id or name."""
    named = Component.name == ref
    statement = queries.app_components(install.app_id).where(or_(Component.id == ref, named) if ids.is_id(ref) else named)
    found: Component = await one(ctx.db, statement, or_raise=errors.NotFound(f"the install's app has no component {ref!r}"))
    return found


async def sandbox(ctx: Ctx, install_id: str) -> InstallSandbox:
    """Return the sandbox of an install."""
    missing = errors.NotFound(f"no sandbox of install {install_id}")
    return await queries.SANDBOX_OF.one(ctx.db, install=install_id, or_raise=missing)


async def stack(ctx: Ctx, install_id: str) -> InstallStack | None:
    """Return the stack of an install; None on platforms where the customer applies none."""
    return await queries.STACK_OF.first(ctx.db, install=install_id)


async def approval_option(ctx: Ctx, install_id: str) -> str:
    """Return how the workflows of an install are approved."""
    config = await queries.CONFIG_OF.first(ctx.db, install=install_id)
    return config.approval_option if config else "prompt"


async def update(ctx: Ctx, install: Install, *, name: str = "", managed_by: str | None = None, approval_option: str = "") -> Install:
    """Rename an install, say who manages it, or change how its workflows are approved; what is not given stays."""
    if name and name != install.name:
        taken = queries.installs_of_app(install.app_id).where(Install.name == rules.checked_name(name), Install.id != install.id)
        if await first(ctx.db, taken) is not None:
            raise errors.Invalid(f"duplicate key: the app has an install named {name!r} already")
        install.name = rules.checked_name(name)
        await states.put(ctx, install.id, "install", {"id": install.id, "name": install.name}, org_id=install.org_id)
        await states.mark_stale(ctx, install.id)
    if managed_by is not None:
        install.install_metadata = {**install.install_metadata, "managed_by": managed_by}
    if approval_option:
        await configure(ctx, install, approval_option)
    await ctx.db.flush()
    await audit.record(ctx, "update", install, name=install.name)
    return install


async def configure(ctx: Ctx, install: Install, approval_option: str) -> InstallConfig:
    """Set how the install's workflows are approved from now on."""
    option = rules.checked_approval(approval_option or "prompt")
    config = await queries.CONFIG_OF.first(ctx.db, install=install.id)
    if config is None:
        config = InstallConfig(org_id=install.org_id, created_by_id=ctx.actor.account_id, install_id=install.id, approval_option=option)
        ctx.db.add(config)
    config.approval_option = option
    await ctx.db.flush()
    await audit.record(ctx, "update", config, approval_option=option)
    return config


async def require_config(ctx: Ctx, install: Install, config_id: str) -> InstallConfig:
    """Return the install's config if that is its id, or raise `NotFound`."""
    found = await queries.CONFIG_OF.first(ctx.db, install=install.id)
    if found is None or found.id != config_id:
        raise errors.NotFound(f"the install has no config {config_id!r}")
    return found


async def forget(ctx: Ctx, install: Install) -> None:
    """Drop an install from the database. What it made in the cloud stays; its runner's identity ends."""
    install.deleted_at = int(time.now().timestamp() * 1_000_000)
    await ctx.db.flush()
    group = select(Runner).join(RunnerGroup, RunnerGroup.id == Runner.runner_group_id)
    group = group.where(RunnerGroup.owner_id == install.id, RunnerGroup.owner_type == "installs", Runner.deleted_at == 0)
    for runner in await every(ctx.db, group):
        await runners.deprovision(ctx, runner)
    await audit.record(ctx, "delete", install, name=install.name)
    await ctx.tell(InstallForgotten(install.id, install.org_id))


async def cancel_workflows(ctx: Ctx, install: Install) -> None:
    """Cancel everything that still runs or waits for an install. Not for a step of one of them."""
    open_ones = select(Workflow).where(Workflow.owner_id == install.id, Workflow.state != "finished")
    for workflow in await every(ctx.db, open_ones):
        await engine.cancel(ctx, workflow)


async def start(
    ctx: Ctx,
    install: Install,
    kind: str,
    *,
    plan_only: bool = False,
    metadata: Mapping[str, str] = {},
    option: str = "",
) -> Workflow:
    """Start a workflow of an install, behind whatever changes the install already.

    What only plans waits for no approval of the others: it has a turn of its own.
    """
    if not option:
        option = await approval_option(ctx, install.id)
    workflow: Workflow = await engine.start(
        ctx,
        kind,
        owner_id=install.id,
        owner_type="installs",
        plan_only=plan_only,
        approval_option=option,
        metadata={"install_id": install.id, **metadata},
        serial_key=f"{install.id}:plan" if plan_only else install.id,
    )
    return workflow


# The state document: the branches that belong to an install itself.


@dataclass(frozen=True)
class Surroundings:
    """What an install stands in."""

    org: Org
    app: App
    aws: AWSAccount | None
    azure: AzureAccount | None
    runner: Runner | None
    inputs: InstallInputs | None
    input_config_id: str | None  # of the install's own app config
    lacks_components: bool


async def surroundings(ctx: Ctx, install_id: str) -> Surroundings:
    """Look around an install, in one statement. The install itself is read with it."""
    missing = errors.NotFound(f"no install {install_id!r}")
    _, *found = await queries.SURROUNDINGS.one(ctx.db, install=install_id, org=ctx.org_id, or_raise=missing)
    return Surroundings(*found)


def known_state(install: Install, around: Surroundings, declared: Sequence[AppInput], values: Mapping[str, str]) -> states.Branches:
    """Return the branches that the control plane itself knows: install, org, app, inputs, runner, cloud account."""
    org, app, aws, azure, runner = around.org, around.app, around.aws, around.azure, around.runner
    branches: dict[str, tuple[dict[str, Any], list[str]]] = {
        "install": ({"id": install.id, "name": install.name}, []),
        "org": ({"id": org.id, "name": org.name, "status": org.status}, []),
        "app": ({"id": app.id, "name": app.name, "status": app.status, "variables": {}}, []),
        "inputs": install_inputs.branch(declared, values),
        "cloud_account": (
            {"aws": {"region": aws.region} if aws else None, "azure": {"location": azure.location} if azure else None},
            [],
        ),
    }
    if runner is not None:
        branches["runner"] = ({"id": runner.id, "runner_group_id": runner.runner_group_id, "status": runner.status}, [])
    return branches


async def refresh_state(ctx: Ctx, install_id: str, *, by_id: str, by_type: str) -> InstallState:
    """Write what the control plane knows now and keep a version of the whole document: the step `generate install state`."""
    around = await surroundings(ctx, install_id)
    install = await get(ctx, install_id)
    if around.lacks_components:
        await ensure_components(ctx, install)
    declared = await install_inputs.declared(ctx, around.input_config_id or install_inputs.config_id_of(around.inputs))
    values = await install_inputs.opened(ctx, around.inputs) if around.inputs is not None else {}
    known = known_state(install, around, declared, values)
    return await states.generate(ctx, install.id, known, by_id=by_id, by_type=by_type, org_id=install.org_id)
