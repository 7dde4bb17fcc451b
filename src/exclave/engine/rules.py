"""What may run now, and what an answer, a response or a request of a user changes: pure functions on the steps of one workflow.

The words of the engine for a step (`WorkflowStep.state`): pending, running (a Call is under way), waiting, asking, and the terminal
ones: done, skipped, failed, not-attempted, cancelled, discarded. A step that is done or skipped satisfies who waits for it. Only a
user's retry or skip leads out of failed and not-attempted; nothing leads out of skipped, cancelled and discarded, and done becomes
discarded at most, when the pair of plan and apply is made anew (spec domain.md 3.5, 3.6, 3.8).

A failed step ends the workflow: siblings that already run finish, nothing new starts, and a sibling that waits for an approval is
taken back, since its plan could not be applied any more. The workflow ends with an error when the last sibling is done.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from exclave.engine.definition import Ask, Call, Done, Fail, Observe, Outcome, Replan, Skip, Wait
from exclave.kit.errors import Invalid

if TYPE_CHECKING:
    from exclave.engine.models import Workflow, WorkflowStep

SATISFYING = frozenset({"done", "skipped"})
WORKING = frozenset({"running", "waiting"})
ACTIVE = WORKING | {"asking"}
GONE = frozenset({"done", "skipped", "discarded"})  # no rule needs these rows, unless a plan is made anew
RESPONSES = ("approve", "auto-approve", "deny", "deny-skip-current", "deny-skip-current-and-dependents", "retry")

PARALLEL = 10  # steps of one workflow under way at once, waiting approvals not counted
APPROVAL_LIFE = timedelta(days=30)
SOON = timedelta(seconds=1)  # for a Wait whose time has passed already


@dataclass(frozen=True)
class Move:
    """A step takes a state (the engine's) and a status (the wire's). `settle`: what its handler must be told."""

    step: "WorkflowStep"
    state: str
    status: str
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    settle: str = ""
    waits_for: str = ""
    wake_at: datetime | None = None


@dataclass(frozen=True)
class Clone:
    """A step is made anew from another one; whoever waited for the old one waits for the new one."""

    of: "WorkflowStep"
    name: str
    group_retry_idx: int


@dataclass(frozen=True)
class Change:
    """What happens to the steps of one workflow: moves in order, clones, steps that follow their group into its next round."""

    moves: tuple[Move, ...] = ()
    clones: tuple[Clone, ...] = ()
    regrouped: tuple[tuple["WorkflowStep", int], ...] = ()
    ask: Ask | None = None
    answered: bool = False  # the engine answers `ask` itself
    call: Call | None = None


@dataclass(frozen=True)
class Next:
    """What is due in one workflow."""

    settle: tuple["WorkflowStep", ...] = ()
    run: tuple["WorkflowStep", ...] = ()
    look: tuple["WorkflowStep", ...] = ()  # their `then`
    moves: tuple[Move, ...] = ()
    finish: str = ""  # success | error | cancelled
    due: datetime | None = None  # look again at the latest then


def next_steps(
    workflow: "Workflow", steps: Sequence["WorkflowStep"], moment: datetime, *, limit: int = PARALLEL, partial: bool = False
) -> Next:
    """Return what may happen now. Steps that are done or skipped may be missing from `steps`; `partial`: pending ones too."""
    settle = tuple(step for step in steps if step.settling and not _held(step, moment))
    timers = [step.wake_at for step in steps if step.wake_at and (step.settling or step.state in ACTIVE or step.state == "pending")]
    due = min(timers, default=None)
    if workflow.state != "running":
        return Next(settle=settle, due=due)
    look = tuple(step for step in steps if step.state in WORKING and not _held(step, moment))
    expired = tuple(step for step in steps if step.state == "asking" and step.wake_at and step.wake_at <= moment)
    unsatisfied = {step.id for step in steps if step.state not in SATISFYING}
    ready = [step for step in steps if step.state == "pending" and unsatisfied.isdisjoint(step.after)]
    room = max(0, limit - sum(step.state in WORKING for step in steps))
    run = tuple(sorted((step for step in ready if not _held(step, moment)), key=order)[:room])
    moves = tuple(move for step in expired for move in _expire(step, steps))
    live = [step for step in steps if step.state in ACTIVE or step.state == "pending"]
    if not live and not partial and not any(step.settling for step in steps):
        return Next(finish=verdict(workflow, steps))
    if live and not ready and not partial and not any(step.state in ACTIVE for step in live):
        # Nothing is under way and nothing can start: what is left waits for a step that failed.
        moves += tuple(_not_attempted(step, "a step that it waits for did not succeed") for step in live)
    return Next(settle=settle, run=run, look=look, moves=moves, due=due)


def order(step: "WorkflowStep") -> tuple[int, int, int, datetime]:
    """The canonical order of steps."""
    return (step.group_idx, step.group_retry_idx, step.idx, step.created_at)


def verdict(workflow: "Workflow", steps: Iterable["WorkflowStep"]) -> str:
    """Say how a workflow ended of which no step is left to do."""
    if workflow.status.get("status") == "cancelled":
        return "cancelled"
    return "error" if any(step.state in ("failed", "not-attempted", "cancelled") for step in steps) else "success"


def why(steps: Iterable["WorkflowStep"]) -> str:
    """Say in one line which steps failed, for the workflow's status."""
    return "; ".join(f"{step.name}: {step.error or step.status.get('status', '')}" for step in steps if step.state == "failed")


def decide(workflow: "Workflow", step: "WorkflowStep", steps: Sequence["WorkflowStep"], outcome: Outcome, moment: datetime) -> Change:
    """Return what a handler's answer changes. Replan needs every step of the group, the others only those that are not GONE."""
    match outcome:
        case Done(description):
            return Change((Move(step, "done", "success", description),))
        case Skip(reason):
            if workflow.plan_only and step.execution_type == "approval":
                return _observed(step, changed=False, reason=reason)
            moves = [Move(step, "skipped", "auto-skipped", reason, {"reason": reason}, settle="auto-skipped")]
            moves += [Move(after, "skipped", "auto-skipped", reason, {"reason": reason}) for after in appliers(step, steps)]
            return Change(tuple(moves))
        case Wait(on, until, description):
            wake_at = None if until is None else max(until, moment + SOON)
            return Change((Move(step, "waiting", "in-progress", description, waits_for=on, wake_at=wake_at),))
        case Ask():
            looked = Move(step, "asking", "checking-plan")
            with_it = appliers(step, steps)
            if with_it and all(other.state == "not-attempted" for other in with_it):
                # Another step failed while this plan was made: nobody would apply it. A retry makes it anew.
                return Change((_not_attempted(step, "another step failed while the plan was made", settle="discarded"),))
            if workflow.approval_option == "approve-all":
                return Change((looked, _approved(step, "approved by the workflow's option approve-all")), ask=outcome, answered=True)
            asked = Move(step, "asking", "approval-awaiting", outcome.description, wake_at=moment + APPROVAL_LIFE)
            return Change((looked, asked), ask=outcome)
        case Observe(changed):
            return _observed(step, changed=changed)
        case Fail(reason, metadata):
            return Change((Move(step, "failed", "error", reason, {**metadata, "reason": reason}), *_abort(step, steps, step.name)))
        case Replan(reason):
            return _redo_pair(step, steps, reason)
        case Call():
            return Change((Move(step, "running", "in-progress"),), call=outcome)


def answer(step: "WorkflowStep", steps: Sequence["WorkflowStep"], response: str, note: str) -> Change:
    """Return what a response to an approval changes (spec domain.md 3.6)."""
    if response not in RESPONSES:
        raise Invalid(f"response_type {response!r} is unknown: use one of {', '.join(RESPONSES)}")
    if step.state != "asking":
        raise Invalid(f"step {step.name!r} does not wait for an approval: it is {step.status.get('status')}")
    if response in ("approve", "auto-approve"):
        return Change((_approved(step, note),))
    if response == "retry":
        again = Move(step, "discarded", "approval-retry", note or "the plan is made anew", settle="discarded")
        return Change((again,), (Clone(step, retry_name(step.name), step.group_retry_idx),))
    metadata = {"reason": note or "approval denied"}
    if response == "deny":
        denied = Move(step, "failed", "approval-denied", note or "approval denied", metadata, settle="approval-denied")
        return Change((denied, *_abort(step, steps, step.name)))
    denied = Move(
        step, "skipped", "approval-denied", note or "approval denied, the rest of the group is skipped", metadata, settle="approval-denied"
    )
    skipped = _same_group(step, steps)
    if response == "deny-skip-current-and-dependents":
        skipped += dependents(step, steps)
    reason = f"the changes of {step.name!r} were denied"
    return Change((denied, *(_user_skipped(other, reason) for other in skipped)))


def retry(workflow: "Workflow", step: "WorkflowStep", steps: Sequence["WorkflowStep"]) -> Change:
    """Return what a retry changes: the step is made anew, with its plan when it applies one, and what came after may start again."""
    _may_change(workflow, step)
    if not step.retryable:
        raise Invalid(f"step {step.name!r} cannot be retried")
    if step.retried:
        raise Invalid(f"step {step.name!r} was retried already")
    if step.applies:
        redone = _redo_pair(step, steps, "retried")
        return Change((*redone.moves, *_revived(step, steps)), redone.clones, redone.regrouped)
    discarded = Move(step, "discarded", "discarded", "retried", {"reason": "retried"}, settle="discarded")
    return Change((discarded, *_revived(step, steps)), (Clone(step, retry_name(step.name), step.group_retry_idx),))


def skip(workflow: "Workflow", step: "WorkflowStep", steps: Sequence["WorkflowStep"]) -> Change:
    """Return what skipping a failed step changes: it counts as satisfied, the step that applies its plan is skipped too."""
    _may_change(workflow, step)
    if not step.skippable:
        raise Invalid(f"step {step.name!r} cannot be skipped")
    with_it = appliers(step, steps)
    moves = [_user_skipped(step, "skipped by a user"), *(_user_skipped(other, f"{step.name!r} was skipped") for other in with_it)]
    revived = (move for move in _revived(step, steps) if move.step not in with_it)
    return Change((*moves, *revived))


def cancel(workflow: "Workflow", steps: Sequence["WorkflowStep"]) -> Change:
    """Return what a cancel changes: what is under way is cancelled, what is not yet started never will be."""
    if workflow.state == "finished" or workflow.status.get("status") == "cancelled":
        raise Invalid(f"workflow is not cancelable: it is {workflow.status.get('status')}")
    reason = "workflow cancelled"
    moves = [Move(step, "cancelled", "cancelled", reason, {"reason": reason}, settle="cancelled") for step in steps if step.state in ACTIVE]
    left = _left_unapplied(steps)
    moves += [_not_attempted(step, reason, settle="cancelled" if step in left else "") for step in steps if step.state == "pending"]
    return Change(tuple(moves))


def appliers(step: "WorkflowStep", steps: Iterable["WorkflowStep"]) -> list["WorkflowStep"]:
    """Return the step that applies this one's plan, when it did not run."""
    return [
        other
        for other in steps
        if other.applies and step.id in other.after and other.group_idx == step.group_idx and other.state in ("pending", "not-attempted")
    ]


def dependents(step: "WorkflowStep", steps: Sequence["WorkflowStep"]) -> list["WorkflowStep"]:
    """Return the steps of every group that needs this step's group by name, directly or not, and has not started."""
    groups = {step.group_idx}
    while True:
        ids = {other.id for other in steps if other.group_idx in groups}
        wider = groups | {other.group_idx for other in steps if not ids.isdisjoint(other.needs)}
        if wider == groups:
            break
        groups = wider
    return [
        other for other in steps if other.group_idx in groups - {step.group_idx} and other.state in ("pending", "not-attempted", "asking")
    ]


def retry_name(name: str) -> str:
    """`apply db` becomes `apply db (retry 1)`, and that `apply db (retry 2)`."""
    found = re.fullmatch(r"(.*) \(retry (\d+)\)", name, re.DOTALL)
    return f"{found[1]} (retry {int(found[2]) + 1})" if found else f"{name} (retry 1)"


def _held(step: "WorkflowStep", moment: datetime) -> bool:
    """A handler that raised is left alone until its time has come."""
    return step.raised > 0 and step.wake_at is not None and step.wake_at > moment


def _approved(step: "WorkflowStep", note: str) -> Move:
    return Move(step, "done", "approved", note, settle="approved")


def _observed(step: "WorkflowStep", *, changed: bool, reason: str = "") -> Change:
    text = reason or ("the world differs from the plan's target" if changed else "no change")
    metadata = {"plan_only": True, "no_op": not changed}
    return Change((Move(step, "done", "approved", text, metadata, settle="drifted" if changed else "no-drift"),))


def _expire(step: "WorkflowStep", steps: Sequence["WorkflowStep"]) -> list[Move]:
    reason = f"nobody answered within {APPROVAL_LIFE.days} days"
    expired = Move(step, "failed", "approval-expired", reason, {"reason": reason}, settle="approval-denied")
    return [expired, *_abort(step, steps, step.name)]


def _abort(failed: "WorkflowStep", steps: Sequence["WorkflowStep"], name: str) -> list[Move]:
    reason = f"step {name!r} did not succeed, which ends the workflow"
    left = _left_unapplied(steps)
    ended = (step for step in steps if step is not failed and step.state in ("pending", "asking"))
    return [_not_attempted(step, reason, settle="discarded" if step in left else "") for step in ended]


def _left_unapplied(steps: Sequence["WorkflowStep"]) -> list["WorkflowStep"]:
    """Return the steps that would apply a plan that was approved: when they do not, nobody else ends what was planned."""
    done = {step.id for step in steps if step.state == "done"}
    return [step for step in steps if step.applies and step.state == "pending" and not done.isdisjoint(step.after)]


def _not_attempted(step: "WorkflowStep", reason: str, settle: str = "") -> Move:
    settle = "discarded" if step.state == "asking" else settle
    return Move(step, "not-attempted", "not-attempted", reason, {"reason": reason}, settle=settle)


def _user_skipped(step: "WorkflowStep", reason: str) -> Move:
    # A step that never started has made nothing that its handler could settle.
    settle = "user-skipped" if step.attempt else ""
    return Move(step, "skipped", "user-skipped", reason, {"reason": reason}, settle=settle)


def _same_group(step: "WorkflowStep", steps: Iterable["WorkflowStep"]) -> list["WorkflowStep"]:
    open_states = ("pending", "asking", "not-attempted")
    return [other for other in steps if other is not step and other.group_idx == step.group_idx and other.state in open_states]


def _may_change(workflow: "Workflow", step: "WorkflowStep") -> None:
    if workflow.status.get("status") == "cancelled":
        raise Invalid("workflow was cancelled: start a new one")
    if step.status.get("status") != "error":
        raise Invalid(f"step {step.name!r} must be in error to be retried or skipped: it is {step.status.get('status')}")


def _redo_pair(apply: "WorkflowStep", steps: Sequence["WorkflowStep"], reason: str) -> Change:
    """Discard plan and apply and make both anew; what follows them in the group moves behind them."""
    group = [step for step in steps if step.group_idx == apply.group_idx]
    plan = next((step for step in group if step.id in apply.after), None)
    pair = [apply] if plan is None else [plan, apply]
    turn = max(step.group_retry_idx for step in group) + 1
    moves = [Move(step, "discarded", "discarded", reason, {"reason": reason}, settle="discarded") for step in pair]
    later = [step for step in group if step not in pair and order(step) > order(apply) and step.state in ("pending", "not-attempted")]
    clones = [Clone(step, retry_name(step.name), turn) for step in pair]
    return Change(tuple(moves), tuple(clones), tuple((step, turn) for step in later))


def _revived(step: "WorkflowStep", steps: Sequence["WorkflowStep"]) -> list[Move]:
    """Return the moves of every step not attempted that does not depend on another failed step."""
    dead = {other.id for other in steps if other is not step and other.state in ("failed", "cancelled")}
    waiting = [other for other in steps if other.state == "not-attempted"]
    while True:
        found = {other.id for other in waiting if other.id not in dead and not dead.isdisjoint(other.after)}
        if not found:
            break
        dead |= found
    return [Move(other, "pending", "pending", metadata={"reason": ""}) for other in waiting if other.id not in dead]
