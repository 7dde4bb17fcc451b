"""What can be wrong with a template, in the words of the vendor who wrote it."""

from typing import Any, Literal

from exclave.kit.errors import Invalid


class TemplateError(Invalid):
    """The template is wrong, or asks for something that is not there."""

    code = "template_invalid"

    def __init__(
        self,
        message: str,
        line: int = 0,
        column: int = 0,
        *,
        path: str = "",
        kind: Literal["parse", "exec"] = "exec",
        variable: tuple[str, ...] = (),
    ) -> None:
        self.reason = message
        self.line = line
        self.column = column
        self.path = path
        self.kind = kind
        self.variable = variable
        place = f"line {line}, column {column}" if line else ""
        where = f"{path} ({place})" if path and place else path or place
        details: dict[str, Any] = {"line": line, "column": column, "path": path}
        if variable:
            details["variable"] = ".".join(variable)
        super().__init__(f"{where}: {message}" if where else message, **details)

    def within(self, path: str) -> "TemplateError":
        """Return the same error, placed at a key of a larger document or in a named text."""
        return type(self)(self.reason, self.line, self.column, path=path, kind=self.kind, variable=self.variable)


class TemplateTooExpensive(TemplateError):
    """The template asks for more work, text or depth than one render may use."""

    code = "template_too_expensive"
