"""A stage for each test."""

import pytest
from sqlalchemy import text

from exclave.kit.context import Runtime
from tests import factories
from tests.engine.world import Stage


@pytest.fixture
async def stage(runtime: Runtime, org: factories.OrgWithToken) -> Stage:
    # What tests of other slices left due has no handlers here: it would raise, and whatever is advanced beside it be taken one by one.
    async with runtime.sweep() as ctx:
        await ctx.db.execute(text("delete from wakeup"))
    return Stage(runtime, org.actor)
