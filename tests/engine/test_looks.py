"""When the loop looks again: at once where something is due, never for nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from exclave.engine.definition import Group
from exclave.engine.loop import _LOCKED_SECONDS, _seconds_to
from exclave.engine.store import Ahead
from tests.engine.world import Stage, do, wait

MOMENT = datetime(2026, 11, 28, 12, tzinfo=UTC)
QUIET = {"later": None, "left": False, "beyond": False}


def after(wakeups: list[tuple[str, datetime | None]], **row: object) -> Ahead:
    return Ahead.after(MOMENT, wakeups, {**QUIET, **row})


@pytest.mark.parametrize(
    ("ahead", "full", "seconds"),
    [
        (after([]), True, None),
        (after([("inw1", None)]), False, 0.0),
        (after([], beyond=True), False, 0.0),
        (after([("inw1", MOMENT + timedelta(seconds=3))], later=7.5), False, 3.0),
        (after([("inw1", MOMENT + timedelta(seconds=9))], later=7.5), False, 7.5),
        (after([], later=-0.001), False, 0.0),
        (after([], left=True), True, 0.0),
        (after([], left=True), False, _LOCKED_SECONDS),
        (after([], left=True, later=0.02), False, 0.02),
    ],
    ids=["nothing", "own", "beyond", "own timer", "other's timer", "fell due meanwhile", "more is due", "others have it", "a timer first"],
)
def test_the_next_look_comes_when_something_may_be_due(ahead: Ahead, full: bool, seconds: float | None) -> None:
    assert _seconds_to(ahead, full=full) == seconds


async def test_an_advance_that_leaves_nothing_due_says_so_without_a_look(stage: Stage) -> None:
    await stage.start([Group((do("first"), wait("second", on="far")))])
    due = []
    while await stage.loop.once():
        due.append(stage.loop._due)
    assert due
    assert due[-1] is None or due[-1] > 0, "the second step waits for somebody else"
