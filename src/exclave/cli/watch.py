"""Follow a workflow: a live table on a terminal, one plain line per change elsewhere."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from exclave.cli import output, session
from exclave.client.public import PublicApi
from exclave.wire.public.workflows import Workflow, WorkflowStep

if TYPE_CHECKING:
    from rich.console import ConsoleDimensions
    from rich.table import Table


def watch_workflow(workflow: str, *, until: str, as_json: bool) -> None:
    """Follow until it is finished or, with `until="approval"`, until a step asks."""
    if until not in ("finished", "approval"):
        raise session.stop(f"--until {until}: choose finished or approval", session.USAGE)
    ended = session.call(lambda api: _follow(api, workflow, until, quiet=as_json), patience=session.ENDURING)
    if as_json:
        output.as_json(ended)
    status = output.status_of(ended)
    if ended.finished and status != "success":
        raise session.stop(f"the workflow ended with {status}: {_why(ended)}", session.FAILED)


def _why(workflow: Workflow) -> str:
    """Name the step that ended the workflow, what it said, and the way out."""
    for step in workflow.steps or []:
        said = output.first_line(step)
        if output.status_of(step) == "approval-denied":
            return f"the plan of step {step.name!r} was denied" + (f": {said}" if said else "")
        if output.status_of(step) == "error":
            return f"step {step.name!r}: {said}\nwhen the cause is gone: exclave workflows retry {workflow.id}"
    return output.first_line(workflow)


async def _follow(api: PublicApi, workflow: str, until: str, *, quiet: bool) -> Workflow:
    show = _Nothing() if quiet else _Live() if sys.stdout.isatty() else _Lines()
    with show:
        version = ""
        while True:
            answer = await api.http.request(
                "GET", f"/v1/workflows/{session.segment(workflow)}/watch", params={"after": version}, timeout=60, idempotent=True
            )
            version = answer.headers.get("x-exclave-version", "")
            found = api.http.decoded(answer, Workflow)
            show.update(found)
            asking = any(output.status_of(step) == "approval-awaiting" for step in found.steps or [])
            if found.finished or (until == "approval" and asking):
                break
    failed = [step for step in found.steps or [] if output.status_of(step) == "error"]
    if found.finished and not quiet:
        for step in failed:
            _tail(step)
    return found


def _tail(step: WorkflowStep) -> None:
    """Print the last log lines of a failed step."""
    tail: Any = (step.status.metadata if step.status else {}).get("tail")
    for line in str(tail or "").splitlines():
        output.note(f"  | {line}")


class _Nothing:
    def __enter__(self) -> "_Nothing":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, workflow: Workflow) -> None:
        return None


class _Lines(_Nothing):
    """One line for each step whose status changed."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def update(self, workflow: Workflow) -> None:
        for step in workflow.steps or []:
            status = output.status_of(step)
            if step.execution_type == "hidden" or self._seen.get(step.id, "pending") == status:
                continue
            self._seen[step.id] = status
            output.data(f"{status:18} {step.name}{_remark(step)}")
        if workflow.finished:
            output.data(f"{output.status_of(workflow):18} {workflow.name or workflow.type} ({output.seconds(workflow.execution_time)})")


# These say all by themselves.
_PLAIN = ("success", "not-attempted")


def _remark(step: WorkflowStep) -> str:
    """How long a step took, and what it has to say: one line."""
    took = f" ({output.seconds(step.execution_time)})" if step.finished and step.execution_time else ""
    said = output.first_line(step)
    return took + (f": {said}" if said and output.status_of(step) not in _PLAIN else "")


class _Live(_Nothing):
    """A table that is drawn in place: what runs is in view while it lives, and all of it stays at the end."""

    def __enter__(self) -> "_Live":
        from rich.live import Live

        self._console = output.console()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._live.start()
        self._newest: Workflow | None = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._newest is not None:
            self._live.update(_table(self._newest))  # drawn by the stop, however long it is
        self._live.stop()

    def update(self, workflow: Workflow) -> None:
        self._newest = workflow
        self._live.update(_table(workflow, self._console.size), refresh=True)


def _table(workflow: Workflow, terminal: "ConsoleDimensions | None" = None) -> "Table":
    """All steps of a workflow, or, for a terminal that is to hold it, one line for each step around what runs."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        title=Text(f"{workflow.name or workflow.type}: {output.status_of(workflow)}", no_wrap=True, overflow="ellipsis"),
        title_justify="left",
    )
    # The name says what runs: of what must be cut it is cut last, and leaves room for a status and a few words.
    shown.add_column("STEP", overflow="fold", no_wrap=bool(terminal), max_width=max(12, terminal.width - 36) if terminal else None)
    shown.add_column("STATUS", no_wrap=True)
    shown.add_column("TOOK", no_wrap=True)
    shown.add_column("WHY", overflow="fold")
    steps = [step for step in workflow.steps or [] if step.execution_type != "hidden"]
    first, end = _window(steps, terminal.height - 4) if terminal else (0, len(steps))  # title, heads, and what is left out above and below
    if first:
        shown.add_row(Text(f"({first} before)", "dim", no_wrap=True))
    for step in steps[first:end]:
        status = output.status_of(step)
        why = output.first_line(step) if status not in _PLAIN else ""
        name, said = (Text(text, no_wrap=bool(terminal), overflow="ellipsis" if terminal else "fold") for text in (step.name, why))
        shown.add_row(name, Text(status, output.colour_of(status)), output.seconds(step.execution_time), said)
    if end < len(steps):
        shown.add_row(Text(f"({len(steps) - end} after)", "dim", no_wrap=True))
    return shown


def _window(steps: Sequence[WorkflowStep], lines: int) -> tuple[int, int]:
    """Where to begin and to end when only so many of the steps fit: with the last that has ended before the first that has not."""
    if len(steps) <= lines:
        return 0, len(steps)
    running = next((place for place, step in enumerate(steps) if not step.finished), len(steps))
    first = max(0, min(running - 1, len(steps) - lines))
    return first, first + max(1, lines)
