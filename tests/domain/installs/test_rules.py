"""Decisions about installs."""

from dataclasses import dataclass

import pytest

from exclave.domain.installs import rules
from exclave.kit import errors


@dataclass(frozen=True)
class Input:
    name: str
    default: str = ""
    required: bool = False
    sensitive: bool = False
    type: str = "string"
    source: str = "vendor"


REGION = Input("region", required=True)
SIZE = Input("size", type="number", default="3")
SECRET = Input("secret", sensitive=True)
FROM_STACK = Input("vpc", source="customer", required=True)
DECLARED = [REGION, SIZE, SECRET, FROM_STACK]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"region": "eu"}, None),
        ({"region": "eu", "size": "4.5"}, None),
        ({}, {"missing": ["region"]}),
        ({"region": ""}, {"missing": ["region"]}),
        ({"region": "eu", "colour": "red", "age": "1"}, {"unknown": ["age", "colour"]}),
        ({"colour": "red"}, {"unknown": ["colour"], "missing": ["region"]}),
        ({"region": "eu", "size": "big"}, {"mistyped": ["size"]}),
    ],
)
def test_every_wrong_input_is_named(given, wrong):
    if wrong is None:
        assert rules.resolve_inputs(DECLARED, given) == given
        return
    with pytest.raises(rules.InputsInvalid) as caught:
        rules.resolve_inputs(DECLARED, given)
    assert caught.value.unknown == wrong.get("unknown", [])
    assert caught.value.missing == wrong.get("missing", [])
    assert list(caught.value.mistyped) == wrong.get("mistyped", [])
    for name in (name for names in wrong.values() for name in names):
        assert name in caught.value.description


def test_inputs_of_an_app_without_inputs_are_refused():
    with pytest.raises(errors.Invalid, match="declares no inputs"):
        rules.resolve_inputs([], {"a": "b"})
    assert rules.resolve_inputs([], {}) == {}


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [
        ("number", "3", True), ("number", "-3.5e2", True), ("number", "3 apples", False),
        ("number", "true", False), ("number", "NaN", False),
        ("bool", "true", True), ("bool", "False", True), ("bool", "yes", False), ("bool", "1", False),
        ("json", '{"a":[1]}', True), ("json", '"text"', True), ("json", "{a:1}", False), ("json", "[" * 100_000, False),
        ("list", "a,b", True), ("list", "", True), ("list", '["a"]', True), ("list", '["a"', False),
        ("string", "[", True),
    ],
)  # fmt: skip
def test_texts_must_fit_their_type(kind, value, good):
    assert bool(rules.type_problem(kind, value)) is not good


def test_a_sensitive_value_is_never_quoted():
    declared = [Input("pin", type="number", sensitive=True)]
    with pytest.raises(rules.InputsInvalid) as caught:
        rules.resolve_inputs(declared, {"pin": "canary"})
    assert "canary" not in caught.value.description


def test_a_change_lays_new_values_over_the_old():
    change = rules.merge_inputs(DECLARED, {"region": "eu", "secret": "s", "gone": "x"}, {"size": "9"})
    assert change.values == {"region": "eu", "secret": "s", "size": "9"}
    assert change.changed == ("size",)


def test_a_mask_sent_back_leaves_the_secret_as_it_is():
    change = rules.merge_inputs(DECLARED, {"region": "eu", "secret": "s"}, {"secret": "********"})
    assert change.values["secret"] == "s"
    assert change.changed == ()


def test_a_removed_value_is_a_change_and_a_required_one_stays():
    assert rules.merge_inputs(DECLARED, {"region": "eu", "size": "4"}, {"size": ""}).changed == ("size",)
    with pytest.raises(rules.InputsInvalid) as caught:
        rules.merge_inputs(DECLARED, {"region": "eu"}, {"region": ""})
    assert caught.value.missing == ["region"]


def test_inputs_of_the_customer_change_only_by_the_customer():
    with pytest.raises(rules.InputsInvalid) as caught:
        rules.merge_inputs(DECLARED, {"region": "eu"}, {"vpc": "vpc-1"})
    assert caught.value.customer == ["vpc"]
    assert rules.merge_inputs(DECLARED, {"region": "eu", "vpc": "vpc-1"}, {"vpc": "vpc-1", "region": "us"}).changed == ("region",)
    by_stack = rules.merge_inputs(DECLARED, {"region": "eu"}, {"vpc": "vpc-2", "region": "hacked"}, by_customer=True)
    assert by_stack.values == {"region": "eu", "vpc": "vpc-2"}


def test_templates_see_defaults_and_people_see_masks():
    values = {"region": "eu", "secret": "s"}
    assert rules.with_defaults(DECLARED, values) == {"region": "eu", "size": "3", "secret": "s", "vpc": ""}
    assert rules.redacted(DECLARED, values) == {"region": "eu", "size": None, "secret": "********", "vpc": None}


@pytest.mark.parametrize(
    ("runner_type", "aws", "azure", "local_allowed", "problem"),
    [
        ("aws", "eu-west-1", None, False, None),
        ("aws-ecs", "eu-west-1", None, False, None),
        ("azure-aks", None, "westeurope", False, None),
        ("local", None, None, True, None),
        ("local", None, None, False, "EXCLAVE_ALLOW_LOCAL_PLATFORM"),
        ("aws", None, None, False, "give aws_account"),
        ("aws", "eu", "westeurope", False, "not both"),
        ("local", "eu", "westeurope", True, "not both"),
        ("aws", "", None, False, "region"),
        ("azure", None, "", False, "location"),
        ("azure", "eu-west-1", None, False, "azure_account"),
        ("aws", None, "westeurope", False, "aws_account"),
    ],
)
def test_the_account_must_fit_the_app(runner_type, aws, azure, local_allowed, problem):
    def check() -> None:
        rules.check_account(runner_type, aws_region=aws, azure_location=azure, local_allowed=local_allowed)

    if problem is None:
        check()
        return
    with pytest.raises(errors.Invalid, match=problem):
        check()


@pytest.mark.parametrize(
    ("statuses", "word"),
    [([], "pending"), (["active"], "active"), (["active", "error", ""], "error"), (["active", ""], "pending")],
)
def test_component_statuses_sum_up(statuses, word):
    assert rules.composite_component_status(statuses)[0] == word
