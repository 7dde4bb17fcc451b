"""What several workflows share: their steps by name, and the blocks of groups that deploy and tear down components.

Groups are counted from 1, so a group that happens to be empty still takes its number (spec domain.md 3.2). Inside the blocks of
components a group waits for what its component needs and for what came before the block, not for its neighbours.
"""

from collections.abc import Iterable, Sequence

from exclave.domain.installs.steps import generate_state
from exclave.domain.workflows.view import Component, View
from exclave.engine.definition import Group, StepSpec

READY = "ready"  # the key of the group after which components may start
SANDBOX = "sandbox"


def state() -> Group:
    return Group((generate_state(),))


def await_runner(name: str = "await runner healthy", *more: StepSpec, key: str = "", after: tuple[str, ...] | None = None) -> Group:
    return Group((StepSpec("runner.await_healthy", name, retryable=False), *more), key=key, after=after)


def lifecycle(view: View, trigger: str, *, key: str = "") -> Group:
    """The actions of one trigger, one after the other; an empty group when there are none."""
    return Group(view.actions(trigger), key=key)


def stack() -> Group:
    return Group(
        (
            StepSpec("stack.generate", "generate install stack", retryable=False),
            StepSpec("stack.await", "await install stack", execution_type="user", retryable=False, skippable=False),
            StepSpec("stack.outputs", "update install stack outputs", retryable=False),
        )
    )


def sandbox(view: View, run_type: str, *, apply_name: str, applies: bool = True) -> Group:
    """Plan the sandbox, and apply it. Without `applies` a workflow that only plans has no apply step at all."""
    plan = StepSpec("sandbox.plan", f"{run_type} sandbox plan", execution_type="approval", args={"run_type": run_type}, skippable=False)
    apply = StepSpec("sandbox.apply", apply_name, execution_type=_applying(view), args={"run_type": run_type}, applies=True)
    return Group((plan, apply) if applies or not view.plan_only else (plan,), key=SANDBOX)


def secrets(view: View) -> list[Group]:
    """Sync secrets, with the actions around it."""
    return [
        lifecycle(view, "pre-secrets-sync"),
        Group((StepSpec("secrets.sync", "sync secrets", skippable=False),)),
        lifecycle(view, "post-secrets-sync"),
    ]


def dns(run_type: str) -> Group:
    """It needs the sandbox only, and runs beside the secrets."""
    return Group((StepSpec("sandbox.dns", f"{run_type} sandbox dns if enabled"),), after=(SANDBOX,))


def deploy_all(view: View) -> list[Group]:
    """Wait for the runner, beside what else follows the sandbox; then deploy every component, with the actions around all of it."""
    return [
        await_runner(after=(SANDBOX,)),
        lifecycle(view, "pre-deploy-all-components", key=READY),
        *deploys(view, view.components, after=(READY, SANDBOX)),
        lifecycle(view, "post-deploy-all-components"),
    ]


def deploys(view: View, chosen: Sequence[Component], *, after: Iterable[str] = ()) -> list[Group]:
    """One group for each component, in the order of deploys, each waiting for those of its dependencies that are deployed too."""
    ids = {each.id for each in chosen}
    return [
        Group(_deploy(view, each), key=_key(each), after=(*after, *(_deploying(need) for need in each.needs if need in ids)))
        for each in chosen
    ]


def _deploy(view: View, component: Component) -> tuple[StepSpec, ...]:
    pre, post = view.actions("pre-deploy-component", component), view.actions("post-deploy-component", component)
    if component.is_image:
        return () if view.plan_only else (*pre, sync_image(component), *post)
    return (*pre, *plan_and_apply(view, component), *post)


def plan_and_apply(view: View, component: Component, *, deploy_id: str = "") -> tuple[StepSpec, ...]:
    """Plan a component, and apply it unless the workflow only plans."""
    args = {"component_id": component.id, **({"deploy_id": deploy_id} if deploy_id else {})}
    plan = StepSpec("deploy.plan", f"sync and plan {component.name}", execution_type="approval", args=args, skippable=False)
    apply = StepSpec("deploy.apply", f"apply {component.name}", args={"component_id": component.id}, applies=True)
    return (plan,) if view.plan_only else (plan, apply)


def sync_image(component: Component, *, deploy_id: str = "") -> StepSpec:
    args = {"component_id": component.id, **({"deploy_id": deploy_id} if deploy_id else {})}
    return StepSpec("image.sync", f"sync {component.name}", args=args)


def teardown_all(view: View) -> list[Group]:
    """Tear down every component, each after all that need it."""
    backwards = tuple(reversed(view.components))
    needed_by = {each.id: [other for other in backwards if each.id in other.needs] for each in backwards}
    return [
        state(),
        lifecycle(view, "pre-teardown-all-components", key=READY),
        *(
            Group(_teardown(view, each), key=_key(each), after=(READY, *(_key(other) for other in needed_by[each.id])))
            for each in backwards
        ),
        lifecycle(view, "post-teardown-all-components"),
    ]


def _teardown(view: View, component: Component) -> tuple[StepSpec, ...]:
    if not component.known:
        return ()
    if component.is_image:
        return (skipped(f"skipped image teardown {component.name}", f"component {component.name} is an image: nothing runs to tear down"),)
    if not component.is_deployed:
        return (skipped(f"skipped teardown {component.name}", f"install component {component.name} is not deployed"),)
    pre, post = view.actions("pre-teardown-component", component), view.actions("post-teardown-component", component)
    pair = teardown_pair(view, component, plan_name=f"plan teardown {component.name}", apply_name=f"teardown {component.name}")
    return (*pre, *pair, *post)


def teardown_pair(view: View, component: Component, *, plan_name: str, apply_name: str) -> tuple[StepSpec, StepSpec]:
    args = {"component_id": component.id}
    return (
        StepSpec("teardown.plan", plan_name, execution_type="approval", args=args, skippable=False),
        StepSpec("teardown.apply", apply_name, execution_type=_applying(view), args=args, applies=True),
    )


def skipped(name: str, reason: str) -> StepSpec:
    """A step that tells why nothing is done."""
    return StepSpec("skipped", name, execution_type="skipped", retryable=False, skippable=False, metadata={"reason": reason})


def _applying(view: View) -> str:
    return "skipped" if view.plan_only else "system"


def _key(component: Component) -> str:
    return _deploying(component.id)


def _deploying(component_id: str) -> str:
    return f"component:{component_id}"
