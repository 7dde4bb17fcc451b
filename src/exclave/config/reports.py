"""What the configuration tools have to say about an app: one report per finding, with its place and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "note"]


class Report(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """One finding. `line` and `column` count from 1; 0 means the whole file or directory."""

    code: str
    severity: Severity
    file: str
    line: int = 0
    column: int = 0
    length: int = 1
    key: str = ""
    message: str
    hint: str = ""
    line_text: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.severity}[{self.code}]: {self.message}" + (f" ({self.hint})" if self.hint else "")


def in_order(reports: Iterable[Report]) -> list[Report]:
    """Sort by file and place, drop what was said twice."""
    seen = dict.fromkeys(reports)
    return sorted(seen, key=lambda report: (report.file, report.line, report.column, report.code, report.message))


def strictly(reports: Iterable[Report]) -> list[Report]:
    """Turn every warning into an error (`--strict`); notes stay notes."""
    return [msgspec.structs.replace(r, severity="error") if r.severity == "warning" else r for r in reports]


def has_errors(reports: Iterable[Report]) -> bool:
    """Say whether any report is an error."""
    return any(report.severity == "error" for report in reports)


def summary(reports: Sequence[Report]) -> str:
    """Count the reports in a sentence."""
    counts = {severity: sum(1 for report in reports if report.severity == severity) for severity in ("error", "warning", "note")}
    parts = [f"{count} {word}{'s' if count != 1 else ''}" for word, count in counts.items() if count]
    return ", ".join(parts) or "nothing to report"
