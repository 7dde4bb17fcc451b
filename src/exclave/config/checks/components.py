"""Components: their names, what they depend on, and whether an order of deployment exists."""

from __future__ import annotations

from exclave.config import graphs, model, refs
from exclave.config.checks import names, yaml
from exclave.config.places import Ledger


def check(app: model.App, ledger: Ledger) -> None:
    """Check the components and their graph."""
    names.unique(app.components, "component", ("components",), ledger)
    known = {component.name: None for component in app.components}
    kubernetes = [context.name for context in app.kubernetes_contexts]
    for i, component in enumerate(app.components):
        _dependencies(component, i, known, ledger)
        if component.kubernetes_context and kubernetes:
            where = ("components", i, "kubernetes_context")
            names.known(component.kubernetes_context, kubernetes, "Kubernetes context", "EX-C056", where, ledger)
        if isinstance(component, model.KubernetesManifest) and component.manifest:
            yaml.check(component.manifest, ("components", i, "manifest"), ledger, "EX-C028")
        if isinstance(component, model.HelmChart) and len(component.chart_name) > 62:
            at = ledger.origin(("components", i, "chart_name"))
            ledger.say("EX-C017", "a chart_name has at most 62 characters", at=at)
    for i, context in enumerate(app.kubernetes_contexts):
        if context.component:
            names.known(context.component, known, "component", "EX-C041", ("kubernetes_contexts", i, "component"), ledger)
    for i, rule in enumerate(app.operation_roles):
        kind, _, name = rule.principal.removeprefix("nuon::").partition(":")
        where = ("operation_roles", i, "principal")
        if kind == "component":
            names.known(name, known, "component", "EX-C041", where, ledger)
        elif kind == "action":
            names.known(name, [action.name for action in app.actions], "action", "EX-C050", where, ledger)
    _cycle(app, ledger)


def _dependencies(component: model.Component, i: int, known: dict[str, None], ledger: Ledger) -> None:
    seen: set[str] = set()
    for j, name in enumerate(component.dependencies):
        path = ("components", i, "dependencies", j)
        if name == component.name:
            ledger.say("EX-C042", f'"{name}" depends on itself', "remove it from the list", at=ledger.origin(path))
        elif name in seen:
            ledger.say("EX-C044", f'"{name}" is listed twice', "remove one", at=ledger.origin(path))
        else:
            names.known(name, known, "component", "EX-C041", path, ledger)
        seen.add(name)


def _cycle(app: model.App, ledger: Ledger) -> None:
    edges = {component.name: refs.dependencies(component) for component in app.components}
    for cycle in graphs.cycles(edges):
        index = next(i for i, component in enumerate(app.components) if component.name == cycle[0])
        written = app.components[index].dependencies
        path: tuple[str | int, ...] = ("components", index)
        if cycle[1] in written:
            path = (*path, "dependencies", written.index(cycle[1]))
        shown = " -> ".join(cycle)
        hint = "an arrow reads: needs; remove one of them"
        ledger.say("EX-C043", f"these components need one another: {shown}", hint, at=ledger.origin(path))
