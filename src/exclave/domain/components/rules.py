"""The graph of components as pure functions (spec domain.md 4.4), and which tool deals with which type (1.4)."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exclave.kit import errors

TYPE_RANK = {"external_image": 0, "docker_build": 1, "terraform_module": 2, "helm_chart": 3, "job": 4}

KIND_TO_TYPE = {
    "terraform-module": "terraform_module",
    "helm": "helm_chart",
    "docker-build": "docker_build",
    "external-image": "external_image",
    "job": "job",
    "kubernetes-manifest": "kubernetes_manifest",
}

_OLDEST_TERRAFORM = (1, 8, 0)
DEFAULT_TERRAFORM = "1.11.4"


@dataclass(frozen=True)
class Node:
    """A component in a graph: what it is called, what it is, and what must be there before it."""

    id: str
    name: str
    type: str = ""
    needs: tuple[str, ...] = ()  # ids


def deploy_order(nodes: Sequence[Node]) -> list[Node]:
    """Sort components so that each comes after what it needs.

    Ties: fewer dependencies first, then images, builds, Terraform, Helm, jobs, then by name. What a node needs outside of the
    graph is not waited for. Raises `Invalid` with the cycle in words when there is one.
    """
    known = {node.id: node for node in nodes}
    waiting = {node.id: {need for need in node.needs if need in known} for node in nodes}
    ready = deque(sorted((known[node_id] for node_id, needs in waiting.items() if not needs), key=_rank))
    queued = {node.id for node in ready}
    ordered: list[Node] = []
    while ready:
        current = ready.popleft()
        ordered.append(current)
        freed = []
        for node_id, needs in waiting.items():
            needs.discard(current.id)
            if not needs and node_id not in queued:
                queued.add(node_id)
                freed.append(known[node_id])
        ready.extend(sorted(freed, key=_rank))
    if len(ordered) < len(nodes):
        cycle = find_cycle(nodes)
        raise errors.Invalid(f"dependency cycle: {in_words(cycle)}", cycle=[node.name for node in cycle])
    return ordered


def find_cycle(nodes: Sequence[Node]) -> list[Node]:
    """Return the components of one cycle, each followed by one that it needs, starting at the first by name; none: empty."""
    known = {node.id: node for node in nodes}
    done: set[str] = set()
    for start in sorted(nodes, key=lambda node: node.name):
        path: list[str] = []
        on_path: set[str] = set()
        # Depth first with a stack of its own: a long chain must not meet Python's recursion limit.
        stack: list[tuple[str, Iterable[str]]] = [] if start.id in done else [(start.id, iter(start.needs))]
        if stack:
            path.append(start.id)
            on_path.add(start.id)
        while stack:
            current, rest = stack[-1]
            following = next((need for need in rest if need in known and need not in done), None)
            if following is None:
                stack.pop()
                path.pop()
                on_path.discard(current)
                done.add(current)
            elif following in on_path:
                return _turned([known[node_id] for node_id in path[path.index(following) :]])
            else:
                stack.append((following, iter(known[following].needs)))
                path.append(following)
                on_path.add(following)
    return []


def in_words(cycle: Sequence[Node]) -> str:
    """Write a cycle as a reader follows it: `a needs b, b needs c, c needs a`."""
    names = [node.name for node in cycle]
    return ", ".join(f"{name} needs {after}" for name, after in zip(names, [*names[1:], names[0]], strict=True))


def check_acyclic(nodes: Sequence[Node]) -> None:
    """Raise with the cycle in words when there is one."""
    if cycle := find_cycle(nodes):
        raise errors.Invalid(f"dependency cycle: {in_words(cycle)}", cycle=[node.name for node in cycle])


def dependents(nodes: Sequence[Node], component_id: str) -> list[str]:
    """Return the ids of all that need a component, directly or not, farthest first."""
    needed_by: dict[str, list[str]] = {node.id: [] for node in nodes}
    for node in sorted(nodes, key=_rank):
        for need in node.needs:
            if need in needed_by:
                needed_by[need].append(node.id)
    seen = {component_id}
    visited: list[str] = []
    ready = deque([component_id])
    while ready:
        for node_id in needed_by.get(ready.popleft(), ()):
            if node_id not in seen:
                seen.add(node_id)
                visited.append(node_id)
                ready.append(node_id)
    return visited[::-1]


def graph_as_dot(nodes: Sequence[Node]) -> str:
    """Write the graph in the language of Graphviz, an arrow from what is needed to what needs it."""
    names = {node.id: node.name for node in nodes}
    lines = [f'\t"{_quoted(node.name)}" [ weight=0 ];' for node in nodes]
    for node in nodes:
        lines += [f'\t"{_quoted(names[need])}" -> "{_quoted(node.name)}" [ weight=0 ];' for need in node.needs if need in names]
    return "strict digraph {\n" + "\n".join(lines) + "\n}\n"


def resolve(given: Sequence[str], ids_by_ref: Mapping[str, str], *, of: str) -> list[str]:
    """Turn names and ids of dependencies into ids, or name every one that does not exist."""
    unknown = sorted({ref for ref in given if ref not in ids_by_ref})
    if unknown:
        raise errors.Invalid(f"dependencies: some components not created yet: {', '.join(unknown)}")
    found = list(dict.fromkeys(ids_by_ref[ref] for ref in given))
    if of in found:
        raise errors.Invalid("dependencies: a component cannot depend on itself")
    return found


def checked_terraform_version(version: str) -> str:
    """Return the Terraform version to store; none means ours. Raises when it is no version or too old."""
    if not version:
        return DEFAULT_TERRAFORM
    parts = version.removeprefix("v").split("-")[0].split(".")
    if not 1 <= len(parts) <= 3 or not all(part.isdigit() and len(part) < 6 for part in parts):
        raise errors.Invalid(f"version: {version!r} is not a Terraform version such as 1.11.4")
    number = tuple(int(part) for part in (*parts, "0", "0")[:3])
    if number < _OLDEST_TERRAFORM:
        raise errors.Invalid(f"version: Terraform {version} is older than 1.8.0, the oldest that is taken")
    return version


def _rank(node: Node) -> tuple[int, int, str]:
    return (len(node.needs), TYPE_RANK.get(node.type, 0), node.name)


def _turned(cycle: list[Node]) -> list[Node]:
    first = min(range(len(cycle)), key=lambda at: cycle[at].name)
    return cycle[first:] + cycle[:first]


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
