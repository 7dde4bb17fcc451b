"""What people and programs read: tables on a terminal, plain lines elsewhere, JSON with `--json`."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

if TYPE_CHECKING:
    from rich.console import Console

    from exclave.wire.public.workflows import Workflow, WorkflowStep

WIDTH_WITHOUT_TERMINAL = 200


def note(line: str) -> None:
    """A message for people: stderr."""
    print(_harmless(line, sys.stderr), file=sys.stderr, flush=True)


def data(line: str) -> None:
    """A line of data: stdout."""
    print(_harmless(line, sys.stdout), flush=True)


def _harmless(line: str, stream: TextIO) -> str:
    """Keep what others wrote (logs, names) from steering the reader's terminal; files and pipes get every byte."""
    return line.translate(_CONTROLS) if stream.isatty() else line


_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def as_json(value: Any) -> None:
    """One JSON document, indented for people, unwrapped: the last thing on stdout."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()


def console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else int(os.environ.get("COLUMNS") or WIDTH_WITHOUT_TERMINAL)
    return Console(file=stream, width=width, highlight=False, soft_wrap=not stream.isatty())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere columns divided by tabs, so that `cut` and `awk` work."""
    rows = [list(row) for row in rows]
    if not sys.stdout.isatty():
        data("\t".join(heads))
        for row in rows:
            data("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row))
        return
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        shown.add_column(head, overflow="fold", no_wrap=head == "ID")  # whole, for whoever copies it
    for row in rows:
        shown.add_row(*(Text(cell.translate(_CONTROLS)) for cell in row))
    console().print(shown)


_COLOURS = {
    "success": "green", "active": "green", "finished": "green", "approved": "green", "in-progress": "cyan", "planning": "cyan",
    "applying": "cyan", "checking-plan": "cyan", "approval-awaiting": "yellow", "pending": "dim", "auto-skipped": "dim",
    "user-skipped": "dim", "not-attempted": "dim", "error": "bold red", "failed": "bold red", "cancelled": "red", "approval-denied": "red",
}  # fmt: skip


def colour_of(status: str) -> str:
    """The style of a status, for rich, which itself heeds NO_COLOR."""
    return _COLOURS.get(status, "")


def status_of(thing: "Workflow | WorkflowStep") -> str:
    return thing.status.status if thing.status else ""


def first_line(thing: "Workflow | WorkflowStep") -> str:
    """The first line of what a status says; the rest is in the log."""
    said = thing.status.status_human_description if thing.status else ""
    return said.strip().partition("\n")[0]


def when(moment: Any) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.1f}s" if nanoseconds else ""
