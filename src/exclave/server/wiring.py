"""The composition root: explicit lists of routes, workflows, steps and subscriptions. A new one is a line here."""

from collections.abc import Sequence

from exclave.api.route import Routes
from exclave.engine.definition import Registry
from exclave.kit.events import Events


def public_routes() -> Sequence[Routes]:
    return ()


def runner_routes() -> Sequence[Routes]:
    return ()


def subscribe(events: Events) -> None:
    """Who listens to what: one hop, in the caller's transaction."""


def registry() -> Registry:
    """Every workflow type and every kind of step."""
    return Registry()
