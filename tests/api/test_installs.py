"""Installs over HTTP."""

import asyncio

import pytest

from exclave.domain.actions import service as actions
from exclave.domain.installs.events import InstallCreated
from exclave.engine.models import Workflow
from tests import statements
from tests.api import syncing
from tests.domain.installs import made

HEADER = "x-nuon-install-workflow-id"


@pytest.fixture(autouse=True)
def _wired(runtime):
    runtime.events.subscribe(InstallCreated, actions.on_install_created)


@pytest.fixture
async def app(runtime, org):
    async with runtime.request(org.actor) as ctx:
        return await made.app(ctx)


async def create(client, app, name="acme", **more):
    body = {"app_id": app.id, "name": name, "inputs": {"region": "eu", "password": "canary-input"}, **more}
    return await client.post("/v1/installs", json=body)


async def test_an_install_is_created_by_both_paths(client, app):
    answer = await create(client, app)
    assert answer.status_code == 201
    assert len(answer.headers[HEADER]) == 26
    install = answer.json()
    assert install["name"] == "acme"
    assert install["sandbox"]["status"] == "queued"
    assert len(install["sandbox"]["terraform_workspace"]["id"]) == 26
    assert install["install_inputs"][0]["redacted_values"] == {"region": "eu", "size": None, "password": "********"}
    body = {"name": "second", "inputs": {"region": "us"}, "install_config": {"approval_option": "approve-all"}}
    second = await client.post(f"/v1/apps/{app.name}/installs", json=body)
    assert second.status_code == 201
    assert second.json()["install_config"]["approval_option"] == "approve-all"


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"app_id": "appdoesnotexist00000000000"}, 404, ["appdoesnotexist00000000000"]),
        ({"inputs": {"colour": "red", "size": "big"}}, 400, ["colour", "region", "size"]),
        ({"name": ""}, 400, ["name"]),
        ({"aws_account": {"region": "eu"}, "azure_account": {"location": "we"}}, 400, ["not both"]),
        ({"install_config": {"approval_option": "sometimes"}}, 400, ["approval_option"]),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(client, app, change, status, words):
    answer = await create(client, app, **change)
    assert answer.status_code == status
    problem = answer.json()
    assert problem["user_error"] is True
    assert all(word in problem["error"] + problem["description"] for word in words), problem


async def test_a_taken_name_is_400_and_the_next_attempt_works(client, app):
    assert (await create(client, app)).status_code == 201
    assert (await create(client, app)).status_code == 400
    assert (await create(client, app, name="other")).status_code == 201


async def test_an_app_is_not_deleted_under_an_install_that_comes_at_the_same_moment(client, app, runtime):
    syncing.listening(runtime)
    for number in range(4):
        made, gone = await asyncio.gather(create(client, app, name=f"acme-{number}"), client.delete(f"/v1/apps/{app.id}"))
        assert (made.status_code, gone.status_code) in ((201, 400), (404, 200)), (made.text, gone.text)
        if gone.status_code == 200:
            break


async def test_a_cloud_app_needs_an_account(client, runtime, org):
    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx, runner_type="aws")
    assert (await create(client, app)).status_code == 400
    answer = await create(client, app, aws_account={"region": "eu-west-1"})
    assert answer.status_code == 201
    assert answer.json()["aws_account"]["region"] == "eu-west-1"
    assert len(answer.json()["install_stack"]["id"]) == 26
    shown = (await client.get("/v1/installs/acme")).json()
    assert (shown["cloud_platform"], shown["runner_type"]) == ("aws", "aws")


async def test_an_install_is_read_by_id_and_by_name(client, app):
    made_one = (await create(client, app)).json()
    for ref in (made_one["id"], "acme"):
        install = (await client.get(f"/v1/installs/{ref}")).json()
        assert install["id"] == made_one["id"]
        assert install["app"]["id"] == app.id
        assert install["install_number"] == 1
        assert install["sandbox_status"] == "queued"
        assert install["runner_status"] == "pending"
        assert install["status"] == "deprecated"
        assert install["composite_component_status"] == "pending"
        assert sorted(each["component"]["name"] for each in install["install_components"]) == ["db", "web"]
        assert set(install["component_statuses"]) == {each["component_id"] for each in install["install_components"]}
        assert install["app_sandbox_config"]["public_git_vcs_config"]["directory"] == "sandbox"
        assert install["app_sandbox_config"]["refs"][0]["name"] == "region"
        assert install["drifted_objects"] == []
        assert "canary" not in str(install)


async def test_another_org_finds_nothing(client, stranger, app):
    install = (await create(client, app)).json()
    for path in ("", "/state", "/inputs/current", "/drifted-objects", "/actions", "/readme"):
        assert (await stranger.get(f"/v1/installs/{install['id']}{path}")).status_code == 404, path
    assert (await stranger.get("/v1/installs")).json() == []
    assert (await stranger.post(f"/v1/installs/{install['id']}/deprovision")).status_code == 404
    assert (await stranger.patch(f"/v1/installs/{install['id']}", json={"name": "stolen"})).status_code == 404


async def test_installs_are_listed_by_name_in_pages(client, app):
    for name in ("c", "a", "b"):
        await create(client, app, name=name)
    first = await client.get("/v1/installs", params={"limit": 2})
    assert [each["name"] for each in first.json()] == ["a", "b"]
    assert first.headers["x-nuon-page-next"] == "true"
    rest = await client.get("/v1/installs", params={"limit": 2, "offset": 2})
    assert [each["name"] for each in rest.json()] == ["c"]
    assert rest.headers["x-nuon-page-next"] == "false"
    assert [each["name"] for each in (await client.get(f"/v1/apps/{app.id}/installs", params={"q": "B"})).json()] == ["b"]


@pytest.mark.parametrize("none", ["1_0", "\u0661", " 1", "1.0", "1e0", "", "x", "-1", "9" * 30])
async def test_what_is_no_number_is_as_good_as_none_in_pages(client, app, none):
    await create(client, app, name="a")
    answer = await client.get("/v1/installs", params={"limit": none, "offset": none, "page": none})
    assert [each["name"] for each in answer.json()] == ["a"]
    assert {name: value for name, value in answer.headers.items() if name.startswith("x-nuon-page")} == {
        "x-nuon-page-next": "false",
        "x-nuon-page-offset": "0",
        "x-nuon-page-limit": "10",
    }


async def test_the_statements_of_a_list_do_not_grow_with_its_rows(client, app, runtime):
    async def number() -> int:
        with statements.sent() as found:
            assert (await client.get("/v1/installs", params={"limit": 50})).status_code == 200
        return len(found)

    await create(client, app, name="one")
    with_one = await number()
    for count in range(6):
        await create(client, app, name=f"more-{count}")
    assert await number() == with_one
    assert with_one <= 10


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("reprovision", "reprovision"),
        ("reprovision-sandbox", "reprovision_sandbox"),
        ("deprovision", "deprovision"),
        ("deprovision-sandbox", "deprovision_sandbox"),
        ("sync-secrets", "sync_secrets"),
        ("components/deploy-all", "deploy_components"),
    ],
)
async def test_what_a_user_asks_starts_a_workflow(client, app, runtime, path, kind):
    install = (await create(client, app)).json()
    empty = await client.post(f"/v1/installs/{install['id']}/{path}")
    assert (empty.status_code, empty.json()) == (201, "ok")
    planned = await client.post(f"/v1/installs/acme/{path}", json={"plan_only": True, "error_behavior": "abort"})
    assert planned.status_code == 201
    async with runtime.sweep() as ctx:
        first = await ctx.db.get(Workflow, empty.headers[HEADER])
        second = await ctx.db.get(Workflow, planned.headers[HEADER])
    assert (first.type, first.plan_only, second.plan_only) == (kind, False, True)


async def test_the_components_of_an_install_are_listed_and_read(client, stranger, app):
    install = (await create(client, app)).json()
    listed = (await client.get("/v1/installs/acme/components")).json()
    assert sorted(each["component"]["name"] for each in listed) == ["db", "web"]
    assert all(each["terraform_workspace"]["owner_id"] == each["id"] for each in listed)
    assert [each["component"]["name"] for each in (await client.get("/v1/installs/acme/components?q=w")).json()] == ["web"]
    assert (await client.get("/v1/installs/acme/components?types=helm_chart")).json() == []
    web = next(each for each in listed if each["component"]["name"] == "web")
    for ref in ("web", web["component_id"], web["id"]):
        shown = (await client.get(f"/v1/installs/{install['id']}/components/{ref}")).json()
        assert (shown["id"], shown["install_deploys"]) == (web["id"], [])
    assert (await client.get("/v1/installs/acme/components/nope")).status_code == 404
    assert (await stranger.get(f"/v1/installs/{install['id']}/components")).status_code == 404


async def test_a_component_is_torn_down_by_name_or_id(client, app):
    install = (await create(client, app)).json()
    answer = await client.post(f"/v1/installs/{install['id']}/components/web/teardown")
    assert answer.status_code == 201
    assert answer.headers[HEADER]
    assert (await client.post(f"/v1/installs/{install['id']}/components/nope/teardown")).status_code == 404
    assert (await client.post(f"/v1/installs/{install['id']}/components/teardown-all", json={})).status_code == 201


async def test_teardown_all_without_components_is_204(client, runtime, org):
    async with runtime.request(org.actor) as ctx:
        bare = await made.app(ctx, components=())
    install = (await create(client, bare)).json()
    answer = await client.post(f"/v1/installs/{install['id']}/components/teardown-all", json={})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_an_install_is_renamed_and_its_approval_changed(client, app):
    install = (await create(client, app)).json()
    answer = await client.patch(
        "/v1/installs/acme",
        json={"name": "better", "metadata": {"managed_by": "cli"}, "install_config": {"approval_option": "approve-all"}},
    )
    assert answer.status_code == 200
    shown = (await client.get("/v1/installs/better")).json()
    assert (shown["id"], shown["metadata"]) == (install["id"], {"managed_by": "cli"})
    config = shown["install_config"]
    assert config["approval_option"] == "approve-all"
    changed = await client.patch(f"/v1/installs/better/configs/{config['id']}", json={"approval_option": "prompt"})
    assert changed.status_code == 201
    assert changed.json()["approval_option"] == "prompt"
    assert (await client.patch("/v1/installs/better/configs/nope", json={})).status_code == 404


async def test_delete_starts_a_deprovision_and_forget_drops_the_row(client, app):
    install = (await create(client, app)).json()
    deleted = await client.delete(f"/v1/installs/{install['id']}")
    assert (deleted.status_code, deleted.json()) == (200, True)
    assert deleted.headers[HEADER]
    assert (await client.get("/v1/installs/acme")).status_code == 200
    assert (await client.post("/v1/installs/acme/forget")).json() is True
    assert (await client.get(f"/v1/installs/{install['id']}")).status_code == 404


async def test_a_server_that_is_not_local_refuses_the_platform_local(runtime, org, app):
    from dataclasses import replace

    import httpx

    from exclave.api.app import listener
    from exclave.api.public import installs as routes

    elsewhere = replace(runtime, settings=replace(runtime.settings, local_platform=False))
    transport = httpx.ASGITransport(app=listener("public", [routes.route], elsewhere), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers={"Authorization": org.token}) as client:
        answer = await create(client, app)
    assert answer.status_code == 400
    assert "EXCLAVE_ALLOW_LOCAL_PLATFORM" in answer.json()["description"]


async def test_a_viewer_of_another_orgs_app_cannot_install_it(stranger, app):
    assert (await create(stranger, app)).status_code == 404


async def test_the_runner_group_of_an_install_is_found_by_its_name_too(client, app):
    install = (await create(client, app)).json()
    group = (await client.get(f"/v1/installs/{install['id']}/runner-group")).json()
    assert group["owner_id"] == install["id"]
    assert (await client.get("/v1/installs/acme/runner-group")).json() == group
    unknown = await client.get("/v1/installs/nobody/runner-group")
    assert (unknown.status_code, unknown.json()["description"]) == (404, "no install 'nobody'")
