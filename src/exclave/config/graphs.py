"""In which order components are deployed, and who depends on whom (domain.md 4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

import msgspec

from exclave.config import model, refs

_RANKS = {"external_image": 0, "container_image": 0, "docker_build": 1, "terraform_module": 2, "helm_chart": 3, "job": 4}


class Cycle(ValueError):
    """Components depend on one another in a circle, so no order exists."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"these components need one another: {' -> '.join(names)}")
        self.names = names


class Graph(msgspec.Struct, frozen=True):
    """The order of deployment. What stands in one layer can be deployed side by side."""

    order: list[str]
    layers: list[list[str]]
    dependencies: dict[str, list[str]]

    @property
    def teardown(self) -> list[str]:
        """The order in which components are removed: that of deployment, backwards."""
        return self.order[::-1]

    def dependents(self, name: str) -> list[str]:
        """List what needs a component, directly or not, in the order of deployment."""
        found = {name}
        for other in self.order:
            if found.intersection(self.dependencies[other]):
                found.add(other)
        return [other for other in self.order if other in found and other != name]


def graph(app: model.App) -> Graph:
    """Order the components of an app; raises `Cycle`. Dependencies that do not exist are left out: the validator reports them."""
    return order({component.name: (component.type, refs.dependencies(component)) for component in app.components})


def order(components: Mapping[str, tuple[str, Iterable[str]]]) -> Graph:
    """Order components given as name -> (type, dependencies).

    Among those that could be next: fewer dependencies first, then images, builds, modules, charts, jobs, then by name.
    """
    edges = {name: [d for d in dict.fromkeys(needs) if d in components and d != name] for name, (_, needs) in components.items()}
    sorter = TopologicalSorter(edges)
    try:
        sorter.prepare()
    except CycleError as error:
        raise Cycle(_needs(error)) from None

    def rank(name: str) -> tuple[int, int, str]:
        return len(edges[name]), _RANKS.get(components[name][0], 0), name

    layers: list[list[str]] = []
    while sorter.is_active():
        layer = sorted(sorter.get_ready(), key=rank)
        layers.append(layer)
        sorter.done(*layer)
    return Graph([name for layer in layers for name in layer], layers, edges)


def cycles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """List circles, each closed by its first name, until none is left; at most twenty."""
    left = {name: [d for d in needs if d in edges and d != name] for name, needs in edges.items()}
    found: list[list[str]] = []
    names = list(left)
    while len(found) < 20:
        try:
            TopologicalSorter(left).prepare()
            return found
        except CycleError as error:
            cycle = _needs(error)
            start = cycle.index(min(cycle, key=names.index))
            cycle = [*cycle[start:-1], *cycle[:start], cycle[start]]
            found.append(cycle)
            left[cycle[-2]] = [name for name in left[cycle[-2]] if name != cycle[-1]]
    return found


def _needs(error: CycleError) -> list[str]:
    # graphlib lists each node before the one that needs it; people read "a needs b".
    names: list[str] = error.args[1]
    return names[::-1]


def show(found: Graph, format: str) -> str:
    """Draw a graph as `text`, `mermaid` or `dot`. Arrows lead from what is needed to what needs it."""
    edges = [(needed, name) for name in found.order for needed in found.dependencies[name]]
    if format == "mermaid":
        ids = {name: f"c{i}" for i, name in enumerate(found.order)}
        lines = ["graph TD", *(f'    {ids[name]}["{name}"]' for name in found.order)]
        return "\n".join([*lines, *(f"    {ids[a]} --> {ids[b]}" for a, b in edges)]) + "\n"
    if format == "dot":
        lines = ["digraph components {", *(f'    "{name}";' for name in found.order)]
        return "\n".join([*lines, *(f'    "{a}" -> "{b}";' for a, b in edges), "}"]) + "\n"
    lines = []
    for number, layer in enumerate(found.layers, 1):
        for name in layer:
            needs = found.dependencies[name]
            lines.append(f"{number}  {name}" + (f"  needs {', '.join(needs)}" if needs else ""))
    return "\n".join(lines) + ("\n" if lines else "")
