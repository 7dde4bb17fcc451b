"""The state document over HTTP."""

import json

import msgspec
import pytest

from exclave.domain.apps.models import AppConfig
from exclave.domain.states import service as states
from tests.domain.installs import made

TRICKY = b'{"a":null,"b":"","c":0,"d":false,"e":[],"f":1.10}'


@pytest.fixture
async def install(client, runtime, org):
    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx)
    body = {"app_id": app.id, "name": "acme", "inputs": {"region": "eu", "password": "canary-input"}}
    answer = await client.post("/v1/installs", json=body)
    assert answer.status_code == 201
    return {**answer.json(), "config_id": app.config_id}


async def test_people_see_the_document_with_masks_and_untouched_values(client, runtime, org, install):
    async with runtime.request(org.actor) as ctx:
        outputs = {"url": msgspec.Raw(TRICKY), "token": "canary-output"}
        await states.put(ctx, install["id"], "sandbox", {"status": "active", "outputs": outputs}, sensitive=["token"])
    answer = await client.get("/v1/installs/acme/state")
    assert answer.status_code == 200
    assert "canary" not in answer.text
    assert TRICKY in answer.content
    document = answer.json()
    assert len(document) == 15
    assert document["inputs"]["inputs"] == {"region": "eu", "size": "3", "password": "********"}
    assert document["sandbox"]["outputs"]["token"] == "********"


async def test_versions_are_listed_newest_first(client, runtime, org, install):
    for number in (1, 2):
        async with runtime.request(org.actor) as ctx:
            await states.put(ctx, install["id"], "sandbox", {"outputs": {"n": number, "t": "canary"}}, sensitive=["t"])
            await states.generate(ctx, install["id"], by_id=install["id"], by_type="installs")
    versions = (await client.get("/v1/installs/acme/state-history")).json()
    assert [each["version"] for each in versions] == [2, 1]
    assert [json.loads(each["contents"])["sandbox"]["outputs"]["n"] for each in versions] == [2, 1]
    assert "canary" not in str(versions)


async def test_the_readme_is_rendered_for_the_install(client, install):
    answer = await client.get("/v1/installs/acme/readme")
    assert answer.status_code == 200
    assert answer.json()["readme"] == "Hello acme"


async def test_a_readme_that_asks_for_more_comes_as_written_with_every_warning(client, runtime, org, install):
    text = "{{ .nuon.sandbox.outputs.url }} {{ .nuon.components.web.outputs.x }}"
    async with runtime.request(org.actor) as ctx:
        (await ctx.db.get(AppConfig, install["config_id"])).readme = text
    answer = await client.get("/v1/installs/acme/readme")
    assert answer.status_code == 206
    assert answer.json()["readme"] == text
    assert len(answer.json()["warnings"]) == 2
