"""One app with a component of every kind: what our model holds is what the original client sent for the same directory.

`allkinds-sent.json` holds the bodies that were recorded; the order of references there means nothing.
"""

import json
from pathlib import Path

import pytest

from exclave import config
from exclave.config import model

HERE = Path(__file__).parent
SENT = json.loads((HERE / "allkinds-sent.json").read_text())
LOADED = config.load(HERE / "allkinds", offline=True)
APP = LOADED.app
KINDS = {
    "terraform-module": "terraform_module",
    "external-image": "container_image",
    "docker-build": "docker_build",
    "helm": "helm_chart",
    "kubernetes-manifest": "kubernetes_manifest",
    "job": "job",
}


def test_the_app_is_valid():
    assert [report for report in LOADED.reports if report.severity != "note"] == []


@pytest.mark.parametrize("name", SENT["components"])
def test_a_component_is_read_as_it_was_sent(name):
    sent = SENT["components"][name]
    component = APP.component(name)
    assert component.type == KINDS[sent["kind"]]
    assert config.dependencies(component) == sent["dependencies"]
    assert sorted(config.references(component)) == sorted(sent["references"] or [])
    same = {"variables": "vars", "version": "terraform_version"}
    for key in ("variables", "version", "env_vars", "chart_name", "values", "namespace", "manifest", "dockerfile", "cmd", "args"):
        if key in sent:
            assert getattr(component, same.get(key, key)) == sent[key]
    for key in ("variables_files", "values_files"):
        if key in sent:
            assert [file.contents for file in getattr(component, {"variables_files": "var_file"}.get(key, "values_file"))] == sent[key]
    for key, kind in (("public_git_vcs_config", model.PublicRepo), ("connected_github_vcs_config", model.ConnectedRepo)):
        if key in sent:
            assert component.source == kind(**sent[key])
    if "helm_repo_config" in sent:
        assert component.helm_repo == model.HelmRepo(**sent["helm_repo_config"])
    if sent["kind"] == "external-image":
        image = component.public or component.aws_ecr
        assert (image.image_url, image.tag) == (sent["image_url"], sent["tag"])


@pytest.mark.parametrize("name", SENT["actions"])
def test_an_action_is_read_as_it_was_sent(name):
    sent = SENT["actions"][name]
    action = APP.action(name)
    assert action.timeout_ns == sent["timeout"]
    assert action.break_glass_role == sent["break_glass_role_arn"]
    assert config.dependencies(action) == sorted(sent["dependencies"])
    assert config.references(action) == sent["references"]
    for trigger, row in zip(action.triggers, sent["triggers"], strict=True):
        expected = (row["type"], row.get("cron_schedule", ""), row.get("component_name", ""), row.get("index", 0))
        assert (trigger.type, trigger.cron_schedule, trigger.component_name, trigger.index) == expected
    for step, row in zip(action.steps, sent["steps"], strict=True):
        expected = (row["name"], row.get("command", ""), row.get("inline_contents", ""), row.get("env_vars", {}))
        assert (step.name, step.command, step.inline_contents, step.env_vars) == expected


def test_inputs_are_read_as_they_were_sent():
    sent = SENT["sections"]["input-config"]
    assert {group.name: index for index, group in enumerate(APP.groups)} == {name: row["index"] for name, row in sent["groups"].items()}
    for index, item in enumerate(APP.inputs):
        row = sent["inputs"][item.name]
        assert (index, item.type, item.source, item.group) == (row["index"], row["type"], row["source"], row["group"])
        assert (item.default, item.required, item.sensitive) == (
            row.get("default"),
            row.get("required", False),
            row.get("sensitive", False),
        )


def test_the_sections_are_read_as_they_were_sent():
    sections = SENT["sections"]
    assert APP.sandbox.vars == sections["sandbox-config"]["variables"]
    assert [file.contents for file in APP.sandbox.var_file] == sections["sandbox-config"]["variables_files"]
    assert config.references(APP.sandbox) == sections["sandbox-config"]["references"]
    assert APP.runner.runner_type == sections["runner-configs"]["type"]
    assert APP.stack.name == sections["stack-configs"]["name"]
    for type in ("provision", "deprovision", "maintenance"):
        sent = sections["permissions-configs"][f"{type}_role"]
        role = APP.role(type)
        assert (role.name, role.display_name, role.description) == (sent["name"], sent["display_name"], sent["description"])
        given = [(policy.name, policy.managed_policy_name, policy.contents) for policy in role.policies]
        assert given == [(p.get("name", ""), p.get("managed_policy_name", ""), p.get("contents", "")) for p in sent["policies"]]
    assert [policy.contents for policy in APP.policies] == [row["contents"] for row in sections["policies-configs"]["policies"]]
    assert [secret.name for secret in APP.secrets] == [row["name"] for row in sections["secrets-configs"]["secrets"]]
    assert [role.name for role in APP.break_glass] == [row["name"] for row in sections["break-glass-configs"]["roles"]]
