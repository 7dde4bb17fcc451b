"""A stage for each test."""

from collections.abc import AsyncIterator

import pytest

from exclave.kit.context import Runtime
from tests import factories
from tests.engine.world import Stage


@pytest.fixture
async def stage(runtime: Runtime, org: factories.OrgWithToken) -> AsyncIterator[Stage]:
    made = Stage(runtime, org.actor)
    yield made
    await made.calls.close()
