"""Wait for the end of a process of this machine."""

import asyncio
import os


async def end_of(pid: int) -> bool:
    """Return once a process has ended, our child or not, without a thread, which would hold up our own end.

    False at once where the system does not tell.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except (AttributeError, OSError):
        return False
    try:
        loop.add_reader(watch, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(watch)
        os.close(watch)
    return True
