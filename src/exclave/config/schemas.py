"""JSON schemas (draft 2020-12) of the configuration, printed from the rule table.

`TYPES` are the 23 that `GET /v1/general/config-schema?type=` serves (config.md 1.5); `MORE` are sections that have no name there.
"""

from __future__ import annotations

from typing import Any

from exclave.config.rules import access, actions, app, components, inputs
from exclave.config.rules.base import Key, Section

DRAFT = "https://json-schema.org/draft/2020-12/schema"

TYPES: dict[str, Section | None] = {
    "action": actions.ACTION,
    "break-glass": access.BREAK_GLASS_ROLE,
    "component-root": components.ROOT,
    "container-image": components.CONTAINER_IMAGE,
    "docker-build": components.DOCKER_BUILD,
    "full": None,
    "helm": components.HELM,
    "input": inputs.INPUT,
    "input-group": inputs.GROUP,
    "inputs": inputs.INPUTS,
    "install": inputs.INSTALL,
    "installer": app.INSTALLER,
    "kubernetes-manifest": components.KUBERNETES_MANIFEST,
    "metadata": app.METADATA,
    "permissions": access.PERMISSIONS,
    "policy": access.POLICY,
    "policies": access.POLICIES,
    "runner": app.RUNNER,
    "sandbox": app.SANDBOX,
    "secret": inputs.SECRET,
    "secrets": inputs.SECRETS,
    "stack": app.STACK,
    "terraform": components.TERRAFORM,
}
MORE: dict[str, Section] = {
    "branch": app.BRANCH,
    "break-glass-file": access.BREAK_GLASS,
    "branch-rule": app.BRANCH_RULE,
    "installs-repo": app.INSTALLS_REPO,
    "job": components.JOB,
    "kubernetes-contexts": actions.KUBERNETES_CONTEXTS,
    "operation-roles": actions.OPERATION_ROLES,
    "permission": access.PERMISSION,
    "pulumi": components.PULUMI,
    "runbook": actions.RUNBOOK,
}


def schema(type: str) -> dict[str, Any]:
    """Give the JSON schema of a type; raises KeyError for one that does not exist."""
    defs: dict[str, Any] = {}
    if type == "full":
        root = _full(defs)
    else:
        section = TYPES.get(type) or MORE.get(type)
        if section is None:
            raise KeyError(type)
        root = _object(section, defs)
    result: dict[str, Any] = {"$schema": DRAFT, "title": type, **root}
    if defs:
        result["$defs"] = dict(sorted(defs.items()))
    return result


def _full(defs: dict[str, Any]) -> dict[str, Any]:
    one = {"metadata": app.METADATA, "runner": app.RUNNER, "stack": app.STACK, "sandbox": app.SANDBOX, "inputs": inputs.INPUTS}
    one |= {"secrets": inputs.SECRETS, "permissions": access.PERMISSIONS, "policies": access.POLICIES, "branch": app.BRANCH}
    one |= {"break_glass": access.BREAK_GLASS, "installer": app.INSTALLER}
    properties: dict[str, Any] = {name: _ref(section, defs) for name, section in one.items()}
    kinds = [_ref(section, defs) for section in components.BY_KIND.values()]
    properties["components"] = {"type": "array", "items": {"anyOf": kinds}}
    for name, section in (("actions", actions.ACTION), ("installs", inputs.INSTALL), ("runbooks", actions.RUNBOOK)):
        properties[name] = {"type": "array", "items": _ref(section, defs)}
    return {
        "type": "object",
        "description": "A whole app.",
        "properties": properties,
        "required": ["metadata", "runner", "sandbox"],
        "additionalProperties": False,
    }


def _object(section: Section, defs: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"type": "object"}
    if section.doc:
        result["description"] = section.doc
    result["properties"] = {key.name: _property(key, section, defs) for key in section.keys if not key.deprecated}
    required = [key.name for key in section.keys if key.required]
    if required:
        result["required"] = required
    groups = [{"oneOf": [{"required": [name]} for name in group]} for group in section.one_of]
    if len(groups) == 1:
        result |= groups[0]
    elif groups:
        result["allOf"] = groups
    result["additionalProperties"] = False
    return result


def _ref(section: Section, defs: dict[str, Any]) -> dict[str, Any]:
    name = section.name
    if name not in defs:
        defs[name] = {}  # before its content, which may refer to it
        found = _object(section, defs)
        defs[name] = found
    elif defs[name] and defs[name].get("description") != section.doc:
        return _object(section, defs)
    return {"$ref": f"#/$defs/{name}"}


def _property(key: Key, section: Section, defs: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": key.doc} if key.doc else {}
    if key.default is not None:
        described["default"] = key.default
    if key.example:
        described["examples"] = [key.example.strip('"')]
    match key.type:
        case "string":
            return {**described, **_string(key, section)}
        case "bool":
            return {**described, "type": "boolean"}
        case "int":
            return {**described, "type": "integer", "minimum": 0}
        case "scalar":
            return {**described, "type": ["string", "number", "boolean", "array", "object"]}
        case "any":
            return described
        case "strings":
            return {**described, "type": "array", "items": {"type": "string"}}
        case "map":
            return {**described, "type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
        case "values":
            return {**described, "type": "object", "additionalProperties": True}
        case "table":
            assert key.section
            return {**described, **_ref(key.section, defs)}
        case "tables":
            assert key.section
            return {**described, "type": "array", "items": _ref(key.section, defs)}


def _string(key: Key, section: Section) -> dict[str, Any]:
    result: dict[str, Any] = {"type": "string"}
    kinds = [kind for kind, found in components.BY_KIND.items() if found is section]
    if key.name == "type" and kinds:
        aliases = [alias for alias, kind in components.KIND_ALIASES.items() if kind == kinds[0]]
        return {"const": kinds[0]} if not aliases else {"enum": [kinds[0], *aliases]}
    if key.allowed:
        choices = [*key.allowed, *key.aliases]
        if key.template:
            result["anyOf"] = [{"enum": choices}, {"pattern": r"\{\{"}]
        else:
            result["enum"] = choices
    elif key.pattern:
        pattern = f"^({key.pattern})$"
        if key.template:
            result["anyOf"] = [{"pattern": pattern}, {"pattern": r"\{\{"}]
        else:
            result["pattern"] = pattern
    elif key.required:
        result["minLength"] = 1
    return result
