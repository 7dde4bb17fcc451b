"""What a config's template references mean: `type|name|value|input` (spec domain.md 4.4)."""

from collections.abc import Iterable

from exclave.wire.base import Ref


def refs(references: Iterable[str]) -> list[Ref]:
    """Read the references of a row. A part that is missing is empty."""
    return [_ref(text) for text in references]


def _ref(text: str) -> Ref:
    kind, name, value, given = [*text.split("|", 3), "", "", ""][:4]
    return Ref(type=kind, name=name, value=value, input=given)
