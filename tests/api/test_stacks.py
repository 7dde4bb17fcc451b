"""The stack of an install over HTTP."""

import pytest

from exclave.api.app import listener
from exclave.api.public import stacks
from exclave.domain.installs import service as installs
from exclave.domain.installs.service import Account
from exclave.domain.stacks.models import InstallStackVersion, InstallStackVersionRun
from exclave.engine.status import composite
from tests.domain.installs import made
from tests.domain.workflows import stage as stages


@pytest.fixture(scope="session")
def public_app(runtime):
    return listener("public", (stacks.route,), runtime)


@pytest.fixture
async def on_aws(runtime, org):
    async with runtime.request(org.actor) as ctx:
        await made.runner_role(ctx)
        app = await made.app(ctx, runner_type="aws", inputs=(), components=())
        return await installs.create(ctx, app, name="acme", inputs={}, account=Account(aws_region="eu-west-1"))


async def test_an_install_on_aws_says_that_stacks_are_planned(runtime, org, on_aws):
    stage = stages.Stage(runtime, org.actor, None, on_aws.install, on_aws.workflow, stages.loop_of(runtime))
    await stage.drain()
    step = await stage.step("generate install stack")
    assert (step.status["status"], "planned" in step.status["status_human_description"]) == ("error", True)
    assert await stage.status() == "error"


async def test_a_stack_shows_its_versions_and_what_they_phoned_home(client, stranger, runtime, org, on_aws):
    async with runtime.request(org.actor) as ctx:
        stack = await installs.stack(ctx, on_aws.install.id)
        owned = {"org_id": org.id, "install_id": on_aws.install.id}
        version = InstallStackVersion(
            **owned,
            install_stack_id=stack.id,
            app_config_id=on_aws.install.app_config_id,
            composite_status=composite("active"),
            contents=b'{"Resources": {}}',
            phone_home_id="canary-phone-home",
            phone_home_url="https://example.com/canary-phone-home",
        )
        ctx.db.add(version)
        await ctx.db.flush()
        ctx.db.add(InstallStackVersionRun(org_id=org.id, install_stack_version_id=version.id, data={"vpc_id": "vpc-1"}))
    root = f"/v1/installs/{on_aws.install.id}"
    answer = await client.get(f"{root}/stack")
    assert answer.status_code == 200
    (shown,) = answer.json()["versions"]
    assert (shown["composite_status"]["status"], shown["runs"][0]["data"]) == ("active", {"vpc_id": "vpc-1"})
    assert "canary-phone-home" not in answer.text
    assert (await client.get(f"/v1/installs/stacks/{stack.id}")).json() == answer.json()
    assert [run["data"] for run in (await client.get(f"{root}/stack-runs")).json()] == [{"vpc_id": "vpc-1"}]
    for path in (f"{root}/stack", f"{root}/stack-runs", f"/v1/installs/stacks/{stack.id}"):
        assert (await stranger.get(path)).status_code == 404


async def test_an_install_on_this_host_has_no_stack(client, runtime, org):
    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx, inputs=(), components=())
        created = await installs.create(ctx, app, name="local", inputs={}, account=Account())
    answer = await client.get(f"/v1/installs/{created.install.id}/stack")
    assert (answer.status_code, "needs none" in answer.json()["description"]) == (404, True)
    assert (await client.get(f"/v1/installs/{created.install.id}/stack-runs")).json() == []
