"""Keep a claimed job, on this machine's monotonic clock, and notice at once when it is lost (architecture section 4, rule 5)."""

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from exclave.client.http import Refused
from exclave.client.runner import ExecutionApi
from exclave.kit.errors import Problem

Verdict = Literal["lost", "cancelled", "timed-out"]

# Jobs whose status is one of these are over for the server: the runner stops what it does.
_OVER = frozenset({"cancelled", "timed-out", "failed", "not-attempted", "finished"})


def clock() -> float:
    """Return seconds that never go back and go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class LeaseLost(Exception):
    """The lease of this execution ended, or the server gave the job away: nothing may be written any more."""


class Lease:
    """The right to work on a job until `ends`. `keep` renews it and says why it stopped."""

    def __init__(self, api: ExecutionApi, *, seconds: float, now: Callable[[], float] = clock) -> None:
        self._api = api
        self._now = now
        self.seconds = seconds
        self.ends = now() + seconds
        self.lost = False

    @property
    def held(self) -> bool:
        return not self.lost and self._now() < self.ends

    def check(self) -> None:
        """Raise LeaseLost unless the lease is held."""
        if not self.held:
            self.lost = True
            raise LeaseLost

    async def keep(self, *, through_cancel: bool = False) -> Verdict:
        """Renew every third of the lease; return how the server ended the job, or `lost` when it is not ours any more.

        The next try comes a third of the lease after the last success, then one each tenth, until it ends, a moment before the
        server thinks so. With `through_cancel` the end of the job is known already, and only the loss of the lease ends this.
        """
        due = self._now() + self.seconds / 3
        while True:
            if (pause := min(due, self._last_moment()) - self._now()) > 0:
                await asyncio.sleep(pause)
            if self._now() >= self._last_moment():
                return self._lose()
            asked = self._now()
            try:
                # The wait for one answer is bounded by what is left, so that the end is noticed in time.
                answer = await asyncio.wait_for(self._api.renew(timeout=max(self.seconds / 3, 1.0)), max(self._last_moment() - asked, 0.01))
            except Refused as refused:
                if refused.status in (404, 409, 410):
                    return self._lose()
                due = self._now() + self.seconds / 10
            except (Problem, TimeoutError):
                due = self._now() + self.seconds / 10
            else:
                if self._now() >= self._last_moment():  # we were stopped for longer than the lease: the server may have moved on
                    return self._lose()
                self.seconds = answer.seconds or self.seconds
                self.ends = asked + self.seconds  # counted from the question: the server's lease ends no earlier
                due = asked + self.seconds / 3
                if answer.job_status in _OVER and not through_cancel:
                    return "timed-out" if answer.job_status == "timed-out" else "cancelled"

    def _last_moment(self) -> float:
        return self.ends - min(self.seconds * 0.05, 1.0)

    def _lose(self) -> Verdict:
        self.lost = True
        return "lost"
