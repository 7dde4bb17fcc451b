"""Deploy every component."""

from exclave.domain.workflows import blocks
from exclave.domain.workflows.view import View
from exclave.engine.definition import Group


def groups(view: View) -> list[Group]:
    """Deploy every component in the order of its dependencies."""
    before = [] if view.plan_only else [blocks.lifecycle(view, "pre-deploy-all-components", key=blocks.READY)]
    after = [] if view.plan_only else [blocks.lifecycle(view, "post-deploy-all-components")]
    ready = blocks.await_runner(key=blocks.READY if view.plan_only else "")
    return [blocks.state(), ready, *before, *blocks.deploys(view, view.components, after=(blocks.READY,)), *after]
