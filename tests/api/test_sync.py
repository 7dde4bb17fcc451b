"""A client syncs an app as the official command line does: call by call, with the statuses and bodies that it insists on."""

import asyncio
from typing import Any

import httpx
import pytest

from exclave.kit.context import Runtime
from tests.api import syncing
from tests.api.syncing import said


@pytest.fixture(autouse=True)
def _listening(runtime: Runtime) -> None:
    syncing.listening(runtime)


async def first_sync(client: httpx.AsyncClient) -> dict[str, Any]:
    """The whole protocol, steps 0 to 19, on the old paths."""
    await said(await client.get("/v1/general/current-user"), 200)
    await said(await client.get("/v1/apps/hello"), 404)
    app = (await syncing.app(client))["id"]
    assert (await said(await client.get("/v1/apps/hello"), 200))["id"] == app
    await said(await client.get(f"/v1/apps/{app}/latest-config"), 404)
    config = (await syncing.config(client, app))["id"]
    archive = await syncing.upload(client, app)
    await said(await client.patch(f"/v1/apps/{app}", json={"description": "says hello", "display_name": "Hello"}), 200)
    inputs = {
        "app_config_id": config,
        "groups": {"main": {"description": "d", "display_name": "Main", "index": 1}},
        "inputs": {
            "who": {
                "description": "d",
                "display_name": "Who",
                "group": "main",
                "index": 1,
                "type": "string",
                "source": "vendor",
                "default": "world",
            },
            "password": {
                "description": "d",
                "display_name": "P",
                "group": "main",
                "index": 2,
                "type": "string",
                "source": "customer",
                "required": True,
                "sensitive": True,
            },
        },
    }
    await said(await client.post(f"/v1/apps/{app}/input-config", json=inputs), 201)
    sandbox = {
        "app_config_id": config,
        "terraform_version": "1.11.4",
        "variables": {"who": "{{.nuon.inputs.inputs.who}}"},
        "env_vars": {},
        "variables_files": [],
        "references": ["inputs|who||nuon.inputs.inputs.who"],
        "public_git_vcs_config": syncing.source("sandbox", archive),
    }
    await said(await client.post(f"/v1/apps/{app}/sandbox-config", json=sandbox), 201)
    runner = {"app_config_id": config, "type": "local", "env_vars": {}, "helm_driver": "", "init_script_url": ""}
    await said(await client.post(f"/v1/apps/{app}/runner-configs", json=runner), 201)
    ids = {}
    for name in ("web", "db"):
        await said(await client.get(f"/v1/apps/{app}/component/{name}"), 404)
        ids[name] = (await syncing.component(client, app, name))["id"]
    blocks = {}
    for name, needs in (("web", ["db"]), ("db", [])):
        found = await said(await client.get(f"/v1/apps/{app}/component/{name}"), 200)
        assert found["id"] == ids[name]
        await said(await client.patch(f"/v1/components/{ids[name]}", json={"name": name, "var_name": "", "dependencies": needs}), 200)
        await said(await client.get(f"/v1/components/{ids[name]}/builds/latest"), 404)
        await said(await client.get(f"/v1/components/{ids[name]}/configs/latest"), 404)
        blocks[name] = await syncing.configure(client, ids[name], config, archive, needs=tuple(needs), directory=name)
    await said(await client.get(f"/v1/apps/{app}/action-workflows/greet"), 404)
    action = (await said(await client.post(f"/v1/apps/{app}/action-workflows", json={"name": "greet"}), 201))["id"]
    steps = {
        "app_config_id": config,
        "timeout": 60_000_000_000,
        "dependencies": [],
        "references": None,
        "triggers": [{"type": "post-provision"}, {"type": "post-deploy-component", "component_name": "web", "index": 3}],
        "steps": [{"name": "one", "command": "true"}, {"name": "two", "inline_contents": "#!/bin/sh\necho hi\n", "references": None}],
    }
    await said(await client.post(f"/v1/action-workflows/{action}/configs", json=steps), 201)
    await syncing.finish(client, app, config, [ids["web"], ids["db"]])
    moved = await client.post(f"/v1/apps/{app}/config/{config}/update-installs", json={"updateAll": True, "installIDs": None})
    assert await said(moved, 200) == "ok"
    return {"app": app, "config": config, "archive": archive, "action": action, "blocks": blocks, **ids}


async def test_a_whole_first_sync_gets_the_documented_statuses_and_the_config_reads_back_whole(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    tree = await said(await client.get(f"/v1/apps/{made['app']}/config/{made['config']}?recurse=true"), 200)
    assert (tree["status"], tree["version"]) == ("active", 1)
    assert tree["component_ids"] == [made["web"], made["db"]]
    assert tree["runner"]["app_runner_type"] == "local"
    assert [each["name"] for each in tree["input"]["inputs"]] == ["who", "password"]
    assert tree["input"]["inputs"][1]["cloudformation_stack_parameter_name"] == "InstallPassword"
    assert "group" not in tree["input"]["inputs"][0], "in the tree, inputs do not repeat their group"
    assert tree["sandbox"]["public_git_vcs_config"]["directory"] == "sandbox"
    assert tree["sandbox"]["variables"] == {"who": "{{.nuon.inputs.inputs.who}}"}
    assert tree["sandbox"]["refs"] == [{"type": "inputs", "name": "who", "value": "", "input": "nuon.inputs.inputs.who"}]
    by_name = {each["component_name"]: each for each in tree["component_config_connections"]}
    assert by_name["web"]["component_dependency_ids"] == [made["db"]]
    assert by_name["web"]["type"] == "terraform_module"
    assert by_name["web"]["terraform_module"]["public_git_vcs_config"]["directory"] == "web"
    assert [each["action_workflow_id"] for each in tree["action_workflow_configs"]] == [made["action"]]


async def test_the_app_shows_its_newest_configs(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    app = await said(await client.get(f"/v1/apps/{made['app']}"), 200)
    assert (app["display_name"], app["description"], app["runner_type"], app["cloud_platform"]) == (
        "Hello", "says hello", "local", "unknown",
    )  # fmt: skip
    assert app["input_config"]["input_groups"][0]["app_inputs"][0]["name"] == "who"
    assert app["input_config"]["inputs"][0]["group"]["name"] == "main"
    assert app["sandbox_config"]["public_git_vcs_config"]["repo"] == "./"


async def test_every_component_config_queues_a_build(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    for name in ("web", "db"):
        build = await said(await client.get(f"/v1/components/{made[name]}/builds/latest"), 200)
        assert build["status"] == "queued"
        assert build["status_v2"]["status"] == "queued"
        newer = await said(await client.get(f"/v1/apps/{made['app']}/components/{name}/builds/latest"), 200)
        assert newer["id"] == build["id"]


async def test_the_action_reads_back_with_its_triggers_and_steps_in_order(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    action = await said(await client.get(f"/v1/apps/{made['app']}/actions/greet"), 200)
    config = action["configs"][0]
    assert config["timeout"] == 60_000_000_000
    assert [step["name"] for step in config["steps"]] == ["one", "two"]
    assert config["steps"][1]["previous_step_id"] == config["steps"][0]["id"]
    assert {(trigger["type"], trigger.get("index", 0)) for trigger in config["triggers"]} == {
        ("post-provision", 0), ("post-deploy-component", 3),
    }  # fmt: skip
    assert [trigger["component"]["name"] for trigger in config["triggers"] if trigger["component"]] == ["web"]


async def test_a_skipped_component_is_borrowed_from_the_older_config_and_not_from_a_newer_one(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    second = (await syncing.config(client, made["app"]))["id"]
    await syncing.configure(client, made["db"], second, made["archive"], checksum="c2", directory="db")
    await syncing.finish(client, made["app"], second, [made["web"], made["db"]])
    third = (await syncing.config(client, made["app"]))["id"]
    await syncing.configure(client, made["web"], third, made["archive"], checksum="c3", directory="db")
    await syncing.finish(client, made["app"], third, [made["web"], made["db"]])
    tree = await said(await client.get(f"/v1/apps/{made['app']}/configs/{second}?recurse=true"), 200)
    found = {each["component_name"]: (each["checksum"], each["app_config_id"]) for each in tree["component_config_connections"]}
    assert found == {"db": ("c2", second), "web": ("c1", made["config"])}


async def test_a_closed_cycle_is_refused_and_named(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    body = {"name": "db", "dependencies": ["web"]}
    refused = await said(await client.patch(f"/v1/apps/{made['app']}/components/db", json=body), 400)
    assert refused["description"] == "dependency cycle: db needs web, web needs db"
    kept = await said(await client.get(f"/v1/components/{made['db']}"), 200)
    assert kept.get("dependencies", []) == [], "the refused change left nothing behind"


async def test_a_cycle_is_refused_also_when_its_edges_come_at_once(client: httpx.AsyncClient) -> None:
    app = (await syncing.app(client))["id"]
    names = ["a", "b", "c", "d"]
    for name in names:
        await syncing.component(client, app, name)
    for _ in range(3):
        edges = zip(names, [*names[1:], names[0]], strict=True)
        path = f"/v1/apps/{app}/components"
        answers = await asyncio.gather(
            *(client.patch(f"{path}/{name}", json={"name": name, "dependencies": [needs]}) for name, needs in edges)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 400]
        for name in names:
            await said(await client.patch(f"{path}/{name}", json={"name": name, "dependencies": []}), 200)


async def test_a_sync_may_turn_an_edge_round(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    second = (await syncing.config(client, made["app"]))["id"]
    for name, needs in (("db", ["web"]), ("web", [])):
        await said(await client.patch(f"/v1/components/{made[name]}", json={"name": name, "dependencies": needs}), 200)
        await syncing.configure(client, made[name], second, made["archive"], needs=tuple(needs), checksum="c2", directory=name)
    await syncing.finish(client, made["app"], second, [made["web"], made["db"]])


async def test_a_config_with_a_cycle_never_becomes_active(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    second = (await syncing.config(client, made["app"]))["id"]
    await syncing.configure(client, made["db"], second, made["archive"], needs=("web",), checksum="c2", directory="db")
    body = {"status": "active", "status_description": "ok", "component_ids": [made["web"], made["db"]]}
    refused = await said(await client.patch(f"/v1/apps/{made['app']}/config/{second}", json=body), 400)
    assert "db needs web, web needs db" in refused["description"]
    kept = await said(await client.get(f"/v1/apps/{made['app']}/configs/{second}"), 200)
    assert kept["status"] == "pending"


async def test_a_failed_sync_may_send_null_components_without_clearing_them(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    body = {"status": "error", "status_description": "error updating app-sandbox", "state": "{}", "component_ids": None}
    answer = await said(await client.patch(f"/v1/apps/{made['app']}/config/{made['config']}", json=body), 201)
    assert (answer["status"], answer["component_ids"]) == ("error", [made["web"], made["db"]])


async def test_another_org_sees_nothing_of_it(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    for path in (
        f"/v1/apps/{made['app']}", f"/v1/apps/{made['app']}/latest-config", f"/v1/apps/{made['app']}/config/{made['config']}",
        f"/v1/components/{made['web']}", f"/v1/components/{made['web']}/configs/latest", f"/v1/components/{made['web']}/builds/latest",
        f"/v1/action-workflows/{made['action']}", f"/v1/apps/{made['app']}/sandbox-latest-config",
    ):  # fmt: skip
        await said(await stranger.get(path), 404)
    assert await said(await stranger.get("/v1/apps"), 200) == []


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/v1/apps/{app}/sandbox-config", {"terraform_version": "1.11.4", "variables": {}, "env_vars": {}}, "a source is needed"),
        (
            "/v1/apps/{app}/sandbox-config",
            {
                "terraform_version": "1.11.4", "variables": {}, "env_vars": {},
                "public_git_vcs_config": {"repo": "/etc", "directory": ".", "branch": "main"},
            },
            "EXCLAVE_LOCAL_SOURCES",
        ),
        (
            "/v1/apps/{app}/sandbox-config",
            {
                "terraform_version": "1.11.4", "variables": {}, "env_vars": {},
                "public_git_vcs_config": {"repo": "./", "directory": "sandbox", "branch": "", "archive": "sha256:" + "0" * 64},
            },
            "was not uploaded in this org",
        ),
        (
            "/v1/apps/{app}/sandbox-config",
            {
                "terraform_version": "1.11.4", "variables": {}, "env_vars": {},
                "public_git_vcs_config": {"repo": "acme/infra", "directory": "../secret", "branch": "main"},
            },
            "leads out of the source",
        ),
        (
            "/v1/apps/{app}/sandbox-config",
            {
                "terraform_version": "1.11.4", "variables": {}, "env_vars": {},
                "public_git_vcs_config": {"repo": "ext::sh -c id", "directory": ".", "branch": "main"},
            },
            "neither owner/name nor an https URL",
        ),
        (
            "/v1/apps/{app}/input-config",
            {"groups": {}, "inputs": {"who": {"description": "d", "display_name": "d", "group": "main", "index": 1}}},
            "the group 'main' is not declared",
        ),
        ("/v1/apps/{app}/components", {"name": "Bad Name"}, "may hold lower case letters"),
        ("/v1/apps/{app}/components", {"name": "api\n"}, "may hold lower case letters"),
        ("/v1/apps/{app}/components", {"name": ".."}, "neither be empty nor a path"),
        ("/v1/apps", {"name": "other\n"}, "may hold lower case letters"),
        (
            "/v1/apps/{app}/sandbox-config",
            {
                "terraform_version": "1.11.4", "variables": {}, "env_vars": {},
                "public_git_vcs_config": {"repo": "https://[example.com/a", "directory": ".", "branch": "main"},
            },
            "host or port is malformed",
        ),
        ("/v1/apps/{app}/components", {"name": "web"}, "duplicate key"),
        ("/v1/apps", {"name": "hello"}, "duplicate key"),
        ("/v1/apps/{app}/components", {"name": "new", "dependencies": ["nowhere"]}, "some components not created yet: nowhere"),
        ("/v1/components/{web}/configs/terraform-module", {"variables": {}, "env_vars": {}, "version": "1.7.5"}, "older than 1.8.0"),
        ("/v1/components/{web}/configs/job", {"image_url": "busybox", "tag": "1"}, "is of type terraform_module"),
        (
            "/v1/action-workflows/{action}/configs",
            {"app_config_id": "{config}", "steps": [], "triggers": [], "timeout": 3_600_000_000_001},
            "one hour at most",
        ),
        (
            "/v1/action-workflows/{action}/configs",
            {"app_config_id": "{config}", "steps": [], "triggers": [{"type": "pre-deploy-component"}]},
            "needs the component that it is about",
        ),
    ],
)  # fmt: skip
async def test_bad_input_is_a_400_that_names_the_thing(client: httpx.AsyncClient, path: str, body: dict[str, Any], says: str) -> None:
    made = await first_sync(client)
    filled = {key: made["config"] if value == "{config}" else value for key, value in body.items()}
    refused = await said(await client.post(path.format(**made), json=filled), 400)
    assert refused["user_error"] is True
    assert says in refused["description"]


async def test_a_part_of_an_unknown_app_or_config_is_404(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    runner = {"app_config_id": "app" + "0" * 23, "type": "local"}
    await said(await client.post(f"/v1/apps/{made['app']}/runner-configs", json=runner), 404)
    await said(await client.post("/v1/apps/nowhere/runner-configs", json={"type": "local"}), 404)
    other = (await syncing.app(client, "other"))["id"]
    await said(await client.post(f"/v1/apps/{other}/runner-configs", json={"app_config_id": made["config"], "type": "local"}), 404)


async def test_both_generations_of_paths_answer_the_same(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    app, web, action = made["app"], made["web"], made["action"]
    for old, new in (
        (f"/v1/apps/{app}/config/{made['config']}", f"/v1/apps/{app}/configs/{made['config']}"),
        (f"/v1/components/{web}", f"/v1/apps/{app}/component/web"),
        (f"/v1/components/{web}/configs/latest", f"/v1/apps/{app}/components/{web}/configs/latest"),
        (f"/v1/components/{web}/configs", f"/v1/apps/{app}/components/web/configs"),
        (f"/v1/components/{web}/dependents", f"/v1/apps/{app}/components/{web}/dependents"),
        (f"/v1/action-workflows/{action}", f"/v1/apps/{app}/actions/{action}"),
        (f"/v1/action-workflows/{action}/latest-config", f"/v1/apps/{app}/actions/greet/latest-config"),
        (f"/v1/apps/{app}/action-workflows", f"/v1/apps/{app}/actions"),
    ):
        assert await said(await client.get(old), 200) == await said(await client.get(new), 200)


async def test_dependents_are_told_far_first(client: httpx.AsyncClient) -> None:
    made = await first_sync(client)
    found = await said(await client.get(f"/v1/components/{made['db']}/dependents"), 200)
    assert [each["name"] for each in found["children"]] == ["web"]
