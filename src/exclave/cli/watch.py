"""Follow a workflow: a live table on a terminal, one plain line per change elsewhere."""

import sys
from typing import Any

from exclave.cli import output, session
from exclave.client.public import PublicApi
from exclave.wire.public.workflows import Workflow, WorkflowStep


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
    """A table that is drawn in place."""

    def __enter__(self) -> "_Live":
        from rich.live import Live

        self._live = Live(console=output.console(), auto_refresh=False, transient=False)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, workflow: Workflow) -> None:
        from rich.table import Table
        from rich.text import Text

        shown = Table(
            box=None,
            pad_edge=False,
            header_style="bold",
            title=Text(f"{workflow.name or workflow.type}: {output.status_of(workflow)}"),
            title_justify="left",
        )
        for head in ("STEP", "STATUS", "TOOK", "WHY"):
            shown.add_column(head, overflow="fold")
        for step in workflow.steps or []:
            if step.execution_type == "hidden":
                continue
            why = output.first_line(step) if output.status_of(step) not in _PLAIN else ""
            status = output.status_of(step)
            shown.add_row(Text(step.name), Text(status, output.colour_of(status)), output.seconds(step.execution_time), Text(why))
        self._live.update(shown, refresh=True)
