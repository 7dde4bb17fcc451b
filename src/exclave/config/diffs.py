"""What changed between two configurations, as data and in words: components, inputs, IAM statements, actions, policies.

`sync`, the dashboard and approvals show it, so it names things as the vendor does and says who gets which rights.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from exclave.config import model

Kind = Literal["added", "removed", "changed"]

_MISSING: Any = object()


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was added, removed or changed. `path` leads to the value inside it."""

    kind: Kind
    section: str
    name: str = ""
    path: str = ""
    before: Any = None
    after: Any = None

    @property
    def words(self) -> str:
        """Say it in a sentence."""
        noun = _NOUNS.get(self.section, self.section)
        what = f"{noun} {self.name}".strip()
        if not self.path:
            return f"{what} {self.kind}"
        if self.path.startswith(("allows", "denies")):
            verb = self.path if self.kind == "added" else f"no longer {self.path}"
            return f"{what} {verb}"
        if self.kind == "added":
            return f"{what}: {self.path} set to {_short(self.after)}"
        if self.kind == "removed":
            return f"{what}: {self.path} removed, was {_short(self.before)}"
        return f"{what}: {self.path} changed from {_short(self.before)} to {_short(self.after)}"


_NOUNS = {
    "components": "component",
    "inputs": "input",
    "groups": "input group",
    "secrets": "secret",
    "permissions": "role",
    "break_glass": "break-glass role",
    "policies": "policy",
    "actions": "action",
    "installs": "install",
    "runbooks": "runbook",
    "kubernetes_contexts": "Kubernetes context",
    "operation_roles": "operation role",
    "branches": "branch",
}
_LISTS = (
    "groups",
    "inputs",
    "secrets",
    "permissions",
    "break_glass",
    "policies",
    "components",
    "actions",
    "installs",
    "runbooks",
    "kubernetes_contexts",
    "operation_roles",
    "branches",
)
_SINGLES = ("metadata", "runner", "stack", "sandbox", "branch", "installer", "installs_repo")
# Lists whose items have names: an item is compared with the one of the same name, wherever it stands.
_NAMED = {"steps", "inputs", "input", "custom_nested_stacks", "kubernetes_sync_targets", "install_groups"}


def diff(before: model.App, after: model.App) -> list[Change]:
    """List what changed, in the order of the sections."""
    changes: list[Change] = []
    old, new = msgspec.to_builtins(before), msgspec.to_builtins(after)
    for section in _SINGLES:
        changes += _thing(section, "", old.get(section), new.get(section))
    for section in _LISTS:
        changes += _items(section, getattr(before, section), getattr(after, section))
    return changes


def words(changes: Sequence[Change]) -> str:
    """Write changes for people, one in a line, `+`, `-` and `~` in front."""
    if not changes:
        return "nothing changed\n"
    signs = {"added": "+", "removed": "-", "changed": "~"}
    return "".join(f"{signs[change.kind]} {change.words}\n" for change in changes)


def _items(section: str, before: Iterable[msgspec.Struct], after: Iterable[msgspec.Struct]) -> list[Change]:
    old, new = _named(section, before), _named(section, after)
    changes: list[Change] = []
    for name in dict.fromkeys([*new, *old]):
        a, b = old.get(name), new.get(name)
        if a is None or b is None:
            changes.append(Change(kind="removed" if b is None else "added", section=section, name=name))
            roles = [role for role in (a, b) if isinstance(role, model.Role)]
            changes += _rights(section, name, roles[0] if b is None else None, roles[0] if a is None else None) if roles else []
        elif isinstance(a, model.Role) and isinstance(b, model.Role):
            changes += _role(section, name, a, b)
        else:
            changes += _thing(section, name, msgspec.to_builtins(a), msgspec.to_builtins(b))
    return changes


def _named(section: str, items: Iterable[msgspec.Struct]) -> dict[str, msgspec.Struct]:
    found: dict[str, msgspec.Struct] = {}
    for item in items:
        name = _name(section, item)
        unique, count = name, 2
        while unique in found:
            unique, count = f"{name} ({count})", count + 1
        found[unique] = item
    return found


def _name(section: str, item: msgspec.Struct) -> str:
    if isinstance(item, model.Role) and item.type not in ("", "custom"):
        return item.type
    if isinstance(item, model.RoleRule):
        return f"{item.principal} {item.operation}"
    if isinstance(item, model.Policy):
        return item.name or _policy_name(item)
    return str(getattr(item, "name", "") or section)


def _policy_name(policy: model.Policy) -> str:
    # Policies have no name of their own; what they say first is what people call them by.
    import hashlib

    for line in policy.contents.splitlines():
        stripped = line.strip()
        if stripped.startswith("name:"):
            return f"{policy.type} {stripped.removeprefix('name:').strip()}"
    return f"{policy.type} {hashlib.sha256(policy.contents.encode()).hexdigest()[:8]}"


def _thing(section: str, name: str, before: Any, after: Any) -> list[Change]:
    if before is None and after is None:
        return []
    if before is None or after is None:
        return [Change(kind="added" if before is None else "removed", section=section, name=name)]
    return list(_values(section, name, "", before, after))


def _values(section: str, name: str, path: str, before: Any, after: Any) -> Iterable[Change]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            below = f"{path}.{key}" if path else str(key)
            if key == "kind" and not path.endswith("source"):
                below = key
            yield from _values(section, name, below, before.get(key, _MISSING), after.get(key, _MISSING))
        return
    if isinstance(before, list) and isinstance(after, list):
        if path.rpartition(".")[2] in _NAMED and all(isinstance(row, dict) and "name" in row for row in (*before, *after)):
            old, new = {row["name"]: row for row in before}, {row["name"]: row for row in after}
            if len(old) == len(before) and len(new) == len(after):
                for key in dict.fromkeys([*old, *new]):
                    yield from _values(section, name, f"{path}[{key}]", old.get(key, _MISSING), new.get(key, _MISSING))
                if [key for key in old if key in new] != [key for key in new if key in old]:
                    yield Change(kind="changed", section=section, name=name, path=f"order of {path}", before=list(old), after=list(new))
                return
        if len(before) == len(after) and all(isinstance(row, dict) for row in (*before, *after)):
            for i, (a, b) in enumerate(zip(before, after, strict=True)):
                yield from _values(section, name, f"{path}[{i}]", a, b)
            return
    if before is _MISSING:
        yield Change(kind="added", section=section, name=name, path=path, after=after)
    elif after is _MISSING:
        yield Change(kind="removed", section=section, name=name, path=path, before=before)
    else:
        yield Change(kind="changed", section=section, name=name, path=path, before=before, after=after)


# Rights


def _role(section: str, name: str, before: model.Role, after: model.Role) -> Iterable[Change]:
    a, b = msgspec.to_builtins(before), msgspec.to_builtins(after)
    a.pop("policies", None)
    b.pop("policies", None)
    yield from _values(section, name, "", a, b)
    yield from _rights(section, name, before, after)


def _rights(section: str, name: str, before: model.Role | None, after: model.Role | None) -> list[Change]:
    old, new = dict.fromkeys(statements(before)), dict.fromkeys(statements(after))
    changes = [Change(kind="added", section=section, name=name, path=right, after=right) for right in new if right not in old]
    return changes + [Change(kind="removed", section=section, name=name, path=right, before=right) for right in old if right not in new]


def statements(role: model.Role | None) -> list[str]:
    """Say what a role may do, one statement in a line: `allows s3:GetObject on arn:aws:s3:::x/*`."""
    found: list[str] = []
    for policy in role.policies if role else ():
        if policy.managed_policy_name:
            found.append(f"allows what {policy.managed_policy_name} allows")
        for given in (policy.gcp_predefined_role, *policy.azure_built_in_roles):
            if given:
                found.append(f"allows what {given} allows")
        found += [f"allows {right}" for right in (*policy.gcp_permissions, *policy.azure_actions)]
        if policy.contents:
            found += _document(policy.contents)
    return found


def _document(text: str) -> list[str]:
    try:
        rows = json.loads(text)["Statement"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return [f"allows what the document {_short(text)} says"]
    found = []
    for row in rows if isinstance(rows, list) else [rows]:
        if not isinstance(row, dict):
            continue
        verb = "denies" if row.get("Effect") == "Deny" else "allows"
        not_action = "NotAction" in row
        for action in _several(row.get("NotAction" if not_action else "Action")):
            said = f"{verb} {'everything but ' if not_action else ''}{action}"
            resources = _several(row.get("Resource")) or [f"everything but {item}" for item in _several(row.get("NotResource"))]
            said += f" on {', '.join(resources)}" if resources else ""
            if "Condition" in row:
                said += f" if {json.dumps(row['Condition'], sort_keys=True, separators=(',', ':'))}"
            found.append(said)
    return found


def _several(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    first, _, rest = text.strip().partition("\n")
    if rest or len(first) > 80:
        return json.dumps(first[:77] + "...", ensure_ascii=False)
    return json.dumps(first, ensure_ascii=False) if isinstance(value, str) else text
