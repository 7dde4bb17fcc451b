"""What changed between two configurations, as data and in words."""

import json

import msgspec

from exclave import config
from exclave.config import diffs, model


def words(before: model.App, after: model.App) -> list[str]:
    return [change.words for change in config.diff(before, after)]


def role(*statements: dict, name: str = "r", **more) -> model.Role:
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    policies = [model.IamPolicy(name="p", contents=document)]
    return model.Role(type="provision", name=name, description="d", policies=policies, **more)


def test_the_same_is_no_change():
    app = model.App(name="a", components=[model.Job(name="x")])
    assert config.diff(app, msgspec.convert(msgspec.to_builtins(app), model.App)) == []
    assert diffs.words([]) == "nothing changed\n"


def test_components_are_added_removed_and_changed():
    before = model.App(name="a", components=[model.TerraformModule(name="db", vars={"size": "1", "old": "x"}), model.Job(name="gone")])
    after = model.App(name="a", components=[model.Job(name="new"), model.TerraformModule(name="db", vars={"size": "2", "fresh": "y"})])
    assert words(before, after) == [
        "component new added",
        'component db: vars.size changed from "1" to "2"',
        'component db: vars.old removed, was "x"',
        'component db: vars.fresh set to "y"',
        "component gone removed",
    ]


def test_a_component_of_another_kind_is_a_change_of_its_type():
    before = model.App(name="a", components=[model.Job(name="x")])
    after = model.App(name="a", components=[model.DockerBuild(name="x", dockerfile="Dockerfile")])
    assert words(before, after)[0] == 'component x: type changed from "job" to "docker_build"'


def test_rights_are_told_one_by_one():
    read = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::a/*"}
    write = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::a/*"}
    deny = {"Effect": "Deny", "Action": "iam:*", "Resource": "*", "Condition": {"Bool": {"x": "true"}}}
    before = model.App(name="a", permissions=[role(read)])
    after = model.App(name="a", permissions=[role(write, deny)])
    assert words(before, after) == [
        "role provision allows s3:PutObject on arn:aws:s3:::a/*",
        'role provision denies iam:* on * if {"Bool":{"x":"true"}}',
    ]
    assert words(after, before) == [
        "role provision no longer allows s3:PutObject on arn:aws:s3:::a/*",
        'role provision no longer denies iam:* on * if {"Bool":{"x":"true"}}',
    ]


def test_a_boundary_is_told_as_well_as_a_managed_policy():
    before = model.App(name="a", permissions=[model.Role(type="maintenance", permissions_boundary="{}")])
    after = model.App(
        name="a", permissions=[model.Role(type="maintenance", policies=[model.IamPolicy(managed_policy_name="AdministratorAccess")])]
    )
    assert words(before, after) == [
        'role maintenance: permissions_boundary removed, was "{}"',
        "role maintenance allows what AdministratorAccess allows",
    ]


def test_steps_of_actions_are_known_by_their_names():
    def app(*steps: tuple[str, str]) -> model.App:
        return model.App(name="a", actions=[model.Action(name="x", steps=[model.Step(name=n, command=c) for n, c in steps])])

    assert words(app(("one", "a"), ("two", "b")), app(("two", "c"), ("one", "a"))) == [
        'action x: steps[two].command changed from "b" to "c"',
        'action x: order of steps changed from ["one", "two"] to ["two", "one"]',
    ]


def test_inputs_and_policies_are_told():
    before = model.App(name="a", inputs=[model.Input(name="size", default="1")])
    after = model.App(
        name="a",
        inputs=[model.Input(name="size", default="1", required=True), model.Input(name="new")],
        policies=[model.Policy(type="kubernetes_cluster", contents="metadata:\n  name: no-root\n")],
    )
    assert words(before, after) == [
        "input size: required set to true",
        "input new added",
        "policy kubernetes_cluster no-root added",
    ]


def test_a_change_is_data_too():
    before, after = model.App(name="a", runner=model.Runner(runner_type="aws")), model.App(name="a", runner=model.Runner(runner_type="gcp"))
    (change,) = config.diff(before, after)
    assert msgspec.to_builtins(change) == {
        "kind": "changed",
        "section": "runner",
        "path": "runner_type",
        "before": "aws",
        "after": "gcp",
    }
    assert diffs.words([change]) == '~ runner: runner_type changed from "aws" to "gcp"\n'


def test_long_values_are_cut():
    before, after = model.App(name="a", metadata=model.Metadata(readme="x" * 200)), model.App(name="a")
    assert len(words(before, after)[0]) < 130
