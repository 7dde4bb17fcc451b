"""Jobs without a tool: those that only have to succeed, the health check, and the end of this process."""

import os
import signal

from exclave.runner.job import Job, Outcome


async def succeed(job: Job) -> Outcome:
    """Succeed: there is nothing to do for this kind of component."""
    job.log.write(f"{job.job.type}: nothing to do")
    return Outcome(outputs={})


async def check_health(job: Job) -> Outcome:
    """Answer, which is the proof."""
    return Outcome(outputs={"job_loops": dict.fromkeys(job.settings.groups, 0)})


async def shut_down(job: Job) -> Outcome:
    """Report, then drain this process and end it with 0; whoever supervises it starts it again."""
    job.log.write("this runner stops claiming jobs, finishes those that it has, and ends")
    return Outcome(outputs={}, then=lambda: os.kill(os.getpid(), signal.SIGTERM))
