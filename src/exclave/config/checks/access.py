"""Roles, their documents, and policies."""

from __future__ import annotations

from exclave.config import model
from exclave.config.checks import names, yaml
from exclave.config.checks.inputs import is_json
from exclave.config.directory import Directory
from exclave.config.documents import Path
from exclave.config.places import Ledger, find
from exclave.config.variables import blanked


def check(app: model.App, directory: Directory, ledger: Ledger) -> None:
    """Check what the runner may do, and what plans must not do."""
    _types(app, ledger)
    names.unique(app.permissions, "role", ("permissions",), ledger)
    names.unique(app.break_glass, "role", ("break_glass",), ledger)
    for section, roles in (("permissions", app.permissions), ("break_glass", app.break_glass)):
        for i, role in enumerate(roles):
            _role(role, (section, i), ledger)
    components = [component.name for component in app.components]
    for i, policy in enumerate(app.policies):
        _policy(policy, ("policies", i), components, ledger)


def _types(app: model.App, ledger: Ledger) -> None:
    first: dict[str, int] = {}
    for i, role in enumerate(app.permissions):
        if role.type in ("", "custom"):
            continue
        if role.type in first:
            place = ledger.place(("permissions", first[role.type]))
            at = ledger.origin(("permissions", i, "type"))
            message = f'a second role has the type "{role.type}"'
            ledger.say("EX-C051", message, f"the first is in {place.file}:{max(1, place.line)}", at=at)
        else:
            first[role.type] = i
    if app.permissions and not names.incomplete("role", ledger):
        missing = [name for name in ("provision", "deprovision", "maintenance") if name not in first]
        # A role whose type is misspelt was reported already; a second report would point away from the mistake.
        if missing and all(role.type for role in app.permissions):
            file = ledger.place(("permissions", 0)).file
            for name in missing:
                ledger.say("EX-C052", f"no role has the type {name}", f'add a role with type = "{name}"', file=file)


def _role(role: model.Role, path: Path, ledger: Ledger) -> None:
    if role.permissions_boundary:
        _document(role.permissions_boundary, (*path, "permissions_boundary"), ledger)
    elsewhere = role.cloud_platform in ("gcp", "azure")
    for i, policy in enumerate(role.policies):
        here = (*path, "policies", i)
        other = policy.gcp_predefined_role or policy.gcp_permissions or policy.azure_built_in_roles or policy.azure_actions
        if policy.contents:
            _document(policy.contents, (*here, "contents"), ledger)
            if not policy.name:
                hint = "the vendor's own policy needs a name"
                ledger.say("EX-C053", "a policy has contents and no name", hint, at=ledger.origin(here), on="key")
        elif not policy.managed_policy_name and not other and not elsewhere:
            origin = ledger.origin(here)
            written = find(origin.document.data, origin.path) if origin else None
            # Contents that could not be loaded were reported already.
            if not (isinstance(written, dict) and written.get("contents")):
                hint = "write managed_policy_name, or name and contents"
                ledger.say("EX-C053", "a policy entry names nothing", hint, at=ledger.origin(here), on="key")
    if not role.policies:
        origin = ledger.origin((*path, "policies"))
        if origin is not None and find(origin.document.data, origin.path) == []:
            ledger.say("EX-C015", '"policies" is empty', "add [[policies]]", at=origin)


def _document(text: str, path: Path, ledger: Ledger) -> None:
    if text.startswith(("{", "[")) and is_json(text):
        return
    import json

    try:
        value = json.loads(blanked(text, "0"))
    except ValueError as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        hint = "write the document itself; a boundary by its ARN is not supported" if text.startswith("arn:") else ""
        ledger.say_inside("EX-C027", f"this is not JSON: {getattr(error, 'msg', error)}", hint, at=path, line=line, column=column)
        return
    except RecursionError:
        ledger.say_inside("EX-C027", "the JSON is nested too deeply", "", at=path, line=1, column=1)
        return
    if not isinstance(value, (dict, list)):
        ledger.say_inside("EX-C027", "a policy document is a JSON object", "", at=path, line=1, column=1)


def _policy(policy: model.Policy, path: Path, components: list[str], ledger: Ledger) -> None:
    for i, name in enumerate(policy.components):
        if name != "*":
            names.known(name, components, "component", "EX-C041", (*path, "components", i), ledger)
    if not policy.contents:
        return
    rego = policy.engine == "opa" or ledger_file(path, ledger).endswith(".rego")
    if rego:
        _rego(policy, path, ledger)
    else:
        yaml.check(policy.contents, (*path, "contents"), ledger, "EX-C029", mapping=True)


def ledger_file(path: Path, ledger: Ledger) -> str:
    """Name the file that a policy's text was loaded from."""
    loading = ledger.loaded.get((*path, "contents"))
    return loading.file if loading else ""


def _rego(policy: model.Policy, path: Path, ledger: Ledger) -> None:
    from exclave.config.checks import rego

    for line, column, message in rego.problems(policy.contents):
        ledger.say_inside("EX-C029", message, "", at=(*path, "contents"), line=line, column=column)
