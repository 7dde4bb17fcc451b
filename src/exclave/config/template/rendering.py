"""Texts rendered over the state of an install."""

from collections.abc import Mapping
from typing import Any

from . import is_template
from .errors import TemplateError
from .evaluate import Evaluation, MissingKey
from .references import Variable, variables
from .tree import Tree, grow
from .values import from_json_data


class Template:
    """A parsed text."""

    __slots__ = ("_tree",)

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @property
    def text(self) -> str:
        return self._tree.source

    def variables(self) -> list[Variable]:
        """Return what the template reads, in the order of the text."""
        return variables(self._tree)

    def execute(self, data: Any, *, missing_key: MissingKey = "error") -> str:
        """Render over any JSON data as the root, without the rules of `render`. The data is not changed."""
        return Evaluation(self._tree, from_json_data(data), missing_key=missing_key).render()


def parse(text: str) -> Template:
    """Parse a text as a template, or raise a TemplateError of kind "parse" with line and column."""
    return Template(grow(text))


def render(text: str, state: Mapping[str, Any], *, name: str = "", missing_key: MissingKey = "error") -> str:
    """Return the text with every action replaced by its value. `name` is where the text stands, for errors."""
    return _render(text, _Root(state), name, missing_key)


def render_value(value: Any, state: Mapping[str, Any], *, name: str = "", missing_key: MissingKey = "error") -> Any:
    """Return a nested value with every string in it rendered; keys stay as they are. Errors name the path of the key."""
    return _render_value(value, _Root(state), name, missing_key)


class _Root:
    """The state as Go sees it, made once for many texts; a text that could change it gets a copy of its own."""

    __slots__ = ("_shared", "_state")

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._state = state if "nuon" in state else {"nuon": state}
        self._shared: Any = None

    def seen_by(self, tree: Tree) -> Any:
        if tree.may_change_data:
            return from_json_data(self._state)
        if self._shared is None:
            self._shared = from_json_data(self._state)
        return self._shared


def _render(text: str, root: _Root, name: str, missing_key: MissingKey) -> str:
    if not is_template(text):
        return text
    try:
        tree = grow(text)
        return Evaluation(tree, root.seen_by(tree), missing_key=missing_key).render()
    except TemplateError as error:
        raise error.within(name) if name else error from None


def _render_value(value: Any, root: _Root, name: str, missing_key: MissingKey) -> Any:
    if isinstance(value, str):
        return _render(value, root, name, missing_key)
    if isinstance(value, Mapping):
        return {key: _render_value(held, root, f"{name}.{key}" if name else str(key), missing_key) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_render_value(held, root, f"{name}[{index}]", missing_key) for index, held in enumerate(value)]
    return value
