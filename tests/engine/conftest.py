"""A stage for each test."""

import pytest

from exclave.kit.context import Runtime
from tests import factories
from tests.engine.world import Stage


@pytest.fixture
async def stage(runtime: Runtime, org: factories.OrgWithToken) -> Stage:
    return Stage(runtime, org.actor)
