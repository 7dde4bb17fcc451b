"""Inputs over HTTP."""

import pytest

from tests.domain.installs import made


@pytest.fixture
async def install(client, runtime, org):
    async with runtime.request(org.actor) as ctx:
        inputs = (*made.INPUTS, {"name": "vpc", "source": "customer"})
        app = await made.app(ctx, inputs=inputs)
    body = {"app_id": app.id, "name": "acme", "inputs": {"region": "eu", "password": "canary-input"}}
    answer = await client.post("/v1/installs", json=body)
    assert answer.status_code == 201
    return answer.json()


async def test_the_inputs_in_force_carry_no_secret(client, install):
    current = (await client.get("/v1/installs/acme/inputs/current")).json()
    assert current["values"] == {"region": "eu"}
    assert current["redacted_values"] == {"region": "eu", "size": None, "password": "********", "vpc": None}


async def test_a_partial_change_is_merged_and_starts_an_update(client, install):
    answer = await client.patch("/v1/installs/acme/inputs", json={"inputs": {"size": "7"}})
    assert answer.status_code == 200
    assert answer.headers["x-nuon-install-workflow-id"]
    assert "values" not in answer.json()
    assert answer.json()["redacted_values"]["size"] == "7"
    versions = (await client.get("/v1/installs/acme/inputs")).json()
    assert [each["redacted_values"]["size"] for each in versions] == ["7", None]


async def test_what_was_read_can_be_sent_back_whole(client, install):
    current = (await client.get("/v1/installs/acme/inputs/current")).json()
    answer = await client.patch("/v1/installs/acme/inputs", json={"inputs": {**current["values"], "password": "********", "size": "1"}})
    assert answer.status_code == 200
    assert (await client.get("/v1/installs/acme/inputs/current")).json()["redacted_values"]["password"] == "********"


@pytest.mark.parametrize(
    ("inputs", "word"),
    [({}, "at least one"), ({"colour": "x"}, "colour"), ({"vpc": "vpc-1"}, "vpc"), ({"size": "big"}, "size"), ({"region": ""}, "region")],
)
async def test_a_wrong_change_is_told_what_is_wrong(client, install, inputs, word):
    answer = await client.patch("/v1/installs/acme/inputs", json={"inputs": inputs})
    assert answer.status_code == 400
    assert word in answer.json()["description"]


async def test_an_app_without_inputs_has_empty_ones(client, runtime, org):
    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx, inputs=())
    install = (await client.post("/v1/installs", json={"app_id": app.id, "name": "bare"})).json()
    answer = await client.get(f"/v1/installs/{install['id']}/inputs/current")
    assert answer.status_code == 200
    assert answer.json()["values"] == {}


async def test_a_whole_set_replaces_the_old_one(client, install):
    answer = await client.post("/v1/installs/acme/inputs", json={"inputs": {"region": "us"}})
    assert answer.status_code == 201
    assert answer.json()["redacted_values"] == {"region": "us", "size": None, "password": None, "vpc": None}
