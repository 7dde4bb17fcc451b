"""Terraform's documents as runners may send them: whatever is taken can be shown to people."""

import msgspec
import pytest

from exclave.domain.workspaces import rules
from exclave.kit import errors

WRONG = [None, [], {}, 1, "a", True, [None], ["a"], [[]], [{}], {"a": None}, {"a": "b"}, {"a": []}, {"a": {}}, {"a": {"a": {"a": 1}}}]
SHOWN = {"values": {"outputs": {}, "root_module": {"resources": [], "child_modules": [{"resources": [{"address": "a"}]}]}}}


def put(document, path, value):
    """A copy of the document with another value at a path of keys and places."""
    if not path:
        return value
    changed = document.copy() if isinstance(document, dict | list) else {}
    inside = changed[path[0]] if isinstance(changed, list) else changed.get(path[0], {})
    changed[path[0]] = put(inside, path[1:], value)
    return changed


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize(
    "path",
    [
        ("outputs",),
        ("outputs", "o"),
        ("outputs", "o", "sensitive"),
        ("resources",),
        ("resources", 0),
        ("resources", 0, "mode"),
        ("resources", 0, "instances"),
        ("resources", 0, "instances", 0),
        ("resources", 0, "instances", 0, "attributes"),
        ("resources", 0, "instances", 0, "sensitive_attributes"),
        ("resources", 0, "instances", 0, "sensitive_attributes", 0),
        ("check_results",),
    ],
    ids=str,
)
def test_a_state_that_is_taken_can_be_shown(path, wrong):
    attributes = [[{"type": "get_attr", "value": "a"}]]
    resources = [{"mode": "managed", "instances": [{"attributes": {"a": "secret"}, "sensitive_attributes": attributes}]}]
    whole = {"version": 4, "serial": 1, "lineage": "l", "outputs": {"o": {"sensitive": True, "value": "secret"}}, "resources": resources}
    contents = msgspec.json.encode(put(whole, path, wrong))
    try:
        rules.read_state(contents)
    except errors.Invalid:
        return
    rules.holds_resources(contents)
    rules.masked_state(contents)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize(
    "path",
    [
        (),
        ("values",),
        ("values", "outputs"),
        ("values", "outputs", "o"),
        ("values", "root_module"),
        ("values", "root_module", "resources"),
        ("values", "root_module", "child_modules"),
        ("values", "root_module", "child_modules", 0),
        ("values", "root_module", "child_modules", 0, "resources"),
        ("values", "root_module", "child_modules", 0, "resources", 0),
    ],
    ids=str,
)
def test_a_show_document_that_is_taken_can_be_shown(path, wrong):
    contents = msgspec.json.encode(put(SHOWN, path, wrong))
    try:
        rules.read_show(contents)
    except errors.Invalid:
        return
    shown = msgspec.json.decode(contents)
    rules.masked_show(shown)
    rules.resources_in(shown)
