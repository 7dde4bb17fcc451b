"""The shape of the state document, without a database."""

import json

import msgspec
import pytest

from exclave.domain.states import rules
from exclave.domain.states.rules import Branch

KEYS = [
    "id", "name", "org", "app", "sandbox", "inputs", "actions", "runner", "components", "domain", "cloud_account", "install_stack",
    "secrets", "install", "stale_at",
]  # fmt: skip


def branch(text: str, *sensitive: str) -> Branch:
    return Branch(value=msgspec.Raw(text.encode()), sensitive=sensitive)


def test_every_key_is_there_before_anything_is_known():
    document = rules.full({})
    assert list(document) == KEYS
    assert document["sandbox"] == {"populated": False, "status": "", "type": "", "version": "", "outputs": {}, "recent_runs": []}
    assert document["cloud_account"] == {"aws": None, "azure": None}
    assert document["actions"] == {"populated": False, "workflows": {}}


def test_branches_come_to_their_places_and_are_populated():
    document = rules.full(
        {
            "install": branch('{"id":"inl1","name":"acme"}'),
            "components/web": branch('{"status":"active","outputs":{"url":"http://x"}}'),
            "actions/check": branch('{"id":"iar1","status":"finished","outputs":{"ok":true}}'),
            "sandbox": branch('{"status":"active","outputs":{"public_domain":"acme.example","nested":{"a":[1]}}}'),
        }
    )
    assert (document["id"], document["name"]) == ("inl1", "acme")
    assert document["components"]["web"]["outputs"] == {"url": "http://x"}
    assert document["components"]["web"]["populated"] is True
    assert document["components"]["web"]["name"] == "web"
    assert document["actions"]["workflows"]["check"]["outputs"] == {"ok": True}
    assert document["domain"] == {"populated": True, "public_domain": "acme.example", "internal_domain": ""}
    assert document["install"]["sandbox"] == document["sandbox"]


def test_a_domain_that_is_no_text_is_no_domain():
    document = rules.shown({"sandbox": branch('{"outputs":{"public_domain":{"name":"x"}}}')})
    assert document["domain"]["public_domain"] == ""


TRICKY = '{"none":null,"empty":"","zero":0,"no":false,"list":[],"map":{},"price":1.10,"big":123456789012345678901234567890,"sci":1e+06}'


def test_outputs_pass_byte_for_byte_to_people():
    document = rules.shown({"sandbox": branch('{"outputs":' + TRICKY + "}")})
    text = msgspec.json.encode(document).decode()
    assert '"outputs":' + TRICKY in text


def test_machines_get_every_value_with_its_type():
    outputs = rules.full({"components/a": branch('{"outputs":' + TRICKY + "}")})["components"]["a"]["outputs"]
    assert outputs["none"] is None
    assert outputs["zero"] == 0
    assert type(outputs["zero"]) is int
    assert outputs["no"] is False
    assert outputs["big"] == 123456789012345678901234567890


def test_people_never_see_what_is_sensitive_and_machines_do():
    branches = {
        "inputs": branch('{"inputs":{"password":"canary-1","region":"eu"}}', "password"),
        "sandbox": branch('{"outputs":{"token":"canary-2","map":{"deep":"canary-3"},"url":"u"}}', "token", "map"),
        "components/db": branch('{"outputs":{"dsn":"canary-4"}}', "dsn"),
    }
    shown = msgspec.json.encode(rules.shown(branches)).decode()
    assert "canary" not in shown
    assert json.loads(shown)["install"]["inputs"] == {"password": "********", "region": "eu"}
    assert json.loads(shown)["sandbox"]["outputs"]["url"] == "u"
    full = json.dumps(rules.full(branches))
    assert all(f"canary-{n}" in full for n in (1, 2, 3, 4))


def test_the_texts_to_redact_are_named_longest_first():
    current = rules.current(
        {
            "inputs": branch('{"inputs":{"password":"hunter2","pin":"1234","short":"ab","open":"visible"}}', "password", "pin", "short"),
            "sandbox": branch('{"outputs":{"keys":["k-one",{"in":"k-three"}]}}', "keys"),
        }
    )
    assert current.sensitive_values == ["hunter2", "k-three", "k-one", "1234"]


@pytest.mark.parametrize("name", ["sandbox", "components/a b", "actions/x"])
def test_known_branches_are_branches(name):
    assert rules.is_branch(name)


@pytest.mark.parametrize("name", ["", "sandboxes", "components/", "components", "secret"])
def test_other_names_are_no_branches(name):
    assert not rules.is_branch(name)
