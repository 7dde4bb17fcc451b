"""The graph of components: order, ties, dependents, cycles."""

import random

import pytest

from exclave.domain.components import rules
from exclave.domain.components.rules import Node
from exclave.kit import errors


def names(nodes: list[Node]) -> list[str]:
    return [node.name for node in nodes]


def node(name: str, *needs: str, type: str = "terraform_module") -> Node:
    return Node(id=f"id-{name}", name=name, type=type, needs=tuple(f"id-{need}" for need in needs))


def test_each_component_comes_after_what_it_needs() -> None:
    ordered = names(rules.deploy_order([node("app", "db", "net"), node("db", "net"), node("net")]))
    assert ordered == ["net", "db", "app"]


def test_ties_are_broken_by_number_of_dependencies_then_type_then_name() -> None:
    nodes = [
        node("zeta", type="external_image"),
        node("alpha", type="helm_chart"),
        node("beta", type="docker_build"),
        node("gamma", type="terraform_module"),
        node("delta", type="job"),
        node("aaa", type="kubernetes_manifest"),
    ]
    assert names(rules.deploy_order(nodes)) == ["aaa", "zeta", "beta", "gamma", "alpha", "delta"]


def test_of_two_that_become_ready_at_once_the_one_with_fewer_dependencies_goes_first() -> None:
    nodes = [node("root"), node("other"), node("a-two", "root", "other"), node("z-one", "other")]
    assert names(rules.deploy_order(nodes)) == ["other", "root", "z-one", "a-two"]


def test_the_order_does_not_depend_on_the_order_of_the_input() -> None:
    nodes = [node(f"n{at:02}", *(f"n{need:02}" for need in range(at) if (at + need) % 3 == 0)) for at in range(20)]
    expected = names(rules.deploy_order(nodes))
    for seed in range(5):
        shuffled = list(nodes)
        random.Random(seed).shuffle(shuffled)
        assert names(rules.deploy_order(shuffled)) == expected


def test_what_lies_outside_of_the_graph_is_not_waited_for() -> None:
    assert names(rules.deploy_order([node("app", "gone")])) == ["app"]


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([node("a", "a")], "a needs a"),
        ([node("b", "a"), node("a", "b")], "a needs b, b needs a"),
        ([node("c", "a"), node("a", "b"), node("b", "c"), node("free"), node("x", "a")], "a needs b, b needs c, c needs a"),
    ],
)
def test_a_cycle_is_named_in_words(nodes: list[Node], says: str) -> None:
    for check in (rules.deploy_order, rules.check_acyclic):
        with pytest.raises(errors.Invalid) as raised:
            check(nodes)
        assert raised.value.description == f"dependency cycle: {says}"


def test_a_chain_of_five_thousand_is_no_problem() -> None:
    nodes = [node("n0"), *(node(f"n{at}", f"n{at - 1}") for at in range(1, 5000))]
    assert rules.find_cycle(nodes) == []


def test_dependents_are_all_that_need_it_far_first() -> None:
    nodes = [node("net"), node("db", "net"), node("app", "db"), node("cron", "app"), node("other")]
    assert rules.dependents(nodes, "id-net") == ["id-cron", "id-app", "id-db"]
    assert rules.dependents(nodes, "id-cron") == []


@pytest.mark.parametrize("version", ["1.8.0", "v1.9.1", "1.11.4", "1.10"])
def test_a_terraform_version_that_runs_is_taken(version: str) -> None:
    assert rules.checked_terraform_version(version) == version


@pytest.mark.parametrize("version", ["1.7.5", "latest", "1", "one.two", "0.13.0"])
def test_another_terraform_version_is_refused(version: str) -> None:
    with pytest.raises(errors.Invalid):
        rules.checked_terraform_version(version)
