"""Render what a vendor wrote with the state document of an install, and tell which results hold secrets.

A value is secret when its template reads a sensitive input or output, directly or as part of something larger, or when its text
contains one: what was derived from a secret (`b64enc`) is as secret as what was copied.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exclave.config import template
from exclave.domain.states import service as states
from exclave.domain.states.rules import MASK
from exclave.kit.context import Ctx

Path = tuple[str, ...]


@dataclass(frozen=True)
class Values:
    """Rendered values by name, and the names of those that are secret."""

    values: dict[str, Any]
    sensitive: tuple[str, ...] = ()


@dataclass(frozen=True)
class Renderer:
    """The document of one install as templates see it."""

    document: Mapping[str, Any]
    hidden: frozenset[Path]  # paths of sensitive values in the document
    secrets: tuple[str, ...]  # their texts

    def text(self, text: str, *, where: str) -> str:
        """Render one text. A missing key raises a `TemplateError`, an `Invalid` that names `where`, line, column and variable."""
        return template.render(text, self.document, name=where)

    def texts(self, texts: Sequence[str], *, where: str) -> list[str]:
        return [self.text(text, where=f"{where}[{number}]") for number, text in enumerate(texts)]

    def strings(self, given: Mapping[str, Any], *, where: str) -> dict[str, str]:
        """Render a map of texts, such as environment variables."""
        return {name: self.text(str(value if value is not None else ""), where=f"{where}.{name}") for name, value in given.items()}

    def values(self, given: Mapping[str, Any], *, where: str) -> Values:
        """Render variables."""
        rendered = {name: template.render_value(value, self.document, name=f"{where}.{name}") for name, value in given.items()}
        secret = [name for name, value in given.items() if self._is_secret(value, rendered[name])]
        return Values(rendered, tuple(secret))

    def _is_secret(self, written: Any, rendered: Any) -> bool:
        reads = [path for text in _strings(written) if template.is_template(text) for path in _paths(text)]
        if any(touches(path, hidden) for path in reads for hidden in self.hidden):
            return True
        return any(secret in text for text in _strings(rendered) for secret in self.secrets)


async def of_install(ctx: Ctx, install_id: str) -> Renderer:
    """Read the state document of an install for rendering."""
    current, shown = await states.both(ctx, install_id)
    return Renderer(current.document, frozenset(masked_paths(current.document, shown)), tuple(current.sensitive_values))


def masked_paths(full: Any, shown: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of everything that is masked in what people see."""
    if isinstance(full, Mapping) and isinstance(shown, Mapping):
        for key, value in full.items():
            yield from masked_paths(value, shown.get(key), (*path, str(key)))
    elif shown == MASK and full != MASK:
        yield path


def touches(read: Path, hidden: Path) -> bool:
    """Does reading one path give something of the other? `*` stands for any key."""
    return all(a == b or a == "*" or b == "*" for a, b in zip(read, hidden, strict=False))


def _paths(text: str) -> list[Path]:
    return [variable.path[1:] for variable in template.parse(text).variables() if variable.path[:1] == ("nuon",)]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for held in value.values():
            yield from _strings(held)
    elif isinstance(value, list | tuple):
        for held in value:
            yield from _strings(held)
