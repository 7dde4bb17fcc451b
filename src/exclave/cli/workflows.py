"""`exclave workflows …`"""

from typing import Annotated, Any

import typer

from exclave.cli import output, session
from exclave.client.public import PublicApi
from exclave.wire.public.workflows import Workflow, WorkflowStep

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Workflows: list, watch, approve, deny, retry, cancel.", rich_markup_mode=None
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Step = Annotated[str, typer.Option("--step", help="The step, by id or name; without it the one that waits.")]


@app.command("list")
def list_workflows(install: str, as_json: Json = False) -> None:
    """List the workflows of an install, newest first."""

    async def work(api: PublicApi) -> list[Workflow]:
        return [found async for found in api.pages(f"/v1/installs/{session.segment(install)}/workflows", Workflow)]

    found = session.call(work)
    if as_json:
        output.as_json(found)
        return
    rows = [(w.id, w.type, output.status_of(w), output.seconds(w.execution_time), output.when(w.created_at)) for w in found]
    output.table(("ID", "TYPE", "STATUS", "TOOK", "CREATED"), rows)


@app.command()
def get(workflow: str, as_json: Json = False) -> None:
    """Show a workflow and its steps."""
    found = session.call(lambda api: api.http.get(f"/v1/workflows/{session.segment(workflow)}", Workflow))
    if as_json:
        output.as_json(found)
        return
    output.note(f"{found.name or found.type}: {output.status_of(found)}")
    rows = [
        (
            str(s.group_idx),
            s.name,
            output.status_of(s),
            output.seconds(s.execution_time),
            output.first_line(s),
        )
        for s in found.steps or []
        if s.execution_type != "hidden"
    ]
    output.table(("GROUP", "STEP", "STATUS", "TOOK", "WHY"), rows)


@app.command()
def watch(
    workflow: str,
    until: Annotated[str, typer.Option(help="Stop at `finished` or already when an `approval` is awaited.")] = "finished",
    as_json: Json = False,
) -> None:
    """Follow a workflow live until it ends. Exit code 1 when it fails, with the failed step and its last log lines."""
    from exclave.cli.watch import watch_workflow

    watch_workflow(workflow, until=until, as_json=as_json)


@app.command()
def plan(workflow: str, step: Step = "", as_json: Json = False) -> None:
    """Show the plan that a step asks about."""

    async def work(api: PublicApi) -> Any:
        found = await _asking(api, workflow, step)
        assert found.approval is not None
        path = f"/v1/workflows/{session.segment(workflow)}/steps/{found.id}/approvals/{found.approval.id}/contents"
        return await api.http.get(path, dict[str, Any])

    contents = session.call(work)
    if as_json:
        output.as_json(contents)
        return
    from exclave.cli.plans import show_plan

    show_plan(contents)


async def _asking(api: PublicApi, workflow: str, step: str) -> WorkflowStep:
    """Find the step that waits for an approval."""
    steps = await api.http.get(f"/v1/workflows/{session.segment(workflow)}/steps", list[WorkflowStep])
    waiting = [s for s in steps if s.approval and (step in (s.id, s.name) if step else output.status_of(s) == "approval-awaiting")]
    if not waiting:
        raise session.stop(f"no step of {workflow} waits for an approval{f' under the name {step!r}' if step else ''}", session.FAILED)
    if len(waiting) > 1 and not step:
        names = ", ".join(repr(s.name) for s in waiting)
        raise session.stop(f"several steps wait: {names}. Name one with --step", session.USAGE)
    return waiting[0]


def _respond(workflow: str, step: str, response: str, note: str, as_json: bool) -> None:
    async def work(api: PublicApi) -> tuple[str, Any]:
        found = await _asking(api, workflow, step)
        assert found.approval is not None
        path = f"/v1/workflows/{session.segment(workflow)}/steps/{found.id}/approvals/{found.approval.id}/response"
        return found.name, await api.http.send("POST", path, {"response_type": response, "note": note}, dict[str, Any])

    name, answer = session.call(work)
    output.as_json(answer) if as_json else output.data(f"{response}\t{name}")


Note = Annotated[str, typer.Option("--note", "-m", help="Why; kept with the answer.")]


@app.command()
def approve(
    workflow: str,
    step: Step = "",
    note: Note = "",
    everything: Annotated[bool, typer.Option("--all", help="Approve every further plan of this workflow, too.")] = False,
    as_json: Json = False,
) -> None:
    """Approve the plan that waits; exactly this plan is applied."""
    if not everything:
        _respond(workflow, step, "approve", note, as_json)
        return

    async def work(api: PublicApi) -> Any:
        path = f"/v1/workflows/{session.segment(workflow)}"
        return await api.http.send("PATCH", path, {"approval_option": "approve-all"}, dict[str, Any])

    answer = session.call(work)
    output.as_json(answer) if as_json else output.data(f"approve-all\t{workflow}")


@app.command()
def deny(workflow: str, step: Step = "", note: Note = "", as_json: Json = False) -> None:
    """Deny the plan that waits; the workflow ends."""
    _respond(workflow, step, "deny", note, as_json)


def _redo(workflow: str, step: str, operation: str, as_json: bool) -> None:
    async def work(api: PublicApi) -> Any:
        steps = await api.http.get(f"/v1/workflows/{session.segment(workflow)}/steps", list[WorkflowStep])
        found = [s for s in steps if (step in (s.id, s.name) if step else output.status_of(s) == "error")]
        if not found:
            raise session.stop(f"no step of {workflow} {'is named ' + repr(step) if step else 'has failed'}", session.FAILED)
        path = f"/v1/workflows/{session.segment(workflow)}/steps/{found[-1].id}/retry"
        return await api.http.send("POST", path, {"operation": operation}, dict[str, Any])

    answer = session.call(work)
    output.as_json(answer) if as_json else output.data(f"{operation}\t{workflow}")


@app.command()
def retry(workflow: str, step: Step = "", as_json: Json = False) -> None:
    """Retry the failed step."""
    _redo(workflow, step, "retry-step", as_json)


@app.command()
def skip(workflow: str, step: Step = "", as_json: Json = False) -> None:
    """Skip the failed step and go on."""
    _redo(workflow, step, "skip-step", as_json)


@app.command()
def cancel(workflow: str, as_json: Json = False) -> None:
    """Cancel a workflow; what runs is stopped."""
    answer = session.call(lambda api: api.http.send("POST", f"/v1/workflows/{session.segment(workflow)}/cancel", {}, bool))
    output.as_json(answer) if as_json else output.data(f"cancelled\t{workflow}")
