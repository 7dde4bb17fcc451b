"""Advance workflows that are locked: ask the rules, run handlers, gather what is to be written. One transaction, no state kept."""

import logging
import time
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from exclave.engine import calls, rows, rules, store
from exclave.engine.definition import Ask, Done, Fail, Handler, Outcome, Registry, Replan, Skip
from exclave.engine.models import Workflow, WorkflowStep, WorkflowStepApproval, WorkflowStepApprovalResponse
from exclave.engine.rules import Change
from exclave.engine.status import moved
from exclave.kit.context import Actor, Ctx
from exclave.kit.errors import Problem

log = logging.getLogger(__name__)

TURN_RETRY = timedelta(milliseconds=30)


class Raised(Exception):
    """A handler or a definition raised: `step_id` is empty for a definition."""

    def __init__(self, workflow_id: str, step_id: str, cause: BaseException) -> None:
        super().__init__(describe(cause))
        self.workflow_id, self.step_id, self.cause = workflow_id, step_id, cause


def describe(cause: BaseException) -> str:
    """Say what was raised in one line. Of a database error only its first line: the rest holds the values of the statement."""
    if isinstance(cause, Problem):
        return cause.description
    if isinstance(cause, DBAPIError):
        return f"database error: {str(cause.orig).splitlines()[0]}"
    return f"{type(cause).__name__}: {cause}"


@dataclass
class Advance:
    """One transaction's work on the workflows that it locked."""

    ctx: Ctx
    registry: Registry
    moment: datetime
    solo: bool = False  # alone in its transaction: flush after each handler, so that a refusal of the database names the step
    written: store.Written = field(default_factory=store.Written)
    begun: set[str] = field(default_factory=set)  # ids of steps whose rows do not say so yet
    cloned: set[str] = field(default_factory=set)  # ids of workflows that have steps without a row yet
    batons: list[str] = field(default_factory=list)
    seconds: float = 0.0  # spent on rules and handlers

    @property
    def db(self) -> AsyncSession:
        return self.ctx.db

    async def everything(self, found: list[Workflow]) -> store.Ahead:
        """Advance all of them and write; return what is ahead."""
        steps = await store.eat_and_read(self.db, [workflow.id for workflow in found])
        queued = [workflow for workflow in found if workflow.state == "pending" and workflow.serial_key]
        free, again = await store.turns(self.db, queued) if queued else (set(), set())
        called = await calls.answered(self.db, [step for listed in steps.values() for step in listed if step.state == "running"])
        began = time.perf_counter()
        for workflow in found:
            if workflow in queued and workflow.id not in free:
                if workflow.id in again:
                    self.written.wakeups.append((workflow.id, self.moment + TURN_RETRY))
                continue
            await self._one(workflow, steps[workflow.id], called)
        self.seconds = time.perf_counter() - began
        if self.batons:
            await store.pass_on(self.db, self.batons)
        return await store.write(self.db, self.written, self.moment)

    async def _one(self, workflow: Workflow, steps: list[WorkflowStep], called: set[str]) -> None:
        by = workflow.created_by_id
        actor = Actor(account_id=by, org_id=workflow.org_id, org_ids=(workflow.org_id,), kind="system")
        ctx = self.ctx.acting_as(actor)
        if workflow.state == "pending":
            await self._start(ctx, workflow)
            if self.solo:
                self.written.wakeups.append((workflow.id, None))
                return
            steps = (await store.eat_and_read(self.db, [workflow.id]))[workflow.id]
        partial = sum(step.state == "pending" for step in steps) >= store.WINDOW
        following = rules.next_steps(workflow, steps, self.moment, partial=partial)
        await self._work(ctx, workflow, steps, following, called)
        if not self.solo:
            await self._go_on(ctx, workflow, steps, partial=partial)
        if partial and workflow.state == "running" and not rules.next_steps(workflow, steps, self.moment, partial=True).run:
            # Nothing in the window is free to run: look beyond it.
            ended = [step.id for step in steps if step.id in self.written.steps and step.state in rules.SATISFYING]
            if (ended or following.run) and any(step.state in rules.ACTIVE for step in steps):
                # Most often nothing there may run: the statement that writes this advance looks, and wakes another only if something may.
                self.written.beyond[workflow.id] = [step.id for step in steps]
                self.written.ended += ended
            elif not any(step.state in rules.ACTIVE for step in steps) or await self._may_run_beyond(workflow, steps):
                await self._complete(workflow, steps)
                await self._aim(steps)
                partial = False
                beyond = rules.next_steps(workflow, steps, self.moment)
                await self._work(ctx, workflow, steps, replace(beyond, look=()), called)
        await self._conclude(workflow, steps, partial=partial)

    async def _go_on(self, ctx: Ctx, workflow: Workflow, steps: list[WorkflowStep], *, partial: bool) -> None:
        """Start what may run since steps ended here, in the transaction that writes their end, until nothing more may (decision 0012)."""
        while workflow.id not in self.cloned and (ready := rules.next_steps(workflow, steps, self.moment, partial=partial).run):
            await self._aim(steps)
            await self._work(ctx, workflow, steps, rules.Next(run=ready), frozenset())

    async def _aim(self, steps: list[WorkflowStep]) -> None:
        """Write the targets of steps that began here: whoever follows finds them by the row."""
        aimed = [step for step in steps if step.id in self.begun and step.step_target_id]
        if aimed:
            await store.aim(self.db, aimed)
        self.begun.difference_update(step.id for step in steps)

    async def _work(self, ctx: Ctx, workflow: Workflow, steps: list[WorkflowStep], following: rules.Next, called: Set[str]) -> None:
        """Do what the rules say is due: tell handlers what was decided over their steps, look at what waits, run what is ready."""
        touched = [workflow, *{step.id: step for step in (*following.settle, *following.look, *following.run)}.values()]
        store.attach(self.db, *touched)
        try:
            self._move(workflow, following.moves)
            await self._settle(ctx, steps)
            for step in following.look:
                if step.state == "waiting" or (step.state == "running" and step.id in called):
                    await self._ask_handler(ctx, workflow, step, steps, self._handler(step).then)
            for step in following.run:
                if step.state == "pending":
                    await self._run(ctx, workflow, step, steps)
            await self._settle(ctx, steps)
        finally:
            store.detach(self.db, *touched)

    async def _complete(self, workflow: Workflow, steps: list[WorkflowStep]) -> None:
        """Read the steps of the workflow that the window left out."""
        known = {step.id for step in steps}
        steps += [step for step in await store.read_all(self.db, workflow.id) if step.id not in known]

    async def _may_run_beyond(self, workflow: Workflow, steps: list[WorkflowStep]) -> bool:
        return await store.may_run_beyond(self.db, workflow.id, [step.id for step in steps])

    async def _conclude(self, workflow: Workflow, steps: list[WorkflowStep], *, partial: bool) -> None:
        """Finish the workflow, or say when it is to be looked at again."""
        following = rules.next_steps(workflow, steps, self.moment, partial=partial)
        if workflow.state == "finished":
            if following.due is not None:
                self.written.wakeups.append((workflow.id, following.due))
            # A late wake-up revives nothing. It passes the turn on: only now the end is committed and everybody sees it.
            if workflow.serial_key:
                self.batons.append(workflow.serial_key)
            return
        if following.finish:
            rows.finish(workflow, steps, following, by=workflow.created_by_id)
            self.written.workflows[workflow.id] = workflow
            if workflow.serial_key:
                self.written.wakeups.append((workflow.id, None))
        elif following.run or following.moves:
            self.written.wakeups.append((workflow.id, None))
        elif following.due is not None:
            self.written.wakeups.append((workflow.id, following.due))

    async def _start(self, ctx: Ctx, workflow: Workflow) -> None:
        """Begin a workflow, or go on after a retry: steps are made once."""
        workflow_id, first = workflow.id, workflow.started_at is None
        if first:
            definition = self.registry.definitions.get(workflow.type)
            try:
                if definition is None:
                    raise LookupError(f"no workflow type {workflow.type!r} is registered here")
                store.attach(self.db, workflow)
                groups = await definition(ctx, workflow)
                made = rows.make(workflow, groups)
                self.db.add_all(made)
                await self.db.flush()
                store.detach(self.db, *made)
            except Exception as error:
                raise Raised(workflow_id, "", error) from error
            finally:
                store.detach(self.db, workflow)
            workflow.started_at = self.moment
        workflow.state = "running"
        workflow.attempts = 0
        workflow.status = moved(workflow.status, "in-progress", by=workflow.created_by_id)
        self.written.workflows[workflow.id] = workflow

    async def _run(self, ctx: Ctx, workflow: Workflow, step: WorkflowStep, steps: list[WorkflowStep]) -> None:
        rows.begin(step, by=workflow.created_by_id)
        self.begun.add(step.id)
        if step.execution_type == "skipped":
            reason = str(step.step_metadata.get("reason", ""))
            await self._carry(ctx, workflow, step, steps, Done(reason))
        else:
            await self._ask_handler(ctx, workflow, step, steps, self._handler(step).run)

    def _handler(self, step: WorkflowStep) -> Handler:
        handler = self.registry.handlers.get(step.kind)
        if handler is None:
            error = LookupError(f"no handler {step.kind!r} is registered here")
            raise Raised(step.install_workflow_id, step.id, error)
        return handler

    async def _ask_handler(
        self,
        ctx: Ctx,
        workflow: Workflow,
        step: WorkflowStep,
        steps: list[WorkflowStep],
        verb: Callable[[Ctx, WorkflowStep], Awaitable[Outcome]],
    ) -> None:
        ids = (workflow.id, step.id)  # a refused flush expires the rows
        try:
            outcome = await verb(ctx, step)
            await self._carry(ctx, workflow, step, steps, outcome)
            if self.solo:
                await self.db.flush()
        except Exception as error:
            raise Raised(*ids, error) from error

    async def _settle(self, ctx: Ctx, steps: list[WorkflowStep]) -> None:
        for step in steps:
            if not step.settling or (step.raised and step.wake_at and step.wake_at > self.moment):
                continue
            ids = (step.install_workflow_id, step.id)
            try:
                await self._handler(step).settled(ctx, step, step.settling)
                if self.solo:
                    await self.db.flush()
            except Raised:
                raise
            except Exception as error:
                raise Raised(*ids, error) from error
            step.settling, step.raised = "", 0
            self.written.steps[step.id] = step

    async def _carry(self, ctx: Ctx, workflow: Workflow, step: WorkflowStep, steps: list[WorkflowStep], outcome: Outcome) -> None:
        """Apply what a handler answered."""
        if isinstance(outcome, (Fail, Replan, Skip)):  # they concern steps that were not read
            await self._complete(workflow, steps)
        change = rules.decide(workflow, step, steps, outcome, self.moment)
        if change.ask is not None:
            self._ask(workflow, step, change)
        if change.call is not None:
            await calls.enqueue(ctx, step, change.call)
        clones = rows.carry(workflow, steps, change, by=workflow.created_by_id)
        self.db.add_all(clones)
        self.written.steps[step.id] = step
        self.written.steps.update((move.step.id, move.step) for move in change.moves)
        self.written.steps.update((other.id, other) for other, _ in change.regrouped)
        if clones:  # whoever waited for the old steps waits for the new ones
            self.cloned.add(workflow.id)
            self.written.steps.update((other.id, other) for other in steps)
            steps += clones

    def _ask(self, workflow: Workflow, step: WorkflowStep, change: Change) -> None:
        ask: Ask | None = change.ask
        assert ask is not None
        made = {"org_id": workflow.org_id, "created_by_id": workflow.created_by_id}
        approval = WorkflowStepApproval(
            **made,
            install_workflow_step_id=step.id,
            owner_id=ask.owner_id,
            owner_type=ask.owner_type,
            runner_job_id=ask.runner_job_id,
            type=ask.type,
            plan_digest=ask.plan_digest,
            summary=dict(ask.summary),
        )
        self.db.add(approval)
        if change.answered:
            self.db.add(
                WorkflowStepApprovalResponse(**made, install_workflow_step_approval_id=approval.id, type="approve", note="auto-approved")
            )

    def _move(self, workflow: Workflow, moves: tuple[rules.Move, ...]) -> None:
        rows.move(moves, by=workflow.created_by_id)
        self.written.steps.update((move.step.id, move.step) for move in moves)
