"""Creating, changing and forgetting installs on a real database."""

import asyncio

import pytest
from sqlalchemy import func, select

from exclave.domain.accounts.models import Account as PersonAccount
from exclave.domain.actions import service as actions
from exclave.domain.actions.models import InstallActionWorkflow
from exclave.domain.apps.models import AppConfig
from exclave.domain.audit.models import AuditRow
from exclave.domain.installs import operations, rules
from exclave.domain.installs import service as installs
from exclave.domain.installs.events import InstallCreated
from exclave.domain.installs.models import (
    AWSAccount,
    Install,
    InstallComponent,
    InstallConfig,
    InstallInputs,
    InstallSandbox,
    InstallStack,
)
from exclave.domain.installs.service import Account
from exclave.domain.runners import service as runners
from exclave.domain.states import service as states
from exclave.domain.workspaces.models import TerraformWorkspace
from exclave.engine.models import Workflow
from exclave.kit import errors
from tests import factories
from tests.domain.installs import made


@pytest.fixture(autouse=True)
def _wired(runtime):
    """What `server/wiring.py` lists; twice is once."""
    runtime.events.subscribe(InstallCreated, actions.on_install_created)


async def create(ctx, app, name="acme", **more):
    given = {"inputs": {"region": "eu", "password": "canary-input"}, "account": Account(), **more}
    return await installs.create(ctx, app, name=name, **given)


async def count(ctx, table, **where) -> int:
    statement = select(func.count()).select_from(table).where(*(getattr(table, name) == value for name, value in where.items()))
    return (await ctx.db.execute(statement)).scalar_one()


async def test_an_install_comes_with_everything_that_exists_once(ctx):
    app = await made.app(ctx)
    await made.action(ctx, app, "check")
    install = (await create(ctx, app, approval_option="approve-all", managed_by="tests")).install
    assert install.install_metadata == {"managed_by": "tests"}
    assert install.install_number == 1
    assert await count(ctx, InstallSandbox, install_id=install.id, status="queued") == 1
    assert await count(ctx, InstallConfig, install_id=install.id, approval_option="approve-all") == 1
    assert await count(ctx, InstallComponent, install_id=install.id) == 2
    assert await count(ctx, InstallActionWorkflow, install_id=install.id) == 1
    assert await count(ctx, InstallStack, install_id=install.id) == 0  # nobody applies a stack on the server's own host
    owners = [row.id for row in await installs.components(ctx, install.id)] + [(await installs.sandbox(ctx, install.id)).id]
    found = (await ctx.db.execute(select(TerraformWorkspace.owner_id).where(TerraformWorkspace.owner_id.in_(owners)))).scalars().all()
    assert sorted(found) == sorted(owners)
    runner = await runners.of_install(ctx, install.id)
    assert runner.status == "pending"


async def test_creating_an_install_starts_provisioning_it_and_leaves_its_trace(ctx):
    app = await made.app(ctx)
    created = await create(ctx, app, approval_option="approve-all")
    workflow = await ctx.db.get(Workflow, created.workflow.id)
    assert (workflow.type, workflow.owner_id, workflow.owner_type) == ("provision", created.install.id, "installs")
    assert workflow.approval_option == "approve-all"
    assert workflow.workflow_metadata["install_id"] == created.install.id
    assert workflow.serial_key == created.install.id
    assert await count(ctx, AuditRow, object_id=created.install.id, action="create") == 1


async def test_an_aws_install_has_its_account_and_its_stack(ctx):
    app = await made.app(ctx, runner_type="aws")
    install = (await create(ctx, app, account=Account(aws_region="eu-west-1"))).install
    assert await count(ctx, AWSAccount, install_id=install.id, region="eu-west-1") == 1
    assert await count(ctx, InstallStack, install_id=install.id) == 1
    assert (await states.document(ctx, install.id))["cloud_account"] == {"aws": {"region": "eu-west-1"}, "azure": None}


async def test_the_state_knows_the_install_from_the_first_moment(ctx):
    app = await made.app(ctx)
    install = (await create(ctx, app)).install
    document = await states.document(ctx, install.id)
    assert document["install"]["id"] == document["id"] == install.id
    assert document["org"]["id"] == ctx.org_id
    assert document["app"]["name"] == app.name
    assert document["inputs"]["inputs"] == {"region": "eu", "size": "3", "password": "canary-input"}
    assert document["runner"]["status"] == "pending"
    assert (await states.shown_plain(ctx, install.id))["inputs"]["inputs"]["password"] == "********"


async def test_sensitive_inputs_are_stored_sealed(ctx):
    install = (await create(ctx, await made.app(ctx))).install
    await ctx.db.flush()
    row = (await ctx.db.execute(select(InstallInputs).where(InstallInputs.install_id == install.id))).scalar_one()
    assert row.values == {"region": "eu"}
    assert row.redacted_values == {"region": "eu", "size": None, "password": "********"}
    assert b"canary" not in row.sealed
    assert await installs.inputs(ctx, install.id) == {"region": "eu", "password": "canary-input"}


async def test_a_taken_name_is_refused_in_one_app_and_free_in_another(ctx):
    app, other = await made.app(ctx), await made.app(ctx)
    await create(ctx, app)
    with pytest.raises(errors.Invalid, match="acme"):
        await create(ctx, app)
    second = (await create(ctx, other)).install
    with pytest.raises(errors.Invalid, match="several apps"):
        await installs.get(ctx, "acme")
    assert (await installs.get(ctx, second.id)).id == second.id


async def test_an_app_without_an_active_config_is_refused_in_clear_words(ctx):
    app = await made.app(ctx)
    config = await ctx.db.get(AppConfig, app.config_id)
    config.status = "syncing"
    await ctx.db.flush()
    with pytest.raises(errors.Invalid, match="no active config"):
        await create(ctx, app)


async def test_wrong_inputs_leave_nothing_behind(runtime, org):
    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx)
    with pytest.raises(rules.InputsInvalid):
        async with runtime.request(org.actor) as ctx:
            await create(ctx, app, inputs={"colour": "red"})
    async with runtime.request(org.actor) as ctx:
        assert await count(ctx, Install, app_id=app.id) == 0
        assert await count(ctx, Workflow, org_id=org.id) == 0


async def test_installs_made_at_once_have_numbers_of_their_own(runtime, org):
    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx)

    async def one(number: int) -> int:
        async with runtime.request(org.actor) as ctx:
            return (await create(ctx, app, name=f"acme-{number}")).install.install_number

    assert sorted(await asyncio.gather(*(one(number) for number in range(5)))) == [1, 2, 3, 4, 5]


async def test_another_org_sees_no_install(runtime, org):
    other = await factories.org(runtime)
    async with runtime.request(org.actor) as ctx:
        install = (await create(ctx, await made.app(ctx))).install
    async with runtime.request(other.actor) as ctx:
        for ref in (install.id, "acme"):
            with pytest.raises(errors.NotFound):
                await installs.get(ctx, ref)


async def test_changed_inputs_start_an_update_that_names_them(ctx):
    install = (await create(ctx, await made.app(ctx))).install
    row, workflow = await operations.update_inputs(ctx, install, {"size": "9"})
    assert workflow.type == "input_update"
    assert workflow.workflow_metadata["inputs"] == "size"
    assert row.redacted_values == {"region": "eu", "size": "9", "password": "********"}
    assert await installs.inputs(ctx, install.id) == {"region": "eu", "size": "9", "password": "canary-input"}
    assert (await states.document(ctx, install.id))["inputs"]["inputs"]["size"] == "9"


async def test_changes_made_at_once_do_not_lose_one_another(runtime, org):
    names = [f"i{n}" for n in range(6)]
    async with runtime.request(org.actor) as ctx:
        install = (await create(ctx, await made.app(ctx, inputs=[{"name": name} for name in names]), inputs={})).install

    async def change(name: str) -> None:
        async with runtime.request(org.actor) as ctx:
            await operations.update_inputs(ctx, await installs.get(ctx, install.id), {name: "new"})

    await asyncio.gather(*(change(name) for name in names))
    async with runtime.request(org.actor) as ctx:
        assert await installs.inputs(ctx, install.id) == dict.fromkeys(names, "new")
        assert (await states.document(ctx, install.id))["inputs"]["inputs"] == dict.fromkeys(names, "new")


async def test_what_only_plans_does_not_wait_behind_an_approval(ctx):
    install = (await create(ctx, await made.app(ctx))).install
    applies, plans = await operations.reprovision(ctx, install), await operations.reprovision(ctx, install, plan_only=True)
    assert applies.serial_key == install.id
    assert plans.serial_key not in ("", install.id)


async def test_what_misses_an_install_that_is_being_made_is_there_at_the_next_state(runtime, org):
    from exclave.domain.components.models import Component

    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx)
        install = (await create(ctx, app)).install
        ctx.db.add(Component(org_id=org.id, app_id=app.id, name="late", type="terraform_module"))
        await made.action(ctx, app, "late")

    async def look() -> None:
        async with runtime.request(org.actor) as ctx:
            found = await installs.get(ctx, install.id)
            await installs.refresh_state(ctx, found.id, by_id=found.id, by_type="installs")
            await actions.ensure(ctx, found)

    await asyncio.gather(*(look() for _ in range(4)))
    async with runtime.request(org.actor) as ctx:
        assert await count(ctx, InstallComponent, install_id=install.id) == 3
        assert await count(ctx, InstallActionWorkflow, install_id=install.id) == 1


async def test_a_renamed_install_is_renamed_in_its_state(ctx):
    app = await made.app(ctx)
    install = (await create(ctx, app)).install
    await create(ctx, app, name="taken")
    with pytest.raises(errors.Invalid, match="taken"):
        await installs.update(ctx, install, name="taken")
    await installs.update(ctx, install, name="better", approval_option="approve-all")
    assert (await states.document(ctx, install.id))["install"]["name"] == "better"
    assert (await operations.reprovision(ctx, install)).approval_option == "approve-all"


async def test_a_deleted_install_stays_until_its_deprovision_has_succeeded(ctx):
    install = (await create(ctx, await made.app(ctx))).install
    workflow = await operations.delete(ctx, install)
    assert workflow.type == "deprovision"
    assert workflow.workflow_metadata[operations.DELETE] == "true"
    assert (await installs.get(ctx, install.id)).id == install.id


async def test_a_forgotten_install_is_gone_with_its_workflows_and_its_name_is_free(ctx):
    app = await made.app(ctx)
    created = await create(ctx, app)
    await operations.forget(ctx, created.install)
    with pytest.raises(errors.NotFound):
        await installs.get(ctx, created.install.id)
    workflow = await ctx.db.get(Workflow, created.workflow.id, populate_existing=True)
    assert workflow.status["status"] == "cancelled"
    assert (await create(ctx, app)).install.install_number == 2


async def test_teardown_is_refused_where_nothing_is_deployed(ctx):
    app = await made.app(ctx)
    install = (await create(ctx, app)).install
    rows = await installs.components(ctx, install.id)
    for row in rows:
        row.status = "inactive"
    await ctx.db.flush()
    with pytest.raises(errors.Invalid):
        await operations.teardown(ctx, install, rows[0].component_id)
    with pytest.raises(errors.Invalid):
        await operations.teardown_all(ctx, install)
    bare = (await create(ctx, await made.app(ctx, components=()), name="bare")).install
    assert await operations.teardown_all(ctx, bare) is None


async def test_the_first_install_completes_the_journey_step(runtime, org):
    from exclave.domain.accounts import service as accounts

    async with runtime.sweep() as ctx:
        person = await ctx.db.get(PersonAccount, org.actor.account_id)
        person.user_journeys = (await accounts.create(ctx, f"j{org.id}@example.com")).user_journeys
    async with runtime.request(org.actor) as ctx:
        await create(ctx, await made.app(ctx))
    async with runtime.sweep() as ctx:
        person = await ctx.db.get(PersonAccount, org.actor.account_id)
        steps = {step["name"]: step["complete"] for journey in person.user_journeys for step in journey["steps"]}
    assert steps["install_created"] is True
