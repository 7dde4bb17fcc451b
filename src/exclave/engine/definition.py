"""How a workflow is described: groups of steps, and what a step's handler answers.

A definition is a list of groups, as a page that can be read aloud. Inside a group steps follow one another. Between groups, `after`
says what a group waits for: nothing given means "all groups before" (a barrier), otherwise the keys of the groups it needs, so that
whatever waits for nothing runs beside the others. `group_idx` counts groups from 1; an empty group leaves a gap, as clients expect.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from exclave.kit.context import Ctx

if TYPE_CHECKING:
    from exclave.engine.models import Workflow, WorkflowStep


@dataclass(frozen=True)
class StepSpec:
    """A step to be made. `kind` is the registered name of its handler; `args` is what the handler needs to know."""

    kind: str
    name: str
    execution_type: str = "system"  # system | user | approval | skipped | hidden
    args: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = True
    skippable: bool = True
    applies: bool = False  # applies the plan of the step before it in the group: skipped with it, redone with it
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Steps that follow one another."""

    steps: tuple[StepSpec, ...] = ()
    key: str = ""
    after: tuple[str, ...] | None = None  # keys of groups; None: every group before


Definition = Callable[[Ctx, "Workflow"], Awaitable[list[Group]]]
"""Called once, at the first advance; a problem it raises ends the workflow with its description."""


# What a handler answers.


@dataclass(frozen=True)
class Done:
    description: str = ""


@dataclass(frozen=True)
class Skip:
    """Nothing to do, with the reason; the step that applies this one's plan is skipped too."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Look again when `on` (an id: a job, a build, a runner …) is woken, or at the latest at `until`."""

    on: str
    until: datetime | None = None
    description: str = ""


@dataclass(frozen=True)
class Ask:
    """Wait for an approval of one plan. With the workflow on approve-all, the engine answers itself."""

    type: str  # terraform_plan | helm_approval | kubernetes_manifest_approval | noop | approve-all
    owner_id: str
    owner_type: str
    runner_job_id: str = ""
    plan_digest: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True)
class Observe:
    """A plan-only workflow has seen its plan: no approval is asked, `changed` says whether the world drifted."""

    changed: bool


@dataclass(frozen=True)
class Fail:
    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Replan:
    """The approved plan is stale: plan this group's pair again and ask again. No failure."""

    reason: str


@dataclass(frozen=True)
class Call:
    """Run a registered side task, outside any transaction; its key is (step id, attempt). It wakes the workflow when done."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


Outcome = Done | Skip | Wait | Ask | Observe | Fail | Replan | Call


class Handler(Protocol):
    """What a kind of step does. Every method may be called twice: give what it creates the key `step_key(step)`, and twice is once.

    Handlers read and write rows only. `then` is level-triggered: it looks at the rows and may answer Wait again.
    """

    target: str  # table of what the step makes, e.g. install_sandbox_runs; empty for none

    async def run(self, ctx: Ctx, step: "WorkflowStep") -> Outcome: ...

    async def then(self, ctx: Ctx, step: "WorkflowStep") -> Outcome: ...

    async def settled(self, ctx: Ctx, step: "WorkflowStep", how: str) -> None:
        """The engine decided over the step: auto-skipped | approved | approval-denied | discarded | cancelled | user-skipped
        | drifted | no-drift. Carry it to the step's target; cancelled and discarded also end the step's job."""
        ...


class Plain:
    """A handler of which only `run` matters."""

    target = ""

    async def run(self, ctx: Ctx, step: "WorkflowStep") -> Outcome:
        raise NotImplementedError

    async def then(self, ctx: Ctx, step: "WorkflowStep") -> Outcome:
        return await self.run(ctx, step)

    async def settled(self, ctx: Ctx, step: "WorkflowStep", how: str) -> None:
        return None


def step_key(step: "WorkflowStep") -> str:
    """The key of what a step makes: the same step in the same attempt makes it once."""
    return f"{step.id}:{step.attempt}"


class Registry:
    """Every definition and handler of the process, listed in `server/`."""

    def __init__(self) -> None:
        self.definitions: dict[str, Definition] = {}
        self.handlers: dict[str, Handler] = {}

    def define(self, workflow_type: str, definition: Definition) -> None:
        self.definitions[workflow_type] = definition

    def handle(self, kind: str, handler: Handler, *, aliases: tuple[str, ...] = ()) -> None:
        for name in (kind, *aliases):
            self.handlers[name] = handler
