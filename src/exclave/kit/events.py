"""Events by which a lower slice tells a higher one.

Subscribers are listed in `server/`, run in the caller's transaction, one hop at most.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exclave.kit.context import Ctx

Handler = Callable[["Ctx", Any], Awaitable[None]]


class Events:
    """Who listens to what."""

    def __init__(self) -> None:
        self._handlers: dict[type, list[Handler]] = defaultdict(list)

    def subscribe(self, kind: type, handler: Handler) -> None:
        self._handlers[kind].append(handler)

    async def tell(self, ctx: "Ctx", event: object) -> None:
        """Run every subscriber of the event in the caller's transaction. A subscriber may not raise an event of its own."""
        if ctx.hops:
            raise RuntimeError(f"{type(event).__name__} was raised by a subscriber: events go one hop at most")
        ctx.hops += 1
        try:
            for handler in self._handlers[type(event)]:
                await handler(ctx, event)
        finally:
            ctx.hops -= 1
