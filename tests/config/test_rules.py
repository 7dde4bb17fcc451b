"""The rule table is complete, and what is printed from it is in the repository."""

import json
from pathlib import Path

import msgspec
import pytest

from exclave import config
from exclave.config import codes, docs, model, reading, rules, schemas
from exclave.config.rules import access, actions, app, components, inputs
from exclave.config.rules.base import Section

ROOT = Path(__file__).resolve().parents[2]

MODELS: dict[type, Section] = {
    model.Metadata: app.METADATA,
    model.Runner: app.RUNNER,
    model.Stack: app.STACK,
    model.Sandbox: app.SANDBOX,
    model.Branch: app.BRANCH,
    model.BranchRule: app.BRANCH_RULE,
    model.Installer: app.INSTALLER,
    model.Group: inputs.GROUP,
    model.Input: inputs.INPUT,
    model.Secret: inputs.SECRET,
    model.Install: inputs.INSTALL,
    model.Role: access.PERMISSION,
    model.IamPolicy: access.IAM_POLICY,
    model.Policy: access.POLICY,
    model.Action: actions.ACTION,
    model.Trigger: actions.TRIGGER,
    model.Step: actions.STEP,
    model.Runbook: actions.RUNBOOK,
    model.RunbookStep: actions.RUNBOOK_STEP,
    **{model.COMPONENTS[kind]: section for kind, section in components.BY_KIND.items()},
}
SOURCES = {"public_repo", "connected_repo", "local"}


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_the_model_has_a_field_for_every_key(kind):
    section = MODELS[kind]
    keys = {key.name for key in section.keys if not key.deprecated}
    if keys & SOURCES:
        keys = keys - SOURCES | {"source"}
    else:
        keys.discard("source")
    fields = set(kind.__struct_fields__)
    if issubclass(kind, model.ComponentBase):
        keys.discard("type")
    assert keys == fields


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_defaults_of_table_and_model_agree(kind):
    defaults = {field.name: field.default for field in msgspec.structs.fields(kind)}
    for key in MODELS[kind].keys:
        if key.default not in (None, "") and key.name in defaults:
            assert defaults[key.name] == key.default


def test_every_code_that_is_reported_is_explained():
    used = set()
    for path in (ROOT / "src" / "exclave" / "config").rglob("*.py"):
        if path.name != "codes.py":
            used.update(part[:8] for part in path.read_text().split('"') if part.startswith("EX-C"))
    assert used <= set(codes.CODES)
    assert set(codes.CODES) <= used


@pytest.mark.parametrize("page", [("docs/reference/config.md", docs.reference), ("docs/guides/errors.md", docs.errors)])
def test_the_printed_pages_are_in_the_repository(page):
    file, printed = page
    assert (ROOT / file).read_text() == printed(), f"run `exclave config docs {Path(file).stem}` and write it to {file}"


def test_every_key_is_in_the_reference():
    page = docs.reference()
    for section in MODELS.values():
        for key in section.keys:
            assert f"{key.name}`" in page


# Schemas

TYPES = [
    *("action", "break-glass", "component-root", "container-image", "docker-build", "full", "helm", "input", "input-group", "inputs"),
    *("install", "installer", "kubernetes-manifest", "metadata", "permissions", "policy", "policies", "runner", "sandbox", "secret"),
    *("secrets", "stack", "terraform"),
]


def test_there_are_the_23_types_of_the_wire():
    assert sorted(schemas.TYPES) == sorted(TYPES)
    with pytest.raises(KeyError):
        config.schema("nothing")


@pytest.mark.parametrize("name", [*TYPES, *schemas.MORE])
def test_a_schema_is_whole(name):
    schema = config.schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"

    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].removeprefix("#/$defs/") in schema["$defs"]
            if node.get("type") == "object" and "properties" in node:
                assert node["additionalProperties"] is False
                assert set(node.get("required", [])) <= set(node["properties"])
                for choice in node.get("oneOf", []):
                    assert set(choice["required"]) <= set(node["properties"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_a_schema_says_what_the_loader_checks():
    schema = config.schema("terraform")
    assert {"type", "name", "terraform_version"} <= set(schema["required"])
    assert schema["oneOf"] == [{"required": ["public_repo"]}, {"required": ["connected_repo"]}, {"required": ["local"]}]
    assert schema["properties"]["type"] == {**schema["properties"]["type"], "const": "terraform_module"}
    assert config.schema("action")["$defs"]["triggers"]["properties"]["type"]["enum"][0] == "manual"


def test_the_break_glass_schema_is_that_of_a_role():
    assert "policies" in config.schema("break-glass")["properties"]


def test_former_keys_are_in_no_schema():
    assert "env_var" not in config.schema("runner")["properties"]


def test_numbers_become_text_as_in_go():
    assert [reading.scalar(value) for value in (3, 3.0, 0.5, True, 1e21, "x")] == ["3", "3", "0.5", "true", "1e+21", "x"]


def test_files_and_directories_do_not_overlap():
    assert not {name.removesuffix(".toml") for name in rules.FILES} & {"components", "actions", "runbooks"}
