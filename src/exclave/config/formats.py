"""Show reports: for people, for programs, for code scanning, for a pull request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from exclave.config import codes
from exclave.config.reports import Report, Severity

Format = Literal["text", "json", "sarif", "github"]

_COLOURS = {"error": "31", "warning": "33", "note": "36"}
_WIDTH = 160


def text(reports: Sequence[Report], *, colour: bool = False, prefix: str = "") -> str:
    """Write each report as a compiler does: place, what is wrong, the line with a caret, what would be right.

    `prefix` is the app's directory as seen from where the reader is.
    """
    return "\n".join(_one(report, colour, prefix) for report in reports) + ("\n" if reports else "")


def _below(prefix: str, file: str) -> str:
    return printable(file if prefix in ("", ".") or "://" in file or file.startswith("/") else f"{prefix}/{file}")


def _one(report: Report, colour: bool, prefix: str) -> str:
    file = _below(prefix, report.file)
    place = f"{file}:{report.line}:{report.column}" if report.line else file
    word = f"{report.severity}[{report.code}]"
    if colour:
        word = f"\x1b[1;{_COLOURS[report.severity]}m{word}\x1b[0m"
    lines = [f"{place}: {word}: {printable(report.message)}"]
    if report.line_text.strip():
        number = str(report.line)
        shown, column = _window(report.line_text, report.column)
        # Tabs stay tabs, so that the caret stands under its character however wide they are shown.
        indent = "".join("\t" if char == "\t" else " " for char in shown[: column - 1])
        caret = "^" * max(1, min(report.length, len(shown) - column + 1))
        lines.append(f"  {number} | {printable(shown)}")
        lines.append(f"  {' ' * len(number)} | {indent}{caret}")
    if report.hint:
        lines.append(f"  help: {printable(report.hint)}")
    return "\n".join(lines)


def _window(line: str, column: int) -> tuple[str, int]:
    if len(line) <= _WIDTH:
        return line, column
    start = max(0, column - 1 - _WIDTH // 2)
    return line[start : start + _WIDTH], column - start


def printable(text: str) -> str:
    """Replace what would steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def as_json(app: str, reports: Sequence[Report]) -> str:
    """Write one JSON object: the app's name, whether it is valid, and the reports."""
    valid = not any(report.severity == "error" for report in reports)
    document = {"app": app, "valid": valid, "reports": list(reports)}
    try:
        return msgspec.json.format(msgspec.json.encode(document)).decode()
    except UnicodeEncodeError:  # a file's name that is not UTF-8
        return json.dumps(msgspec.to_builtins(document), indent=2, ensure_ascii=False).encode(errors="replace").decode()


_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "note"}


def sarif(reports: Sequence[Report], version: str = "", prefix: str = "") -> str:
    """Write SARIF 2.1.0, as code scanning reads it. `prefix` is the app's directory inside the repository."""
    used = sorted({report.code for report in reports})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": codes.CODES[code].title},
            "fullDescription": {"text": codes.CODES[code].why},
            "defaultConfiguration": {"level": _LEVELS[codes.CODES[code].severity]},
        }
        for code in used
    ]
    results: list[dict[str, Any]] = []
    for report in reports:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _below(prefix, report.file)}}
        if report.line:
            physical["region"] = {
                "startLine": report.line,
                "startColumn": report.column,
                "endColumn": report.column + report.length,
            }
        results.append(
            {
                "ruleId": report.code,
                "ruleIndex": used.index(report.code),
                "level": _LEVELS[report.severity],
                "message": {"text": report.message + (f" ({report.hint})" if report.hint else "")},
                "locations": [{"physicalLocation": physical}],
            }
        )
    driver = {"name": "exclave", "semanticVersion": version, "rules": rules} if version else {"name": "exclave", "rules": rules}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(document, indent=2)


def github(reports: Sequence[Report], prefix: str = "") -> str:
    """Write workflow commands that GitHub shows as annotations. `prefix` is the app's directory inside the repository."""
    lines = []
    for report in reports:
        level = "notice" if report.severity == "note" else report.severity
        file = _below(prefix, report.file)
        properties = f"file={_property(file)}"
        if report.line:
            properties += f",line={report.line},col={report.column},endColumn={report.column + report.length}"
        message = printable(report.message) + (f"\n{printable(report.hint)}" if report.hint else "")
        lines.append(f"::{level} {properties},title={_property(report.code)}::{_data(message)}")
    return "\n".join(lines) + ("\n" if lines else "")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def explain(code: str) -> str | None:
    """Write what a code means, or give None when there is no such code."""
    found = codes.CODES.get(code.upper())
    if found is None:
        return None
    lines = [f"{code.upper()} ({found.severity}): {found.title}", "", found.why]
    for word, example in (("wrong", found.wrong), ("right", found.right)):
        if example:
            lines += ["", f"{word}:", *(f"    {line}" for line in example.split("\n"))]
    return "\n".join(lines) + "\n"
