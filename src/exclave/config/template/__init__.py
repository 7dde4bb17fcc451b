"""The templates that vendors write: Go's text/template with the deterministic functions of sprig, over the state of an install.

    template.render("{{ .nuon.install.id }}", state)

What Go makes of a template is what Exclave makes of it: a missing key is an error, numbers are floats, text is never escaped.
A text without `.nuon` is no template and passes untouched, so that a chart's own `{{ .Values.x }}` survives. Facts and limits
are in `docs/guides/templates.md`; `gotpl` parses and brings sprig, the walk over the tree and the budget are ours.

All of it is imported when it is first asked for, a tenth of a second that a server's start does without.
"""

from typing import TYPE_CHECKING, Any

from .errors import TemplateError, TemplateTooExpensive

if TYPE_CHECKING:
    from .evaluate import MissingKey
    from .references import Variable
    from .rendering import Template, parse, render, render_value
    from .tracing import Origin, trace

__all__ = [
    "MissingKey",
    "Origin",
    "Template",
    "TemplateError",
    "TemplateTooExpensive",
    "Variable",
    "is_template",
    "parse",
    "prepare",
    "render",
    "render_value",
    "trace",
]


def is_template(text: str) -> bool:
    """Return whether Exclave renders the text at all."""
    return ".nuon" in text


def prepare() -> None:
    """Import what rendering takes, before a text needs it."""
    from . import rendering, tracing

    names = globals()
    for module in (tracing, rendering):
        names.update({name: getattr(module, name) for name in __all__ if hasattr(module, name)})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    prepare()
    return globals()[name]
