"""A simulation of the rules: rows in memory, a fake clock, whatever may happen in any order. A failing seed replays exactly."""

import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exclave.engine import rows, rules
from exclave.engine.definition import Ask, Done, Fail, Group, Observe, Outcome, Replan, Skip, StepSpec, Wait
from exclave.engine.models import Workflow, WorkflowStep
from exclave.engine.status import composite, moved
from exclave.kit.errors import Invalid

TERMINAL = {"done", "skipped", "failed", "not-attempted", "cancelled", "discarded"}
# The only ways out of a terminal state, and who may go them.
ALLOWED = {
    ("failed", "discarded"): "retry",
    ("failed", "skipped"): "skip",
    ("not-attempted", "pending"): "retry skip",
    ("not-attempted", "skipped"): "answer skip advance",  # advance: a plan made while another step failed has no changes
    ("not-attempted", "discarded"): "retry",
    ("done", "discarded"): "retry advance",  # the plan of an apply that is redone
}


@dataclass
class Simulation:
    """One workflow in memory, driven as the loop and the verbs drive it."""

    chance: random.Random
    workflow: Workflow
    steps: list[WorkflowStep]
    clock: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    starts: dict[tuple[str, int], int] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    kind: bool = False  # from now on everything goes well

    def advance(self) -> bool:
        """One transaction of the loop; True when something happened."""
        with self._watched("advance"):
            if self.workflow.state == "pending":
                self.workflow.state = "running"
                self.workflow.status = moved(self.workflow.status, "in-progress")
                return True
            # The loop reads neither done nor skipped nor discarded rows.
            seen = [step for step in self.steps if step.state not in rules.GONE or step.settling]
            following = rules.next_steps(self.workflow, seen, self.clock)
            rows.move(following.moves, by="")
            for step in following.settle:
                self._settle(step)
            for step in following.look:
                if step.state in rules.WORKING:
                    self._carry(step, self._outcome(step, waited=True))
            for step in following.run:
                if step.state == "pending":
                    self._start(step)
            if following.finish:
                assert self.workflow.state == "running"
                rows.finish(self.workflow, self.steps, following, by="")
            for step in self.steps:
                if step.settling:
                    self._settle(step)
            return bool(following.settle or following.look or following.run or following.moves or following.finish)

    def _settle(self, step: WorkflowStep) -> None:
        self.told.append((step.id, step.settling))
        step.settling = ""

    def _start(self, step: WorkflowStep) -> None:
        assert self.workflow.state == "running"
        by_id = {other.id: other for other in self.steps}
        assert all(by_id[after].state in rules.SATISFYING for after in step.after), "a step started before what it waits for"
        rows.begin(step, by="")
        key = (step.id, step.attempt)
        self.starts[key] = self.starts.get(key, 0) + 1
        assert self.starts[key] == 1, "a step started twice in one attempt"
        if step.applies:
            plan = [by_id[after] for after in step.after if by_id[after].group_idx == step.group_idx]
            assert all(other.status["status"] in ("approved", "user-skipped") for other in plan), "an apply without an approved plan"
        self._carry(step, self._outcome(step, waited=False))

    def _outcome(self, step: WorkflowStep, *, waited: bool) -> Outcome:
        if not self.kind and self.chance.random() < 0.15:
            return Fail("chance")
        if waited and step.applies and not self.kind and self.chance.random() < 0.3:
            return Replan("stale")
        if not waited and self.chance.random() < 0.5:
            return Wait("something")
        if waited and not self.kind and self.chance.random() < 0.3:
            return Wait("something", self.clock + timedelta(seconds=self.chance.randrange(100)))
        if step.execution_type == "approval":
            if self.workflow.plan_only:
                return Observe(self.chance.random() < 0.5)
            return Skip("no changes") if self.chance.random() < 0.2 else Ask("terraform_plan", "x", "y")
        return Done()

    def _carry(self, step: WorkflowStep, outcome: Outcome) -> None:
        seen = self.steps if isinstance(outcome, Replan) else [one for one in self.steps if one.state not in rules.GONE]
        change = rules.decide(self.workflow, step, seen, outcome, self.clock)
        self.steps += rows.carry(self.workflow, seen, change, by="")

    def request(self, verb: str) -> None:
        """What a user asks, guarded by the rules."""
        step = self.chance.choice(self.steps)
        with self._watched(verb):
            try:
                match verb:
                    case "answer":
                        change = rules.answer(step, self.steps, self.chance.choice([*rules.RESPONSES, "nonsense"]), "")
                    case "retry":
                        change = rules.retry(self.workflow, step, self.steps)
                        step.retried = True
                    case "skip":
                        change = rules.skip(self.workflow, step, self.steps)
                    case _:
                        change = rules.cancel(self.workflow, self.steps)
                        self.workflow.status = moved(self.workflow.status, "cancelled")
                        if self.workflow.state == "pending":
                            self.workflow.state = "finished"
            except Invalid:
                return
            if verb in ("retry", "skip"):
                self.workflow.status = moved(self.workflow.status, "retrying")
                if self.workflow.state == "finished":
                    self.workflow.state = "pending"
            self.steps += rows.carry(self.workflow, self.steps, change, by="")

    def _watched(self, verb: str) -> "Watch":
        return Watch(self, verb)

    def end(self) -> None:
        """From here on everything goes well and everybody approves: the workflow ends."""
        self.kind = True
        for _ in range(20 * len(self.steps) + 50):
            self.clock += timedelta(seconds=10)
            self.advance()
            for step in self.steps:
                if step.state == "asking":
                    with self._watched("answer"):
                        self.steps += rows.carry(self.workflow, self.steps, rules.answer(step, self.steps, "approve", ""), by="")
            if self.workflow.state == "finished" and not any(step.settling for step in self.steps):
                break
        states = {step.state for step in self.steps}
        assert self.workflow.state == "finished", f"the workflow never ends: {states}"
        assert states <= TERMINAL
        good = not states & {"failed", "not-attempted", "cancelled"}
        assert self.workflow.status["status"] in ({"success", "cancelled"} if good else {"error", "cancelled"})
        for group in {step.group_idx for step in self.steps}:
            alive = sorted((step for step in self.steps if step.group_idx == group and step.state != "discarded"), key=rules.order)
            for before, after in itertools.pairwise(alive):
                assert after.after == [before.id], "the steps of a group follow one another in the order that clients see"


class Watch:
    """No row leaves a terminal state but on the allowed ways."""

    def __init__(self, simulation: Simulation, verb: str) -> None:
        self.simulation, self.verb = simulation, verb

    def __enter__(self) -> None:
        self.before = {step.id: step.state for step in self.simulation.steps}
        self.ended = (self.simulation.workflow.state, self.simulation.workflow.status["status"])

    def __exit__(self, *failed: object) -> None:
        if failed[0] is not None:
            return
        for step in self.simulation.steps:
            old = self.before.get(step.id)
            if old in TERMINAL and old != step.state:
                assert self.verb in ALLOWED.get((old, step.state), ""), f"{self.verb}: {old} -> {step.state}"
        state, status = self.ended
        if state == "finished" and status in ("success", "cancelled"):
            assert (self.simulation.workflow.state, self.simulation.workflow.status["status"]) == (state, status)


def simulate(seed: int, turns: int) -> None:
    chance = random.Random(seed)
    workflow = Workflow(
        org_id="org" + "0" * 23,
        owner_id="x",
        owner_type="installs",
        type="t",
        created_by_id="",
        status=composite("pending"),
        state="pending",
        plan_only=chance.random() < 0.2,
        approval_option=chance.choice(["prompt", "prompt", "approve-all"]),
    )
    groups = []
    for number in range(chance.randrange(1, 6)):
        specs = []
        for name in range(chance.randrange(0, 3)):
            specs.append(StepSpec("k", f"s{number}.{name}", retryable=chance.random() < 0.8, skippable=chance.random() < 0.8))
        if chance.random() < 0.6:
            pair = [StepSpec("k", f"plan{number}", execution_type="approval", skippable=False)]
            if not workflow.plan_only:
                pair.append(StepSpec("k", f"apply{number}", applies=True))
            where = chance.randrange(len(specs) + 1)
            specs[where:where] = pair
        keys = [f"g{other}" for other in range(number)]
        after = None if chance.random() < 0.4 else tuple(chance.sample(keys, chance.randrange(len(keys) + 1)))
        groups.append(Group(tuple(specs), key=f"g{number}", after=after))
    simulation = Simulation(chance, workflow, rows.make(workflow, groups))
    for _ in range(turns):
        simulation.clock += timedelta(seconds=chance.randrange(60))
        if simulation.steps and chance.random() < 0.35:
            simulation.request(chance.choices(["answer", "retry", "skip", "cancel"], [10, 4, 3, 1])[0])
        else:
            simulation.advance()
    simulation.end()


@pytest.mark.parametrize("block", range(4))
def test_no_order_of_events_breaks_a_rule(block: int) -> None:
    for seed in range(block * 400, (block + 1) * 400):
        try:
            simulate(seed, turns=60)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0, max_value=2**63), st.integers(min_value=0, max_value=120))
def test_no_seed_breaks_a_rule(seed: int, turns: int) -> None:
    simulate(seed, turns)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("apply db", "apply db (retry 1)"), ("apply db (retry 1)", "apply db (retry 2)"), ("a (retry 9)", "a (retry 10)")],
)
def test_a_retry_is_counted_in_the_name(name: str, expected: str) -> None:
    assert rules.retry_name(name) == expected


def test_a_barrier_waits_for_every_loose_end() -> None:
    workflow = Workflow(org_id="o", owner_id="x", owner_type="installs", type="t", created_by_id="", status=composite("pending"))
    one = lambda name: (StepSpec("k", name),)  # noqa: E731
    made = rows.make(
        workflow,
        [
            Group(one("a"), key="a", after=()),
            Group(one("b"), key="b", after=("a",)),
            Group(one("c"), key="c", after=()),
            Group(one("end")),
            Group(one("later")),
        ],
    )
    by_name = {step.name: step for step in made}
    names = {step.id: step.name for step in made}
    assert {names[after] for after in by_name["end"].after} >= {"b", "c"}
    assert by_name["end"].needs == []
    assert by_name["b"].needs == [by_name["a"].id]
    assert [names[after] for after in by_name["later"].after] == ["end"]


def test_a_group_cannot_wait_for_one_that_is_not_there() -> None:
    workflow = Workflow(org_id="o", owner_id="x", owner_type="installs", type="t", created_by_id="", status=composite("pending"))
    with pytest.raises(Invalid, match="nobody"):
        rows.make(workflow, [Group((StepSpec("k", "a"),), after=("nobody",))])
