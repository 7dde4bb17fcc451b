"""The steps of every workflow, written out by hand from spec domain.md 3.2 and 3.3: group, name, execution type, flags."""

import pytest

from exclave.domain.actions.rules import Trigger
from exclave.domain.actions.service import Lifecycles
from exclave.domain.workflows.definitions import (
    DEFINITIONS,
    deploy_components,
    deprovision,
    deprovision_sandbox,
    input_update,
    manual_deploy,
    provision,
    reprovision,
    reprovision_sandbox,
    sync_secrets,
    teardown_component,
    teardown_components,
)
from exclave.domain.workflows.view import Component, View
from exclave.engine import rows
from exclave.engine.models import Workflow

IMG = Component("cmp-img", "img", type="docker_build", status="active")
DB = Component("cmp-db", "db", references=("inputs|size||nuon.inputs.inputs.size",), status="active")
WEB = Component("cmp-web", "web", needs=("cmp-img", "cmp-db"), status="active")
JOBS = Component("cmp-jobs", "jobs", type="helm_chart", needs=("cmp-web",), references=("sandbox|net||nuon.sandbox.outputs.net",))


def view(*triggers: str, plan_only: bool = False, components=(IMG, DB, WEB, JOBS), sandbox_references=("inputs|region||x",), of: str = ""):
    """An install with an action named after each trigger; `of` names the component of those that belong to one."""
    actions = tuple(Trigger(f"act {kind}", "acw", "iaw", "acc", kind, component_id=of) for kind in triggers)
    return View(tuple(components), Lifecycles("inw-1", "test", actions), plan_only, sandbox_references)


def shown(groups):
    """Every step as `group name [type] [flags]`; what is usual (system, retryable, skippable) is left out."""
    lines = []
    for number, group in enumerate(groups, start=1):
        for step in group.steps:
            kind = "" if step.execution_type == "system" else f" [{step.execution_type}]"
            flags = ("" if step.retryable else " -retry") + ("" if step.skippable else " -skip")
            lines.append(f"{number} {step.name}{kind}{flags}")
    return lines


STATE = "1 generate install state [hidden] -skip"
PROVISION_START = [
    STATE,
    "2 provision runner service account",
    "3 generate install stack -retry",
    "3 await install stack [user] -retry -skip",
    "3 update install stack outputs -retry",
    "4 await runner health -retry",
]


def test_provision():
    assert shown(provision.groups(view())) == [
        *PROVISION_START,
        "6 provision sandbox plan [approval] -skip",
        "6 provision sandbox apply plan",
        "8 sync secrets -skip",
        "10 provision sandbox dns if enabled",
        "11 await runner healthy -retry",
        "13 sync img",
        "14 sync and plan db [approval] -skip",
        "14 apply db",
        "15 sync and plan web [approval] -skip",
        "15 apply web",
        "16 sync and plan jobs [approval] -skip",
        "16 apply jobs",
    ]
    assert len(provision.groups(view())) == 18


def test_provision_with_an_action_at_every_point():
    every = ("pre-provision", "pre-secrets-sync", "post-secrets-sync", "pre-deploy-all-components", "post-deploy-all-components")
    found = shown(provision.groups(view(*every, "post-provision", components=())))
    assert found == [
        *PROVISION_START,
        "5 act pre-provision Action Run (pre-provision)",
        "6 provision sandbox plan [approval] -skip",
        "6 provision sandbox apply plan",
        "7 act pre-secrets-sync Action Run (pre-secrets-sync)",
        "8 sync secrets -skip",
        "9 act post-secrets-sync Action Run (post-secrets-sync)",
        "10 provision sandbox dns if enabled",
        "11 await runner healthy -retry",
        "12 act pre-deploy-all-components Action Run (pre-deploy-all-components)",
        "13 act post-deploy-all-components Action Run (post-deploy-all-components)",
        "14 act post-provision Action Run (post-provision)",
    ]


def test_reprovision():
    assert shown(reprovision.groups(view("pre-reprovision", "post-reprovision", components=(DB,)))) == [
        STATE,
        "2 reprovision runner service account",
        "3 generate install stack -retry",
        "3 await install stack [user] -retry -skip",
        "3 update install stack outputs -retry",
        "4 await runner health -retry",
        "5 act pre-reprovision Action Run (pre-reprovision)",
        "6 reprovision sandbox plan [approval] -skip",
        "6 reprovision sandbox apply plan",
        "8 sync secrets -skip",
        "10 reprovision sandbox dns if enabled",
        "11 await runner healthy -retry",
        "13 sync and plan db [approval] -skip",
        "13 apply db",
        "15 act post-reprovision Action Run (post-reprovision)",
    ]


def test_reprovision_that_only_plans_ends_with_the_plan_of_the_sandbox():
    assert shown(reprovision.groups(view("pre-reprovision", plan_only=True))) == [
        STATE,
        "2 reprovision runner service account",
        "3 generate install stack -retry",
        "3 await install stack [user] -retry -skip",
        "3 update install stack outputs -retry",
        "4 await runner health -retry",
        "6 reprovision sandbox plan [approval] -skip",
    ]


def test_reprovision_sandbox():
    assert shown(reprovision_sandbox.groups(view("pre-reprovision-sandbox", "post-reprovision-sandbox", components=(DB,)))) == [
        STATE,
        "2 await runner health -retry",
        "3 act pre-reprovision-sandbox Action Run (pre-reprovision-sandbox)",
        "4 reprovision sandbox plan [approval] -skip",
        "4 reprovision sandbox apply",
        "6 sync secrets -skip",
        "8 reprovision sandbox dns if enabled",
        "9 await runner healthy -retry",
        "11 sync and plan db [approval] -skip",
        "11 apply db",
        "13 act post-reprovision-sandbox Action Run (post-reprovision-sandbox)",
    ]
    assert shown(reprovision_sandbox.groups(view("pre-reprovision-sandbox", plan_only=True))) == [
        STATE,
        "2 await runner health -retry",
        "4 reprovision sandbox plan [approval] -skip",
    ]


DEPROVISION = [
    STATE,
    "2 await runner healthy -retry",
    "4 generate install state [hidden] -skip",
    "6 skipped teardown jobs [skipped] -retry -skip",
    "7 plan teardown web [approval] -skip",
    "7 teardown web",
    "8 plan teardown db [approval] -skip",
    "8 teardown db",
    "9 skipped image teardown img [skipped] -retry -skip",
    "11 deprovision sandbox plan [approval] -skip",
    "11 deprovision sandbox apply",
]


def test_deprovision():
    assert shown(deprovision.groups(view())) == DEPROVISION
    forgotten = shown(deprovision.groups(view(), forgotten=True))
    assert forgotten == [*DEPROVISION, "13 forget install [hidden] -skip"]


def test_a_deprovision_that_only_plans_applies_nothing():
    found = shown(deprovision.groups(view(plan_only=True)))
    assert [line for line in found if "apply" in line or line.startswith(("7 teardown", "8 teardown"))] == [
        "7 teardown web [skipped]",
        "8 teardown db [skipped]",
        "11 deprovision sandbox apply [skipped]",
    ]


def test_deprovision_sandbox():
    assert shown(deprovision_sandbox.groups(view("post-deprovision-sandbox"))) == [
        STATE,
        "2 await runner healthy -retry",
        "4 deprovision sandbox plan [approval] -skip",
        "4 deprovision sandbox apply plan",
        "5 act post-deprovision-sandbox Action Run (post-deprovision-sandbox)",
    ]


def test_deploy_components():
    assert shown(deploy_components.groups(view("pre-deploy-all-components", "post-deploy-all-components", components=(IMG, DB)))) == [
        STATE,
        "2 await runner healthy -retry",
        "3 act pre-deploy-all-components Action Run (pre-deploy-all-components)",
        "4 sync img",
        "5 sync and plan db [approval] -skip",
        "5 apply db",
        "6 act post-deploy-all-components Action Run (post-deploy-all-components)",
    ]
    assert shown(deploy_components.groups(view(plan_only=True))) == [
        STATE,
        "2 await runner healthy -retry",
        "4 sync and plan db [approval] -skip",
        "5 sync and plan web [approval] -skip",
        "6 sync and plan jobs [approval] -skip",
    ]


def test_teardown_components():
    triggers = ("pre-teardown-all-components", "post-teardown-all-components")
    assert shown(teardown_components.groups(view(*triggers, components=(DB, WEB)))) == [
        STATE,
        "2 act pre-teardown-all-components Action Run (pre-teardown-all-components)",
        "3 plan teardown web [approval] -skip",
        "3 teardown web",
        "4 plan teardown db [approval] -skip",
        "4 teardown db",
        "5 act post-teardown-all-components Action Run (post-teardown-all-components)",
    ]


def test_teardown_component():
    triggers = ("pre-teardown-component", "post-teardown-component")
    assert shown(teardown_component.groups(view(*triggers, of=DB.id), DB)) == [
        "1 await runner healthy -retry",
        "1 act pre-teardown-component Action Run (pre-teardown-component)",
        "2 teardown sync and plan db [approval] -skip",
        "2 teardown apply plan db",
        "2 act post-teardown-component Action Run (post-teardown-component)",
    ]
    assert shown(teardown_component.groups(view(), IMG)) == [
        "1 await runner healthy -retry",
        "2 skipped image teardown img [skipped] -retry -skip",
    ]


def test_actions_of_a_component_run_in_its_own_group():
    seen = view("pre-deploy-component", "post-deploy-component", of=DB.id, components=(DB, WEB))
    assert shown(deploy_components.groups(seen))[2:] == [
        "4 act pre-deploy-component Action Run (pre-deploy-component)",
        "4 sync and plan db [approval] -skip",
        "4 apply db",
        "4 act post-deploy-component Action Run (post-deploy-component)",
        "5 sync and plan web [approval] -skip",
        "5 apply web",
    ]


def test_manual_deploy():
    seen = view("pre-deploy-component", "post-deploy-component", of=DB.id)
    assert shown(manual_deploy.groups(seen, DB, deploy_id="dpl-1", dependents=True)) == [
        STATE,
        "2 await runner healthy -retry",
        "2 act pre-deploy-component Action Run (pre-deploy-component)",
        "3 sync and plan db [approval] -skip",
        "3 apply db",
        "3 act post-deploy-component Action Run (post-deploy-component)",
        "4 sync and plan web [approval] -skip",
        "4 apply web",
        "5 sync and plan jobs [approval] -skip",
        "5 apply jobs",
    ]
    assert shown(manual_deploy.groups(view(plan_only=True), DB, deploy_id="dpl-1", dependents=False)) == [
        STATE,
        "2 await runner healthy -retry",
        "3 sync and plan db [approval] -skip",
    ]
    assert shown(manual_deploy.groups(view(plan_only=True), IMG, deploy_id="dpl-1", dependents=False))[2:] == ["3 sync img"]


def test_input_update_deploys_what_uses_the_input_and_all_that_needs_it_in_the_order_of_deploys():
    assert shown(input_update.groups(view("pre-update-inputs", "post-update-inputs"), frozenset({"size"}))) == [
        STATE,
        "2 act pre-update-inputs Action Run (pre-update-inputs)",
        "3 sync and plan db [approval] -skip",
        "3 apply db",
        "4 sync and plan web [approval] -skip",
        "4 apply web",
        "5 sync and plan jobs [approval] -skip",
        "5 apply jobs",
        "6 act post-update-inputs Action Run (post-update-inputs)",
    ]
    assert shown(input_update.groups(view(), frozenset({"unused"}))) == [STATE]


def test_input_update_reprovisions_the_sandbox_when_that_uses_the_input():
    found = shown(input_update.groups(view("post-update-inputs", components=(DB,)), frozenset({"region"})))
    assert found == [
        STATE,
        "3 generate install state [hidden] -skip",
        "4 await runner health -retry",
        "6 reprovision sandbox plan [approval] -skip",
        "6 reprovision sandbox apply",
        "8 sync secrets -skip",
        "10 reprovision sandbox dns if enabled",
        "11 await runner healthy -retry",
        "13 sync and plan db [approval] -skip",
        "13 apply db",
        "16 act post-update-inputs Action Run (post-update-inputs)",
    ]


def test_sync_secrets():
    assert shown(sync_secrets.groups(view("pre-secrets-sync", "post-secrets-sync"))) == [
        "1 act pre-secrets-sync Action Run (pre-secrets-sync)",
        "2 sync secrets -skip",
        "3 act post-secrets-sync Action Run (post-secrets-sync)",
    ]


def test_every_type_of_the_contract_but_those_of_branches_is_defined():
    from typing import get_args

    from exclave.wire.public.workflows import WorkflowType

    assert {kind for kind in get_args(WorkflowType) if not kind.startswith("app_branches")} == set(DEFINITIONS)


def waits(groups):
    """By name of a step: the names of the steps that it waits for."""
    made = rows.make(Workflow(org_id="o", created_by_id="a", owner_id="i", owner_type="installs"), groups)
    names = {step.id: step.name for step in made}
    return {step.name: sorted(names[each] for each in step.after) for step in made}


def test_components_wait_for_what_they_need_and_not_for_their_neighbours():
    found = waits(provision.groups(view()))
    before = ["await runner healthy", "provision sandbox apply plan", "provision sandbox dns if enabled", "sync secrets"]
    assert found["sync and plan db"] == found["sync img"] == before
    assert found["sync and plan web"] == ["apply db", *before[:3], "sync img", "sync secrets"]
    assert found["apply web"] == ["sync and plan web"]


@pytest.mark.parametrize("definition", [provision, reprovision, reprovision_sandbox])
def test_secrets_dns_and_the_runner_need_the_sandbox_and_nothing_of_one_another(definition):
    found = waits(definition.groups(view("pre-secrets-sync", "post-secrets-sync")))
    (applied,) = found["await runner healthy"]
    assert "sandbox apply" in applied
    assert [found[name] for name in found if "dns" in name] == [[applied]]
    assert found["act pre-secrets-sync Action Run (pre-secrets-sync)"] == [applied]
    assert found["act post-secrets-sync Action Run (post-secrets-sync)"] == ["sync secrets"]


def test_what_comes_after_the_components_waits_for_all_of_them():
    found = waits(provision.groups(view("post-provision", components=(DB, Component("cmp-x", "other")))))
    assert {"apply db", "apply other"} <= set(found["act post-provision Action Run (post-provision)"])


def test_a_component_is_torn_down_after_all_that_need_it():
    found = waits(teardown_components.groups(view(components=(DB, WEB, Component("cmp-y", "other", needs=("cmp-db",), status="active")))))
    assert found["plan teardown web"] == found["plan teardown other"] == ["generate install state"]
    assert found["plan teardown db"] == ["generate install state", "teardown other", "teardown web"]


@pytest.mark.parametrize("kind", ["provision", "reprovision", "reprovision_sandbox", "deprovision_sandbox"])
def test_no_action_runs_while_only_planning(kind):
    module = {
        "provision": provision,
        "reprovision": reprovision,
        "reprovision_sandbox": reprovision_sandbox,
        "deprovision_sandbox": deprovision_sandbox,
    }[kind]
    trigger = "pre-" + kind.replace("_", "-")
    assert any("Action Run" in line for line in shown(module.groups(view(trigger))))
    assert not any("Action Run" in line for line in shown(module.groups(view(trigger, plan_only=True))))
