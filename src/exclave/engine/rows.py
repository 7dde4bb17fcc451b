"""Carry decisions of `rules` into rows: steps from a definition, moves, clones."""

from collections.abc import Iterable, Sequence
from typing import Any

from exclave.engine.definition import Group, StepSpec
from exclave.engine.models import Workflow, WorkflowStep
from exclave.engine.rules import ACTIVE, Change, Move, Next, why
from exclave.engine.status import composite, moved
from exclave.kit.errors import Invalid
from exclave.kit.time import now


def make(workflow: Workflow, groups: Sequence[Group]) -> list[WorkflowStep]:
    """Make the steps of a workflow. A group without `after` is a barrier; an empty one passes on what it waits for."""
    steps: list[WorkflowStep] = []
    tails: dict[str, list[str]] = {}  # key of a group -> the steps that must be satisfied before its dependents start
    loose: list[str] = []  # last steps that no barrier waits for yet
    for number, group in enumerate(groups, start=1):
        if group.after is None:
            after, needs = list(loose), []
        else:
            unknown = [key for key in group.after if key not in tails]
            if unknown:
                raise Invalid(f"group {group.key or number} waits for {', '.join(unknown)}, which no earlier group is called")
            after = list(dict.fromkeys(step_id for key in group.after for step_id in tails[key]))
            needs = list(after)
        for spec in group.steps:
            step = _step(workflow, spec, idx=len(steps), group_idx=number, after=after, needs=needs)
            steps.append(step)
            after, needs = [step.id], []
        if group.key:
            tails[group.key] = after
        if group.after is None and group.steps:
            loose = list(after)
        elif group.steps:
            loose += after
    return steps


def _step(workflow: Workflow, spec: StepSpec, *, idx: int, group_idx: int, after: list[str], needs: list[str]) -> WorkflowStep:
    return WorkflowStep(
        org_id=workflow.org_id,
        created_by_id=workflow.created_by_id,
        install_workflow_id=workflow.id,
        owner_id=workflow.owner_id,
        owner_type=workflow.owner_type,
        name=spec.name,
        kind=spec.kind,
        args=dict(spec.args),
        execution_type=spec.execution_type,
        retryable=spec.retryable,
        skippable=spec.skippable,
        applies=spec.applies,
        step_metadata=dict(spec.metadata),
        status=composite("pending", by=workflow.created_by_id),
        state="pending",
        idx=idx,
        group_idx=group_idx,
        group_retry_idx=0,
        after=after,
        needs=needs,
        step_target_id="",
        step_target_type="",
        waits_for="",
        attempt=0,
        raised=0,
        settling="",
        error="",
        retried=False,
    )


def carry(workflow: Workflow, steps: Sequence[WorkflowStep], change: Change, *, by: str) -> list[WorkflowStep]:
    """Apply a change to the rows in place; return the clones, which the caller adds."""
    move(change.moves, by=by)
    for step, turn in change.regrouped:
        step.group_retry_idx = turn
    renamed: dict[str, str] = {}
    clones = []
    for clone in change.clones:
        made = _anew(workflow, clone.of, name=clone.name, turn=clone.group_retry_idx)
        renamed[clone.of.id] = made.id
        clones.append(made)
    if renamed:
        gone = {clone.of.id for clone in change.clones}
        for step in (*steps, *clones):
            if step.id not in gone and not gone.isdisjoint(step.after):
                step.after = [renamed.get(other, other) for other in step.after]
                step.needs = [renamed.get(other, other) for other in step.needs]
    return clones


def _anew(workflow: Workflow, old: WorkflowStep, *, name: str, turn: int) -> WorkflowStep:
    spec = StepSpec(
        kind=old.kind,
        name=name,
        execution_type=old.execution_type,
        args=old.args,
        retryable=old.retryable,
        skippable=old.skippable,
        applies=old.applies,
        metadata=old.step_metadata,
    )
    made = _step(workflow, spec, idx=old.idx, group_idx=old.group_idx, after=list(old.after), needs=list(old.needs))
    made.group_retry_idx = turn
    made.created_at = now()
    return made


def move(moves: Iterable[Move], *, by: str) -> None:
    """Set state, status and times of steps."""
    for change in moves:
        step = change.step
        # The same words again (a Wait that looked and waits on) leave no trace in the history.
        description = change.description or ("" if step.status.get("status") != change.status else step.status["status_human_description"])
        if (step.status.get("status"), step.status.get("status_human_description")) != (change.status, description):
            step.status = moved(step.status, change.status, description, by=by, metadata=change.metadata)
        step.state = change.state
        step.waits_for = change.waits_for
        step.wake_at = change.wake_at
        step.raised = 0
        if change.settle:
            step.settling = change.settle
        if change.state == "failed":
            step.error = str(change.metadata.get("reason", ""))
        if change.state == "pending":
            step.started_at = step.finished_at = None
            step.step_target_id = step.step_target_type = ""
        elif change.state not in ACTIVE:
            step.finished_at = now()


def begin(step: WorkflowStep, *, by: str) -> None:
    """A step starts: its attempt is part of the key of whatever it makes."""
    step.attempt += 1
    step.started_at = now()
    step.error = ""
    step.status = moved(step.status, "in-progress", by=by)


def finish(workflow: Workflow, steps: Iterable[WorkflowStep], following: Next, *, by: str) -> None:
    """A workflow ends."""
    workflow.state = "finished"
    workflow.finished_at = now()
    if following.finish == "success":
        workflow.status = moved(workflow.status, "success", "every step is done", by=by)
    elif following.finish == "error":
        fail(workflow, why(steps) or "a step did not succeed", by=by)


def fail(workflow: Workflow, message: str, *, by: str, description: str = "a step did not succeed") -> None:
    workflow.state = "finished"
    workflow.finished_at = now()
    workflow.status = moved(workflow.status, "error", description, by=by, metadata={"error_message": message})


def values(row: Any, columns: Sequence[str]) -> list[Any]:
    return [getattr(row, name) for name in columns]
