"""What a runner's token opens: its own runner's rows, and nothing else (architecture rule 7). The one place that says so."""

from sqlalchemy import ColumnElement, false, true
from sqlalchemy.orm import InstrumentedAttribute

from exclave.kit import errors
from exclave.kit.context import Actor


def own(actor: Actor, runner_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """The condition that a row of a runner may be seen: people see all of their org, a runner its own, a token of one purpose none."""
    if actor.scope:
        return false()
    return runner_id == actor.runner_id if actor.runner_id else true()


def sees(actor: Actor, runner_id: str) -> bool:
    """The same of a row that was read: may it be seen?"""
    return not actor.scope and (not actor.runner_id or actor.runner_id == runner_id)


def require(actor: Actor, runner_id: str) -> None:
    """Refuse a runner that names another runner in a path: it does not exist for it."""
    if actor.scope or (actor.runner_id and actor.runner_id != runner_id):
        raise errors.NotFound(f"no runner {runner_id}")


def runner_only(actor: Actor) -> None:
    """Refuse people where only a runner acts: claiming gives a plan with its secrets, and what runners report is theirs to report."""
    if not actor.runner_id:
        raise errors.Forbidden("only the token of a runner may do this")


def execution_in_scope(actor: Actor) -> tuple[str, str]:
    """Return (job id, execution id) of a token of the scope `job:<job>:<execution>`; two empty texts for a full token."""
    if not actor.scope:
        return "", ""
    kind, _, rest = actor.scope.partition(":")
    job_id, _, execution_id = rest.partition(":")
    if kind != "job" or not execution_id:
        raise errors.Forbidden("this token serves another purpose")
    return job_id, execution_id
