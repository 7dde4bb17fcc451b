"""The net below the engine: wake-ups that were forgotten or could not be seen.

`second look`, every second: an event told `wake_waiting` whom it found; who began to wait at that moment is found now.
`walk`, every ten seconds: twenty active workflows in the order of their keys are woken when nobody else did. Its cost does not
grow with what is stored.
"""

import asyncio
import logging

from sqlalchemy import text

from exclave.engine.service import TOPIC
from exclave.kit.context import Runtime

log = logging.getLogger(__name__)

WALK_EVERY = 10
WALK_SIZE = 20

_SECOND_LOOK = text("""
with looked as (
    delete from wakeup where id = any(array(
        select id from wakeup where waited_for <> '' and due <= statement_timestamp() order by due limit 1000 for update skip locked))
    returning waited_for)
insert into wakeup (workflow_id)
select distinct s.install_workflow_id from looked l join install_workflow_steps s on s.waits_for = l.waited_for and s.waits_for <> ''
returning workflow_id
""")
_WALK = text("""
with walked as (select id from install_workflows where state <> 'finished' and id > :after order by id limit :size),
woken as (insert into wakeup (workflow_id)
    select id from walked a where not exists (select 1 from wakeup k where k.workflow_id = a.id and k.due <= clock_timestamp()))
select id from walked order by id
""")


class Sweep:
    """Walks slowly through everything that is active. Any number of processes may walk at once: a wake-up too many is harmless."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._after = ""

    async def run(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(1)  # the pace of the net
            turn += 1
            try:
                await self.second_look()
                if turn % WALK_EVERY == 0:
                    await self.walk()
            except Exception as error:
                log.warning("a sweep failed and is tried again: %s: %s", type(error).__name__, error)

    async def second_look(self) -> int:
        """Wake who waits for what was finished a second ago."""
        async with self._runtime.sweep() as ctx:
            woken = len((await ctx.db.execute(_SECOND_LOOK)).all())
            if woken:
                ctx.poke(TOPIC)
        return woken

    async def walk(self, size: int = WALK_SIZE) -> int:
        """Wake the next active workflows, and start over at the end."""
        async with self._runtime.sweep() as ctx:
            seen = (await ctx.db.execute(_WALK, {"after": self._after, "size": size})).scalars().all()
            ctx.poke(TOPIC)
        self._after = seen[-1] if len(seen) == size else ""
        return len(seen)
