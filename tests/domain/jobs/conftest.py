"""A runner with its jobs, and every event about them."""

import pytest

from exclave.domain.jobs.events import ExecutionEnded, JobFinished
from exclave.kit.context import Runtime
from tests.domain.runners.fleet import Fleet, fleet


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


@pytest.fixture
def told(runtime: Runtime):
    """Every event about a job that is told during the test."""
    heard: list[object] = []

    async def keep(_ctx, event):
        heard.append(event)

    for kind in (JobFinished, ExecutionEnded):
        runtime.events.subscribe(kind, keep)
    yield heard
    for kind in (JobFinished, ExecutionEnded):
        runtime.events._handlers[kind].remove(keep)
