"""Decisions about actions."""

import pytest

from exclave.domain.actions import rules
from exclave.domain.actions.rules import StepTexts, Trigger
from exclave.kit import errors

STATE = {"install": {"id": "inl1"}, "inputs": {"inputs": {"region": "eu"}}, "components": {}}


def trigger(name: str, kind: str, *, index: int = 0, component_id: str = "") -> Trigger:
    return Trigger(name, "acw" + name, "iaw" + name, "acc" + name, kind, index, component_id)


def test_actions_of_a_trigger_run_in_the_order_of_their_index_then_name():
    found = [trigger("b", "post-provision"), trigger("c", "post-provision", index=-1), trigger("a", "post-provision"), trigger("x", "cron")]
    assert [each.action_name for each in rules.matching(found, "post-provision")] == ["c", "a", "b"]


def test_a_trigger_of_a_component_matches_that_component_only():
    found = [trigger("a", "pre-deploy-component", component_id="cmp1"), trigger("b", "pre-deploy-component", component_id="cmp2")]
    assert [each.action_name for each in rules.matching(found, "pre-deploy-component", "cmp2")] == ["b"]
    assert rules.matching(found, "pre-deploy-component") == []


def test_a_step_is_rendered_with_the_state():
    step = StepTexts(
        "say", "./run {{ .nuon.install.id }}", "echo {{ .nuon.inputs.inputs.region }}", {"R": "{{ .nuon.inputs.inputs.region }}"}
    )
    rendered = rules.render_step("check", step, STATE)
    assert rendered == StepTexts("say", "./run inl1", "echo eu", {"R": "eu"})


@pytest.mark.parametrize(
    ("step", "place"),
    [
        (StepTexts("say", command="{{ .nuon.components.web.outputs.url }}"), "command"),
        (StepTexts("say", inline_contents="a\nb {{ .nuon.inputs.inputs.nope }}"), "inline_contents"),
        (StepTexts("say", env_vars={"KEY": "{{ .nuon.inputs.inputs.nope }}"}), "env_vars.KEY"),
    ],
)
def test_a_missing_value_names_action_step_and_key(step, place):
    with pytest.raises(errors.Invalid) as caught:
        rules.render_step("check", step, STATE)
    for word in ("check", "say", place):
        assert word in caught.value.description
    assert "nope" in caught.value.description or "web" in caught.value.description


def test_a_manual_run_carries_its_environment_in_the_workflow():
    metadata = {"RUNENV_A": "1", "RUNENV_TRIGGER_TYPE": "forged", "install_id": "x"}
    assert rules.manual_environment(metadata) == {"A": "1", "TRIGGER_TYPE": "manual"}
