"""Apps and the parts of their configs, read and refused."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from exclave.kit.context import Runtime
from tests import statements
from tests.api import syncing
from tests.api.syncing import said
from tests.api.test_sync import first_sync


@pytest.fixture(autouse=True)
def _listening(runtime: Runtime) -> None:
    syncing.listening(runtime)


async def test_apps_are_listed_by_name_filtered_and_paged(client: httpx.AsyncClient) -> None:
    for name in ("charlie", "alpha", "bravo", "al_fa"):
        await syncing.app(client, name)
    listed = await client.get("/v1/apps?limit=2")
    assert [each["name"] for each in listed.json()] == ["al_fa", "alpha"]
    assert (listed.headers["x-nuon-page-next"], listed.headers["x-nuon-page-limit"]) == ("true", "2")
    second = await client.get("/v1/apps?limit=2&page=2")
    assert [each["name"] for each in second.json()] == ["bravo", "charlie"]
    assert [each["name"] for each in (await client.get("/v1/apps?q=LPH")).json()] == ["alpha"]
    assert [each["name"] for each in (await client.get("/v1/apps?q=l_f")).json()] == ["al_fa"], "the underscore is no wildcard"


async def test_listing_apps_costs_the_same_statements_whatever_their_number(client: httpx.AsyncClient, runtime: Runtime) -> None:
    counts = []
    for name in ("one", "two", "three"):
        app = (await syncing.app(client, name))["id"]
        config = (await syncing.config(client, app))["id"]
        await said(await client.post(f"/v1/apps/{app}/runner-configs", json={"app_config_id": config, "type": "aws"}), 201)
        with statements.sent() as seen:
            listed = await said(await client.get("/v1/apps"), 200)
        assert {each["cloud_platform"] for each in listed} == {"aws"}
        counts.append(len(seen))
    assert counts[0] == counts[1] == counts[2] > 3


async def test_an_app_is_renamed_only_to_a_free_name(client: httpx.AsyncClient) -> None:
    app = (await syncing.app(client, "one"))["id"]
    await syncing.app(client, "two")
    await said(await client.patch(f"/v1/apps/{app}", json={"name": "two"}), 400)
    await said(await client.patch(f"/v1/apps/{app}", json={"name": "three", "description": ""}), 200)
    assert (await said(await client.get("/v1/apps/three"), 200))["id"] == app


@pytest.mark.parametrize("end", ["\n", "\x00", "\u00e9", "/", "b" * 255])
async def test_a_name_has_an_alphabet_and_an_end(client: httpx.AsyncClient, end: str) -> None:
    app = (await syncing.app(client))["id"]
    refused = [
        await client.post("/v1/apps", json={"name": f"a{end}"}),
        await client.patch(f"/v1/apps/{app}", json={"name": f"a{end}"}),
        await client.post(f"/v1/apps/{app}/components", json={"name": f"a{end}"}),
        await client.post(f"/v1/apps/{app}/components", json={"name": "a", "var_name": f"a{end}"}),
        await client.post(f"/v1/apps/{app}/secrets", json={"name": f"a{end}", "value": "v"}),
    ]
    for answer in refused:
        assert "name: " in (await said(answer, 400))["description"]


async def test_an_app_with_components_or_installs_is_not_deleted(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    refused = await said(await client.delete(f"/v1/apps/{made['app']}"), 400)
    assert "component(s) in its latest config" in refused["description"]
    refused = await said(await client.delete(f"/v1/components/{made['web']}"), 400)
    assert "latest config" in refused["description"]
    empty = (await syncing.config(client, made["app"]))["id"]
    await syncing.finish(client, made["app"], empty, [])
    assert await said(await client.delete(f"/v1/components/{made['web']}"), 200) is True
    await said(await client.get(f"/v1/components/{made['web']}"), 404)
    assert await said(await client.delete(f"/v1/apps/{made['app']}"), 200) is True
    await said(await client.get("/v1/apps/hello"), 404)
    await syncing.app(client, "hello")


async def test_roles_read_back_by_what_they_are_for(client: httpx.AsyncClient) -> None:
    app = (await syncing.app(client))["id"]
    config = (await syncing.config(client, app))["id"]

    def role(name: str) -> dict[str, Any]:
        policies = [{"name": "all_of-it", "contents": '{"a": 1}'}, {"managed_policy_name": "ReadOnly"}]
        return {"name": name, "display_name": name, "description": "d", "permissions_boundary": "{}", "policies": policies}

    body = {
        "app_config_id": config,
        "provision_role": role("p"),
        "deprovision_role": role("d"),
        "maintenance_role": role("m"),
        "break_glass_roles": None,
    }
    made = await said(await client.post(f"/v1/apps/{app}/permissions-configs", json=body), 201)
    read = await said(await client.get(f"/v1/apps/{app}/latest-app-permissions-config"), 200)
    assert read["id"] == made["id"]
    assert read["provision_aws_iam_role"]["cloudformation_stack_name"] == "RunnerProvision"
    assert read["provision_aws_iam_role"]["cloudformation_param_name"] == "EnableRunnerProvision"
    policies = read["maintenance_aws_iam_role"]["policies"]
    assert policies[0]["contents"] == "eyJhIjogMX0=", "bytes are base64"
    assert (policies[0]["cloudformation_stack_name"], policies[1]["managed_policy_name"]) == ("AllOfIt", "ReadOnly")
    body["provision_role"] = {**role("p"), "policies": []}
    refused = await said(await client.post(f"/v1/apps/{app}/permissions-configs", json=body), 400)
    assert "provision_role.policies" in refused["description"]


async def test_secrets_of_customers_are_declared_with_the_names_of_their_stack(client: httpx.AsyncClient) -> None:
    app = (await syncing.app(client))["id"]
    config = (await syncing.config(client, app))["id"]
    secret = {"name": "db_password", "display_name": "P", "description": "d", "required": True}
    await said(await client.post(f"/v1/apps/{app}/secrets-configs", json={"app_config_id": config, "secrets": [secret]}), 201)
    read = await said(await client.get(f"/v1/apps/{app}/latest-app-secrets-config"), 200)
    found = read["secrets"][0]
    assert (found["cloudformation_stack_name"], found["cloudformation_param_name"]) == ("DbPassword", "DbPasswordParam")
    wrong = {**secret, "kubernetes_secret_name": "not a name"}
    await said(await client.post(f"/v1/apps/{app}/secrets-configs", json={"app_config_id": config, "secrets": [wrong]}), 400)


async def test_a_vendors_secret_is_never_shown_again(client: httpx.AsyncClient, runtime: Runtime) -> None:
    app = (await syncing.app(client))["id"]
    made = await said(await client.post(f"/v1/apps/{app}/secrets", json={"name": "token", "value": "canary-4c1d"}), 201)
    assert (made["name"], made["length"]) == ("token", 11)
    listed = await client.get(f"/v1/apps/{app}/secrets")
    assert "canary-4c1d" not in listed.text
    async with runtime.sweep() as ctx:
        stored = (await ctx.db.execute(text("select s::text, value from app_secrets s where id = :id"), {"id": made["id"]})).one()
    assert "canary-4c1d" not in stored[0]
    assert b"canary-4c1d" not in stored[1]
    assert await said(await client.delete(f"/v1/apps/{app}/secret/{made['id']}"), 200) is True
    assert await said(await client.get(f"/v1/apps/{app}/secrets"), 200) == []


async def _install(client: httpx.AsyncClient, app: str, name: str) -> str:
    body = {"name": name, "inputs": {"password": "secret"}, "aws_account": {"region": "eu-central-1"}}
    answer = await client.post(f"/v1/apps/{app}/installs", json=body)
    return str((await said(answer, 201))["id"])


@pytest.mark.parametrize(
    ("body", "moved"),
    [
        ({"updateAll": True, "installIDs": None}, {"one", "two"}),
        ({"UpdateAll": True}, {"one", "two"}),
        ({"updateall": True}, {"one", "two"}),
        ({"installIDs": ["one"]}, {"one"}),
        ({"InstallIDs": ["{two}"], "UpdateAll": False}, {"two"}),
        ({"installIDs": [], "updateAll": False}, set()),
    ],
)
async def test_installs_move_to_a_config_on_request(client: httpx.AsyncClient, body: dict[str, Any], moved: set[str]) -> None:
    made = await first_sync(client)
    ids = {name: await _install(client, made["app"], name) for name in ("one", "two")}
    second = (await syncing.config(client, made["app"]))["id"]
    await syncing.finish(client, made["app"], second, [made["web"], made["db"]])
    sent = {key: [each.format(**ids) for each in value] if isinstance(value, list) else value for key, value in body.items()}
    answer = await client.post(f"/v1/apps/{made['app']}/configs/{second}/update-installs", json=sent)
    assert await said(answer, 200) == "ok"
    on = {name: (await said(await client.get(f"/v1/installs/{install}"), 200))["app_config_id"] for name, install in ids.items()}
    assert {name for name, config in on.items() if config == second} == moved


async def test_installs_move_to_an_active_config_of_their_app_only(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    pending = (await syncing.config(client, made["app"]))["id"]
    body = {"updateAll": True}
    refused = await said(await client.post(f"/v1/apps/{made['app']}/configs/{pending}/update-installs", json=body), 400)
    assert "not active" in refused["description"]
    other = (await syncing.app(client, "other"))["id"]
    await said(await client.post(f"/v1/apps/{other}/configs/{made['config']}/update-installs", json=body), 404)
    unknown = {"installIDs": ["nowhere"]}
    await said(await client.post(f"/v1/apps/{made['app']}/configs/{made['config']}/update-installs", json=unknown), 404)


async def test_an_app_with_an_install_is_not_deleted(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    await _install(client, made["app"], "one")
    empty = (await syncing.config(client, made["app"]))["id"]
    await syncing.finish(client, made["app"], empty, [])
    refused = await said(await client.delete(f"/v1/apps/{made['app']}"), 400)
    assert "one" in refused["description"]


async def test_the_graph_is_text_in_dot_form(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    graph = await said(await client.get(f"/v1/apps/{made['app']}/config/{made['config']}/graph"), 200)
    assert '"db" -> "web"' in graph


async def test_a_config_in_error_does_not_recurse(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    body = {"status": "error", "status_description": "error updating app-sandbox"}
    await said(await client.patch(f"/v1/apps/{made['app']}/config/{made['config']}", json=body), 201)
    refused = await said(await client.get(f"/v1/apps/{made['app']}/config/{made['config']}?recurse=true"), 400)
    assert "error updating app-sandbox" in refused["description"]
    await said(await client.get(f"/v1/apps/{made['app']}/config/{made['config']}"), 200)


async def test_what_anybody_may_ask_needs_no_token(client: httpx.AsyncClient) -> None:
    client.headers.pop("Authorization")
    regions = await said(await client.get("/v1/general/cloud-platform/aws/regions"), 200)
    assert "eu-central-1" in {each["value"] for each in regions}
    await said(await client.get("/v1/general/cloud-platform/moon/regions"), 400)
    assert set(await said(await client.get("/v1/general/cli-config"), 200)) == {
        "auth_audience", "auth_client_id", "auth_domain", "dashboard_url",
    }  # fmt: skip
    schema = await said(await client.get("/v1/general/config-schema?type=sandbox"), 200)
    assert schema["$schema"].startswith("https://json-schema.org/")
    await said(await client.get("/v1/general/config-schema?type=moon"), 400)
    await said(await client.get("/v1/general/config-schema"), 400)
