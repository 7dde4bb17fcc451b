"""Which plans change nothing (spec domain.md 3.7)."""

import json

import pytest

from exclave.domain.deploys import rules as deploys
from exclave.domain.sandboxes import rules


def change(*actions, **more):
    return {"address": "a.b", "change": {"actions": list(actions), **more}}


@pytest.mark.parametrize(
    ("document", "noop"),
    [
        ({"format_version": "1.2"}, True),
        ({"resource_changes": []}, True),
        ({"resource_changes": [change("no-op")]}, True),
        ({"resource_changes": [change("read")]}, True),
        ({"resource_changes": [change("no-op"), change("create")]}, False),
        ({"resource_changes": [change("update")]}, False),
        ({"resource_changes": [change("delete")]}, False),
        # A replacement is a change, in whichever order, also when there is nothing else.
        ({"resource_changes": [change("delete", "create")]}, False),
        ({"resource_changes": [change("create", "delete")]}, False),
        ({"resource_changes": [change("forget")]}, False),
        ({"resource_changes": [change("no-op", importing={"id": "x"})]}, False),
        ({"resource_drift": [change("update")]}, False),
        ({"resource_drift": [change("no-op")]}, True),
        ({"output_changes": {"url": {"actions": ["create"]}}}, False),
        ({"output_changes": {"url": {"actions": ["no-op"]}}}, True),
        ({"deferred_changes": [{"reason": "resource_config_unknown"}]}, False),
    ],
)
def test_a_plan_changes_nothing_when_every_action_is_no_op_or_read(document, noop):
    assert rules.is_noop(json.dumps(document).encode()) is noop
    assert deploys.is_noop("terraform_module", json.dumps(document).encode()) is noop


@pytest.mark.parametrize("display", [b"", b"{}", b"not json", b"[]", b"null"])
def test_a_document_that_says_nothing_counts_as_a_change(display):
    assert rules.is_noop(display) is False


@pytest.mark.parametrize(
    ("kind", "document", "noop"),
    [
        ("helm_chart", {}, True),
        ("helm_chart", {"helm_content_diff": []}, True),
        ("helm_chart", {"helm_content_diff": [{"kind": "Deployment"}]}, False),
        ("kubernetes_manifest", {"k8s_content_diff": []}, True),
        ("kubernetes_manifest", {"k8s_content_diff": [{"type": "unchanged"}]}, True),
        ("kubernetes_manifest", {"k8s_content_diff": [{"type": 0}, {"type": 0}]}, True),
        ("kubernetes_manifest", {"k8s_content_diff": [{"type": 1}]}, False),
        ("kubernetes_manifest", {"k8s_content_diff": [{"type": "unchanged"}, {"type": "added"}]}, False),
    ],
)
def test_other_tools_say_themselves_what_differs(kind, document, noop):
    assert deploys.is_noop(kind, json.dumps(document).encode()) is noop


def test_a_summary_counts_what_a_plan_would_do():
    document = {
        "resource_changes": [
            change("create"),
            change("create"),
            change("update"),
            change("delete", "create"),
            change("delete"),
            change("no-op"),
        ],
        "output_changes": {"url": {"actions": ["create"]}, "same": {"actions": ["no-op"]}},
    }
    counts = rules.summary(json.dumps(document).encode())
    assert counts == {"add": 2, "change": 1, "replace": 1, "destroy": 1, "outputs": 1}
    assert rules.in_words(counts) == "2 to add, 1 to change, 1 to replace, 1 to destroy, 1 outputs change"
    assert rules.in_words({"add": 0}) == "no resource changes"
