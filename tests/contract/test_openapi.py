"""Our OpenAPI documents say what the contract says: every operation, parameter, property and word of it."""

import json
import tomllib
from pathlib import Path

import pytest

from exclave.api import contract
from exclave.server import wiring
from tests.contract import contract_check

HERE = Path(__file__).parent
AUDIENCES: tuple[contract.Listener, ...] = ("public", "runner")


def the_contract(audience: str) -> dict:
    return json.loads((HERE / f"openapi-{audience}.json").read_text())


def listed_differences(audience: str) -> dict[str, list[str]]:
    """What `differs.toml` allows in one document, by operation id."""
    found: dict[str, list[str]] = {}
    for entry in tomllib.loads((HERE / "differs.toml").read_text())["differs"]:
        assert entry["reason"], "a difference needs a reason"
        if audience in entry["documents"]:
            for operation in entry["operations"]:
                found.setdefault(operation, []).extend(entry["differences"])
    return found


@pytest.mark.parametrize("audience", AUDIENCES)
def test_every_operation_served_is_documented_as_in_the_contract(audience):
    report = contract_check.check(the_contract(audience), wiring.document(audience))
    found = {name.rpartition("(")[2].rstrip(")"): sorted(differences) for name, differences in report.differences.items()}
    assert found == {operation: sorted(differences) for operation, differences in listed_differences(audience).items()}


@pytest.mark.parametrize("audience", AUDIENCES)
def test_every_operation_of_the_contract_is_in_our_document(audience):
    assert contract_check.check(the_contract(audience), wiring.document(audience)).missing == []


@pytest.mark.parametrize("audience", AUDIENCES)
def test_what_is_planned_answers_501_and_nothing_else(audience):
    for path, methods in wiring.document(audience)["paths"].items():
        for method, operation in methods.items():
            if operation.get("x-status") == "planned":
                assert list(operation["responses"]) == ["501"], f"{method} {path}"


@pytest.mark.parametrize("audience", AUDIENCES)
def test_every_documented_success_status_is_in_our_document(audience):
    served = {(m, p): o for m, p, o, _ in contract_check.operations(wiring.document(audience))}
    for method, path, theirs, _ in contract_check.operations(the_contract(audience)):
        ours = served[method, path]
        if ours.get("x-status") != "planned":
            documented = {status for status in theirs["responses"] if status.startswith("2")}
            assert documented <= set(ours["responses"]), f"{method} {path}"


MANY = {"type": "array", "items": {"type": "integer"}}
BOTH = {"type": "object", "properties": {"id": {"type": "string"}, "kind": {"enum": ["a", "b"]}, "many": MANY}}


def checked(ours: dict, *, theirs: dict = BOTH, body: bool = False) -> list[str]:
    """What the check finds between two documents of one operation that answers (or takes) these shapes."""

    def document(schema: dict) -> dict:
        content = {"content": {"application/json": {"schema": schema}}}
        answer = {"responses": {"200": {} if body else content}}
        return {"paths": {"/v1/x": {"post": {"operationId": "X", **answer, **({"requestBody": content} if body else {})}}}}

    return [problem for found in contract_check.check(document(theirs), document(ours)).differences.values() for problem in found]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"more": {"type": "string"}}, []),
        ({"id": {"type": "integer"}}, ["200.id: type string expected, number found"]),
        ({"id": {}}, ["200.id: type string expected, no type found"]),
        ({"id": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, []),
        ({"kind": {"type": "string"}}, ["200.kind: enum expected, free text found"]),
        ({"kind": {"enum": ["a", "c"]}}, ["200.kind: values ['c'] are not in the contract"]),
        ({"many": {"type": "array"}}, ["200.many[]: items have no type"]),
    ],
)
def test_the_check_finds_what_an_answer_lacks(change, found):
    assert checked({**BOTH, "properties": {**BOTH["properties"], **change}}) == found


@pytest.mark.parametrize(
    ("ours", "found"),
    [
        (BOTH, []),
        ({**BOTH, "required": ["id"]}, ["body requires ['id'], optional in the contract"]),
        ({**BOTH, "properties": {**BOTH["properties"], "kind": {"enum": ["a"]}}}, ["body.kind: values ['b'] are not accepted"]),
        ({**BOTH, "properties": {"kind": {"type": "string"}, "many": MANY}}, ["body.id: missing"]),
    ],
)
def test_the_check_finds_what_a_body_refuses(ours, found):
    assert checked(ours, body=True) == found


def test_the_check_goes_by_the_wire_where_a_schema_is_marked():
    theirs = {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "integer"}, "x-wire": "base64 string"}}}
    assert checked({"type": "object", "properties": {"x": {"type": "string"}}}, theirs=theirs) == []
    assert checked(theirs, theirs=theirs) == ["200.x: base64 string expected, array found"]
