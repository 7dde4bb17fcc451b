"""The language that vendors write: an app directory of TOML files.

Pure: it reads the directory, and an address only when a value names one. `load` gives the model and everything that is wrong
with it; the other verbs work on the model. Everything is imported when it is first needed: the command line starts with this
package.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec

    from exclave.config.diffs import Change
    from exclave.config.graphs import Graph
    from exclave.config.loader import Loaded
    from exclave.config.model import App, Component
    from exclave.config.reports import Report

__all__ = ["checksum", "dependencies", "diff", "export", "graph", "load", "references", "schema", "validate"]


def load(
    directory: Path | str,
    *,
    offline: bool = False,
    fetch: Callable[[str], str] | None = None,
    overlay: dict[str, str] | None = None,
) -> Loaded:
    """Load an app directory: `Loaded.app` is the model, `Loaded.reports` all errors and warnings at once."""
    from exclave.config import loader

    return loader.load(directory, offline=offline, fetch=fetch, overlay=overlay)


def validate(directory: Path | str, *, offline: bool = False, strict: bool = False) -> list[Report]:
    """Say everything that is wrong with an app directory; with `strict` a warning is an error."""
    from exclave.config import reports

    found = load(directory, offline=offline).reports
    return reports.strictly(found) if strict else found


def graph(app: App) -> Graph:
    """Order an app's components: deploy order, layers, dependents; raises `graphs.Cycle`."""
    from exclave.config import graphs

    return graphs.graph(app)


def checksum(component: Component, root: Path | None = None) -> str:
    """Give the checksum of a component (config.md 4.4)."""
    from exclave.config import checksums

    return checksums.checksum(component, root)


def references(thing: msgspec.Struct) -> list[str]:
    """List what a component, an action or the sandbox refers to, as `type|name|value|input`."""
    from exclave.config import refs

    return refs.references(thing)


def dependencies(thing: Any) -> list[str]:
    """List the components that a component or an action needs, those that its templates use included."""
    from exclave.config import refs

    return refs.dependencies(thing)


def schema(type: str) -> dict[str, Any]:
    """Give the JSON schema of a type of `schemas.TYPES`; raises KeyError for another."""
    from exclave.config import schemas

    return schemas.schema(type)


def diff(before: App, after: App) -> list[Change]:
    """List what changed between two configurations; `Change.words` says it in a sentence."""
    from exclave.config import diffs

    return diffs.diff(before, after)


def export(app: App, directory: Path) -> list[str]:
    """Write an app as a directory that loads as the same app."""
    from exclave.config import exporter

    return exporter.export(app, directory)
