"""Templates: do they parse, does anything provide what they name, and does it exist by then?"""

from __future__ import annotations

from typing import Any, cast

from exclave.config import model, state, variables
from exclave.config.checks import names
from exclave.config.documents import Path
from exclave.config.places import Ledger
from exclave.config.reading import Template
from exclave.config.reports import Severity
from exclave.config.variables import Variable

_STAGES = {"stack": "the stack is made", "sandbox": "the sandbox is planned", "secrets": "secrets are synchronised"}


def check(app: model.App, ledger: Ledger, templates: list[Template]) -> None:
    """Check every text that is rendered later."""
    check_ = _Check(app, ledger)
    for template in templates:
        check_.template(template)


class _Check:
    def __init__(self, app: model.App, ledger: Ledger) -> None:
        self.app = app
        self.ledger = ledger
        components = {name for item in app.components for name in (item.name, item.var_name) if name}
        self.known: dict[str, tuple[set[str], str, str, dict[str, Any]]] = {
            state.INPUT: ({item.name for item in app.inputs}, "input", "EX-C072", {}),
            state.COMPONENT: (components, "component", "EX-C073", state.COMPONENT_SHAPE),
            state.SECRET: ({item.name for item in app.secrets}, "secret", "EX-C074", state.SECRET_SHAPE),
            state.ACTION: ({item.name for item in app.actions}, "action", "EX-C075", state.ACTION_SHAPE),
        }
        outputs = state.STACK_OUTPUTS.get(app.stack.type if app.stack else "", ())
        self.stack_outputs = {*outputs, *(f"{item.name}_arn" for item in app.secrets)} if outputs else set()

    def template(self, template: Template) -> None:
        try:
            found = variables.read(template.text)
        except variables.Unparsable as error:
            hint = ""
            if "'-'" in error.message:
                hint = 'a name with a hyphen is reached by index: (index .nuon.components "a-b").outputs'
            elif "not defined" in error.message:
                hint = 'a text with .nuon in it is rendered; braces of another tool are written {{ "{{" }}'
            self.ledger.say_inside("EX-C070", error.message, hint, at=template.path, line=error.line, column=error.column)
            return
        for variable in found:
            self.variable(variable, template)

    def variable(self, variable: Variable, template: Template) -> None:
        root, *rest = variable.path
        if root == "action" and template.stage == "action":
            self.run_input(variable, template)
        elif root != "nuon":
            hint = 'templates begin with .nuon; braces of another tool are written {{ "{{" }}'
            self.say("EX-C071", f"nothing provides .{'.'.join(variable.path)}", hint, variable, template)
        elif rest and self.provided(tuple(rest), variable, template):
            self.timely(tuple(rest), variable, template)

    def run_input(self, variable: Variable, template: Template) -> None:
        section, index = template.path[0], template.path[1]
        items: Any = self.app.actions if section == "actions" else self.app.runbooks
        item = items[cast(int, index)]
        inputs = [each.name for each in (item.inputs if section == "actions" else item.input)]
        match variable.path:
            case ("action", "inputs", name, *_) if name != "*" and name not in inputs:
                hint = names.suggestion(name, inputs, "input", self.ledger) if inputs else "declare it as [[inputs]] of the action"
                self.say("EX-C072", f'the action has no input "{name}"', hint, variable, template)
            case ("action", other, *_) if other != "inputs":
                self.say("EX-C071", f"nothing provides .{'.'.join(variable.path)}", "write .action.inputs", variable, template)

    def provided(self, path: tuple[str, ...], variable: Variable, template: Template) -> bool:
        shape: Any = state.SHAPE
        for depth, step in enumerate(path):
            if shape == state.ANY or step == "*":
                self.stack_output(path, variable, template)
                return True
            if shape == state.LEAF:
                whole = ".nuon." + ".".join(path[:depth])
                self.say("EX-C071", f"{whole} is a text and has no {step}", f"write {whole}", variable, template)
                return False
            if isinstance(shape, str):
                existing, noun, code, shape = self.known[shape]
                if step not in existing:
                    if names.incomplete(noun, self.ledger):
                        return True
                    hint = names.suggestion(step, sorted(existing), noun, self.ledger)
                    self.say(code, f'there is no {noun} "{step}"', hint, variable, template)
                    return False
                if noun == "input":
                    return True
                continue
            if step not in shape:
                self.unknown(path, depth, shape, variable, template)
                return False
            shape = shape[step]
        return True

    def unknown(self, path: tuple[str, ...], depth: int, shape: Any, variable: Variable, template: Template) -> None:
        written = ".nuon." + ".".join(path)
        parent = ".nuon." + ".".join(path[:depth]) if depth else ".nuon"
        if path[:2] == ("install", "secrets"):
            hint = f"secrets stay with the customer; {'.'.join(['.nuon.secrets', *path[2:3]])} says where: name, arn, kubernetes_name"
            self.say("EX-C078", f"nothing provides {written}", hint, variable, template)
        elif path[0] == "components" and depth == 2:
            right = ".".join([".nuon", *path[:2], "outputs", *path[2:]])
            self.say("EX-C076", f"a component's values are below outputs: {written}", f"write {right}", variable, template)
        elif path[0] == "actions" and depth == 1:
            right = ".".join([".nuon.actions.workflows", *path[1:]])
            self.say("EX-C071", f"nothing provides {written}", f"write {right}", variable, template)
        else:
            close = self.ledger.guess(path[depth], list(shape))
            hint = f'did you mean "{close}"?' if close else f"{parent} has {', '.join(shape)}"
            self.say("EX-C071", f'{parent} has no "{path[depth]}"', hint, variable, template)

    def stack_output(self, path: tuple[str, ...], variable: Variable, template: Template) -> None:
        # The vendor's own nested stacks may give any output, so only what looks like a slip is said.
        if path[:2] == ("install_stack", "outputs") and len(path) > 2 and self.stack_outputs and path[2] not in self.stack_outputs:
            close = self.ledger.guess(path[2], sorted(self.stack_outputs), 0.85)
            if close:
                message = f'the stack has no output "{path[2]}" by itself'
                self.say("EX-C071", message, f'did you mean "{close}"?', variable, template, severity="warning")

    def timely(self, path: tuple[str, ...], variable: Variable, template: Template) -> None:
        index = template.path[1] if len(template.path) > 1 else None
        if template.path[0] == "components" and path[:1] == ("components",) and isinstance(index, int):
            own = self.app.components[index]
            if len(path) > 1 and path[1] in (own.name, own.var_name):
                self.say("EX-C080", f'"{own.name}" uses its own outputs', "they exist only once it is deployed", variable, template)
            return
        if template.path[0] == "actions" and isinstance(index, int):
            self.timely_in_action(path, self.app.actions[index], variable, template)
            return
        why = state.too_early(path, template.stage)
        if why and not variable.optional:
            message = f".nuon.{'.'.join(path)} does not exist yet when {_STAGES[template.stage]}"
            severity: Severity = "warning" if variable.guarded or template.path[0] == "policies" else "error"
            self.say("EX-C077", message, why, variable, template, severity=severity)

    def timely_in_action(self, path: tuple[str, ...], action: model.Action, variable: Variable, template: Template) -> None:
        """An action runs whenever its triggers say; before the sandbox stands there is little to read."""
        early = [trigger.type for trigger in action.triggers if trigger.type == "pre-provision"]
        why = state.too_early(path, "sandbox") if early else ""
        if why and not variable.guarded and not variable.optional:
            message = f".nuon.{'.'.join(path)} does not exist yet at the trigger {early[0]}"
            self.say("EX-C077", message, why, variable, template, severity="warning")

    def say(
        self,
        code: str,
        message: str,
        hint: str,
        variable: Variable,
        template: Template,
        severity: Severity | None = None,
    ) -> None:
        # A read-me that cannot be rendered is shown as it is, and a missing key under `index` or `dig` gives an empty value.
        if severity is None and (variable.optional or template.stage == "readme"):
            severity = "warning"
        path: Path = template.path
        self.ledger.say_inside(
            code,
            message,
            hint,
            at=path,
            line=variable.line,
            column=variable.column,
            length=len(".".join(variable.path)) + 1,
            severity=severity,
        )
