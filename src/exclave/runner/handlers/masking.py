"""Take sensitive values out of `terraform show -json`, by the marks that Terraform itself sets (architecture section 4, rule 7).

Documents are those of `show -json` for a plan or a state. What a mark covers becomes a mask; null stays null, so that a reader
still sees what is created or removed. Values found under a mark are collected: providers sometimes copy one to an attribute
that they do not mark.
"""

from collections.abc import Collection
from typing import Any

from exclave.runner.redact import MASK


class Masked:
    """A document on its way: `secrets` collects what was masked."""

    def __init__(self, sensitive_vars: Collection[str] = ()) -> None:
        self._sensitive_vars = frozenset(sensitive_vars)
        self.secrets: list[Any] = []

    def plan(self, document: dict[str, Any]) -> dict[str, Any]:
        """Mask a plan."""
        shown = dict(document)
        root = _dig(document, "configuration", "root_module")
        declared = root.get("variables") or {}
        sensitive = {name for name, variable in declared.items() if (variable or {}).get("sensitive")} | self._sensitive_vars
        if isinstance(document.get("variables"), dict):
            shown["variables"] = {
                name: ({**given, "value": self._hidden(given.get("value"))} if name in sensitive else given)
                for name, given in document["variables"].items()
            }
        if isinstance(document.get("configuration"), dict):
            configuration = dict(document["configuration"])
            configuration["root_module"] = self._module_configuration(root, sensitive)
            shown["configuration"] = configuration
        if isinstance(document.get("planned_values"), dict):
            shown["planned_values"] = self._values(document["planned_values"])
        if isinstance(document.get("prior_state"), dict):
            shown["prior_state"] = self.state(document["prior_state"])
        for key in ("resource_changes", "resource_drift"):
            if isinstance(document.get(key), list):
                shown[key] = [self._changed(change) for change in document[key]]
        if isinstance(document.get("deferred_changes"), list):
            shown["deferred_changes"] = [
                {**deferred, "resource_change": self._changed(deferred["resource_change"])} if "resource_change" in deferred else deferred
                for deferred in document["deferred_changes"]
            ]
        if isinstance(document.get("output_changes"), dict):
            shown["output_changes"] = {name: self._change(change) for name, change in document["output_changes"].items()}
        return shown

    def state(self, document: dict[str, Any]) -> dict[str, Any]:
        """Mask a state."""
        if not isinstance(document.get("values"), dict):
            return document
        return {**document, "values": self._values(document["values"])}

    def _values(self, values: dict[str, Any]) -> dict[str, Any]:
        shown = dict(values)
        if isinstance(values.get("outputs"), dict):
            shown["outputs"] = {
                name: ({**output, "value": self._hidden(output["value"])} if output.get("sensitive") and "value" in output else output)
                for name, output in values["outputs"].items()
            }
        if isinstance(values.get("root_module"), dict):
            shown["root_module"] = self._module(values["root_module"])
        return shown

    def _module(self, module: dict[str, Any]) -> dict[str, Any]:
        shown = dict(module)
        if isinstance(module.get("resources"), list):
            shown["resources"] = [
                {**resource, "values": self.marked(resource.get("values"), resource.get("sensitive_values"))}
                if "values" in resource
                else resource
                for resource in module["resources"]
            ]
        if isinstance(module.get("child_modules"), list):
            shown["child_modules"] = [self._module(child) for child in module["child_modules"]]
        return shown

    def _changed(self, resource: dict[str, Any]) -> dict[str, Any]:
        return {**resource, "change": self._change(resource["change"])} if isinstance(resource.get("change"), dict) else resource

    def _change(self, change: dict[str, Any]) -> dict[str, Any]:
        shown = dict(change)
        for side in ("before", "after"):
            if side in change:
                shown[side] = self.marked(change[side], change.get(f"{side}_sensitive"))
        if change.get("before_sensitive") is True or change.get("after_sensitive") is True:
            # Terraform repeats values of outputs and imports here.
            for key in ("generated_config", "importing"):
                shown.pop(key, None)
        return shown

    def marked(self, value: Any, marks: Any) -> Any:
        """Mask the parts of a value that a map of marks of the same shape names; `true` names all of it."""
        if marks is True:
            return self._hidden(value)
        if isinstance(marks, dict) and isinstance(value, dict):
            return {key: self.marked(part, marks.get(key)) for key, part in value.items()}
        if isinstance(marks, list) and isinstance(value, list):
            return [self.marked(part, marks[i] if i < len(marks) else None) for i, part in enumerate(value)]
        if isinstance(marks, dict | list) and _names_any(marks) and value is not None:
            return self._hidden(value)  # the shapes differ: rather too much than too little
        return value

    def _module_configuration(self, module: dict[str, Any], sensitive: Collection[str]) -> dict[str, Any]:
        shown = dict(module)
        if isinstance(module.get("variables"), dict):
            shown["variables"] = {
                name: (
                    {**variable, "default": self._hidden(variable["default"])}
                    if name in sensitive and "default" in (variable or {})
                    else variable
                )
                for name, variable in module["variables"].items()
            }
        if isinstance(module.get("module_calls"), dict):
            shown["module_calls"] = {name: self._call(call) for name, call in module["module_calls"].items()}
        return shown

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        inner = call.get("module") or {}
        sensitive = {name for name, variable in (inner.get("variables") or {}).items() if (variable or {}).get("sensitive")}
        shown = {**call, "module": self._module_configuration(inner, sensitive)} if inner else dict(call)
        if isinstance(call.get("expressions"), dict):
            shown["expressions"] = {
                name: (
                    {**given, "constant_value": self._hidden(given["constant_value"])}
                    if name in sensitive and "constant_value" in given
                    else given
                )
                for name, given in call["expressions"].items()
            }
        return shown

    def _hidden(self, value: Any) -> Any:
        if value is None:
            return None
        self.secrets.append(value)
        return MASK


def _names_any(marks: Any) -> bool:
    if isinstance(marks, dict):
        return any(_names_any(mark) for mark in marks.values())
    if isinstance(marks, list):
        return any(_names_any(mark) for mark in marks)
    return marks is True


def _dig(document: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}
