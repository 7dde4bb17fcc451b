"""Workflows, approvals, retries and deploys over HTTP, on an install whose runner is played in this process."""

import json

import pytest

from exclave.domain.builds.models import ComponentBuild
from exclave.domain.installs.models import InstallComponent
from exclave.domain.sandboxes.models import InstallSandboxRun
from tests import statements
from tests.domain.installs import made
from tests.domain.workflows import stage as stages
from tests.domain.workflows.stage import CREATES, applied, failed, planned


@pytest.fixture
async def app(runtime, org):
    async with runtime.request(org.actor) as ctx:
        await made.runner_role(ctx)
        made_ = await made.app(ctx, components=())
        db = await stages.component(ctx, made_, "db")
        await stages.component(ctx, made_, "web", needs=[db])
        return made_


@pytest.fixture
async def stage(runtime, org, app):
    stage = await stages.provisioning(runtime, org.actor, app)
    await stage.beat()
    await stage.work()
    return stage


async def workflow_of(client, stage):
    answer = await client.get(f"/v1/workflows/{stage.workflow.id}")
    assert answer.status_code == 200
    return answer.json()


async def asking(client, stage):
    workflow = await workflow_of(client, stage)
    step = next(step for step in workflow["steps"] if step["status"]["status"] == "approval-awaiting")
    return step, f"/v1/workflows/{workflow['id']}/steps/{step['id']}/approvals/{step['approval']['id']}"


async def test_a_workflow_shows_its_steps_in_order_and_what_it_asks(client, stage):
    workflow = await workflow_of(client, stage)
    assert (workflow["name"], workflow["type"], workflow["plan_only"]) == ("Provisioning install", "provision", False)
    assert "finished" not in workflow
    assert workflow["created_by"]["email"].endswith("@example.com")
    names = [step["name"] for step in workflow["steps"]]
    assert names[:6] == [
        "generate install state",
        "provision runner service account",
        "generate install stack",
        "await install stack",
        "update install stack outputs",
        "await runner health",
    ]
    step = next(step for step in workflow["steps"] if step["name"] == "provision sandbox plan")
    assert (step["group_idx"], step["execution_type"], step["step_target_type"]) == (6, "approval", "install_sandbox_runs")
    assert step["workflow_id"] == workflow["id"]
    approval = step["approval"]
    assert (approval["type"], approval["owner_type"]) == ("terraform_plan", "install_sandbox_runs")
    assert "response" not in approval
    assert "canary" not in json.dumps(workflow)
    old = await client.get(f"/v1/install-workflows/{workflow['id']}")
    assert old.json() == workflow


async def test_workflows_are_listed_newest_first_by_their_filters(client, stage):
    path = f"/v1/installs/{stage.install.id}/workflows"
    await client.post(f"/v1/installs/{stage.install.id}/reprovision", json={"plan_only": True})
    assert [each["type"] for each in (await client.get(path)).json()] == ["reprovision", "provision"]
    assert [each["type"] for each in (await client.get(path, params={"planonly": "false"})).json()] == ["provision"]
    assert [each["type"] for each in (await client.get(path, params={"type": "reprovision"})).json()] == ["reprovision"]
    newest = (await client.get(path, params={"limit": 1})).json()[0]
    later = (await client.get(path, params={"created_at_gte": newest["created_at"]})).json()
    assert [each["id"] for each in later] == [newest["id"]]
    wrong = await client.get(path, params={"created_at_lte": "yesterday"})
    assert (wrong.status_code, "yesterday" in wrong.json()["description"]) == (400, True)


async def test_steps_are_read_alone_and_together_by_both_paths(client, stage):
    workflow = await workflow_of(client, stage)
    steps = (await client.get(f"/v1/workflows/{workflow['id']}/steps")).json()
    assert [step["id"] for step in steps] == [step["id"] for step in workflow["steps"]]
    one = await client.get(f"/v1/workflows/{workflow['id']}/steps/{steps[0]['id']}")
    assert one.json() == steps[0]
    old = await client.get(f"/v1/install-workflows/{workflow['id']}/steps/{steps[0]['id']}")
    assert old.json() == steps[0]
    missing = await client.get(f"/v1/workflows/{workflow['id']}/steps/iwsdoesnotexist00000000000")
    assert missing.status_code == 404
    assert (await client.get("/v1/workflows/inwdoesnotexist00000000000/steps")).status_code == 404


async def test_an_approval_is_answered_once_with_a_word_of_the_contract(client, stage):
    step, path = await asking(client, stage)
    shown = (await client.get(path)).json()
    assert (shown["workflow_step"]["id"], shown["installWorkflowStepID"]) == (step["id"], step["id"])
    assert (await client.get(path + "/contents")).json() == CREATES
    wrong = await client.post(path + "/response", json={"response_type": "aprove"})
    assert wrong.status_code == 400
    assert all(word in wrong.json()["description"] for word in ("aprove", "approve", "deny-skip-current"))
    answer = await client.post(path + "/response", json={"response_type": "approve", "note": "looks good"})
    assert answer.status_code == 201
    assert (answer.json()["type"], answer.json()["note"]) == ("approve", "looks good")
    again = await client.post(path + "/response", json={"response_type": "deny"})
    assert again.status_code == 400
    read = (await client.get(path)).json()
    assert read["response"]["type"] == "approve"


async def test_an_approval_is_found_without_its_step(client, stage):
    workflow = await workflow_of(client, stage)
    step, _ = await asking(client, stage)
    path = f"/v1/workflows/{workflow['id']}/steps//approvals/{step['approval']['id']}/response"
    assert (await client.post(path, json={"response_type": "approve"})).status_code == 201


async def test_a_denied_plan_ends_the_workflow_and_names_who_said_so(client, stage):
    _, path = await asking(client, stage)
    assert (await client.post(path + "/response", json={"response_type": "deny", "note": "too dear"})).status_code == 201
    await stage.drain()
    workflow = await workflow_of(client, stage)
    assert (workflow["status"]["status"], workflow["finished"], workflow["name"]) == ("error", True, "Provisioned install")
    statuses = {step["name"]: step["status"]["status"] for step in workflow["steps"]}
    assert statuses["provision sandbox plan"] == "approval-denied"
    assert statuses["apply web"] == "not-attempted"
    assert (await stage.row(InstallSandboxRun)).status == "approval-denied"


async def test_approve_all_approves_what_waits_and_everything_after(client, stage):
    wrong = await client.patch(f"/v1/workflows/{stage.workflow.id}", json={"approval_option": "sometimes"})
    assert (wrong.status_code, "prompt" in wrong.json()["description"]) == (400, True)
    answer = await client.patch(f"/v1/workflows/{stage.workflow.id}", json={"approval_option": "approve-all"})
    assert (answer.status_code, answer.json()["approval_option"]) == (200, "approve-all")
    await stage.work()
    assert await stage.status() == "success"
    assert await stage.row(InstallComponent, status="active") is not None


async def test_a_failed_step_says_why_and_is_retried_by_every_path(client, stage):
    stage.answers["sandbox-terraform", "apply-plan", ""] = failed("quota is used up", tail="Error: quota", reason="terraform-apply")
    await client.patch(f"/v1/workflows/{stage.workflow.id}", json={"approval_option": "approve-all"})
    await stage.work()
    step = await stage.step("provision sandbox apply plan")
    assert step.status["status"] == "error"
    assert "quota is used up" in step.status["status_human_description"]
    assert step.status["metadata"]["reason"] == "quota is used up"
    assert step.status["metadata"]["tail"] == "Error: quota"
    workflow_id = stage.workflow.id
    wrong = await client.post(f"/v1/workflows/{workflow_id}/steps/{step.id}/retry", json={"operation": "again"})
    assert (wrong.status_code, "retry-step" in wrong.json()["description"]) == (400, True)
    for path, body in (
        (f"/v1/workflows/{workflow_id}/step/{{}}/retry", {}),
        (f"/v1/workflows/{workflow_id}/retry", {"step_id": ""}),
        (f"/v1/installs/{stage.install.id}/retry-workflow", {"step_id": "", "workflow_id": workflow_id}),
    ):
        step = next(each for each in reversed(await stage.steps()) if each.kind == "sandbox.apply")
        body = {"operation": "retry-step", **body, **({"step_id": step.id} if "step_id" in body else {})}
        answer = await client.post(path.format(step.id), json=body)
        assert (answer.status_code, answer.json()) == (201, {"workflow_id": workflow_id})
        await stage.work()
        assert await stage.status() == "error"
    stage.answers.clear()
    step = next(each for each in reversed(await stage.steps()) if each.kind == "sandbox.apply")
    answer = await client.post(f"/v1/workflows/{workflow_id}/steps/{step.id}/retry", json={"operation": "retry-step"})
    assert answer.status_code == 201
    await stage.work()
    assert await stage.status() == "success"


async def test_cancelling_ends_what_is_under_way(client, stage):
    answer = await client.post(f"/v1/workflows/{stage.workflow.id}/cancel")
    assert (answer.status_code, answer.json()) == (202, True)
    await stage.drain()
    assert await stage.status() == "cancelled"
    assert (await stage.row(InstallSandboxRun)).status == "cancelled"
    assert (await client.post(f"/v1/install-workflows/{stage.workflow.id}/cancel")).status_code == 400


async def test_nothing_of_another_org_is_there(client, stranger, stage):
    step, path = await asking(client, stage)
    root = f"/v1/workflows/{stage.workflow.id}"
    for read in (
        root,
        f"{root}/steps",
        f"{root}/steps/{step['id']}",
        path,
        path + "/contents",
        f"/v1/installs/{stage.install.id}/workflows",
    ):
        assert (await stranger.get(read)).status_code == 404, read
    assert (await stranger.post(path + "/response", json={"response_type": "approve"})).status_code == 404
    assert (await stranger.post(f"{root}/cancel")).status_code == 404
    assert (await stranger.patch(root, json={"approval_option": "approve-all"})).status_code == 404
    assert (await stranger.post(f"{root}/steps/{step['id']}/retry", json={"operation": "skip-step"})).status_code == 404
    assert await stage.status() == "in-progress"


async def test_a_list_costs_the_same_number_of_statements_whatever_is_in_it(client, stage):
    path = f"/v1/installs/{stage.install.id}/workflows"
    with statements.sent() as one:
        await client.get(path)
    for _ in range(3):
        await client.post(f"/v1/installs/{stage.install.id}/reprovision", json={"plan_only": True})
    with statements.sent() as many:
        assert len((await client.get(path)).json()) == 4
    assert len(many) == len(one)


@pytest.fixture
async def provisioned(client, stage):
    stage.answers["terraform-deploy", "apply-plan", "db"] = applied({"url": "postgres://db", "key": "canary-output"}, sensitive=["key"])
    await client.patch(f"/v1/workflows/{stage.workflow.id}", json={"approval_option": "approve-all"})
    await stage.work()
    assert await stage.status() == "success"
    return stage


async def test_deploys_are_listed_and_read_with_their_build_and_jobs(client, provisioned):
    root = f"/v1/installs/{provisioned.install.id}"
    listed = (await client.get(f"{root}/deploys")).json()
    assert [each["component_name"] for each in listed] == ["web", "db"]
    assert listed[0]["component_build"]["component_config_connection"]["component_name"] == "web"
    assert listed[0]["action_workflow_runs"] == []
    db = listed[1]
    assert (db["status"], db["install_deploy_type"], db["workflow_id"]) == ("active", "apply", provisioned.workflow.id)
    one = (await client.get(f"{root}/deploys/{db['id']}")).json()
    assert [job["operation"] for job in one["runner_jobs"]] == ["apply-plan", "create-apply-plan"]
    assert one["outputs"] == {"url": "postgres://db", "key": "********"}
    assert one["oci_artifact"]["digest"].startswith("sha256:")
    assert one["log_stream"]["owner_id"] == db["id"]
    of_db = f"{root}/components/db/deploys"
    assert [each["id"] for each in (await client.get(of_db)).json()] == [db["id"]]
    assert (await client.get(f"{of_db}/latest")).json()["id"] == db["id"]
    assert (await client.get(f"{of_db}/{db['id']}")).json()["id"] == db["id"]
    assert (await client.get(f"{root}/deploys/latest")).json()["id"] == listed[0]["id"]
    assert (await client.get(f"{root}/components/deploys")).json() == listed
    outputs = await client.get(f"{root}/components/db/outputs")
    assert outputs.json() == {"url": "postgres://db", "key": "********"}


async def test_a_build_is_deployed_by_hand_with_what_depends_on_it(client, provisioned, runtime, org):
    root = f"/v1/installs/{provisioned.install.id}"
    db = (await client.get(f"{root}/components/db/deploys/latest")).json()
    body = {"build_id": db["build_id"], "deploy_dependents": True}
    answer = await client.post(f"{root}/components/db/deploys", json=body)
    assert answer.status_code == 201
    assert answer.json()["status"] == "queued"
    provisioned.workflow.id = answer.headers["x-nuon-install-workflow-id"]
    await client.patch(f"/v1/workflows/{provisioned.workflow.id}", json={"approval_option": "approve-all"})
    await provisioned.work()
    workflow = await workflow_of(client, provisioned)
    assert (workflow["status"]["status"], workflow["name"]) == ("success", "Deployed to install (db)")
    names = [step["name"] for step in workflow["steps"]]
    assert names[2:] == ["sync and plan db", "apply db", "sync and plan web", "apply web"]
    plan = next(step for step in workflow["steps"] if step["name"] == "sync and plan db")
    assert plan["step_target_id"] == answer.json()["id"]


async def test_a_deploy_of_a_foreign_or_unknown_build_is_refused(client, provisioned, runtime, org):
    root = f"/v1/installs/{provisioned.install.id}"
    assert (await client.post(f"{root}/deploys", json={})).status_code == 400
    assert (await client.post(f"{root}/deploys", json={"build_id": "blddoesnotexist00000000000"})).status_code == 404
    web = (await client.get(f"{root}/components/web/deploys/latest")).json()
    wrong = await client.post(f"{root}/components/db/deploys", json={"build_id": web["build_id"]})
    assert (wrong.status_code, "web" in wrong.json()["description"]) == (400, True)
    async with runtime.request(org.actor) as ctx:
        build = await ctx.db.get(ComponentBuild, web["build_id"])
        build.status, build.status_description = "error", "compiler is away"
    failed_build = await client.post(f"{root}/deploys", json={"build_id": web["build_id"]})
    assert (failed_build.status_code, "compiler is away" in failed_build.json()["description"]) == (400, True)


async def test_a_deploy_that_waits_its_turn_is_cancelled_with_its_workflow(client, provisioned):
    root = f"/v1/installs/{provisioned.install.id}"
    provisioned.answers["terraform-deploy", "create-apply-plan", "db"] = planned(CREATES)
    db = (await client.get(f"{root}/components/db/deploys/latest")).json()
    first = await client.post(f"{root}/deploys", json={"build_id": db["build_id"]})
    second = await client.post(f"{root}/deploys", json={"build_id": db["build_id"]})
    await provisioned.work()
    for answer, status in ((first, "pending-approval"), (second, "queued")):
        assert (await client.get(f"{root}/deploys/{answer.json()['id']}")).json()["status"] == status
    for answer in (second, first):
        assert (await client.post(f"/v1/workflows/{answer.headers['x-nuon-install-workflow-id']}/cancel")).status_code == 202
        await provisioned.drain()
        shown = (await client.get(f"{root}/deploys/{answer.json()['id']}")).json()
        assert (shown["status"], shown["status_v2"]["status"]) == ("cancelled", "cancelled")


async def test_no_answer_about_a_run_holds_a_secret(client, provisioned):
    root = f"/v1/installs/{provisioned.install.id}"
    run = await provisioned.row(InstallSandboxRun)
    workflow = await workflow_of(client, provisioned)
    paths = [f"{root}/deploys", f"{root}/workflows", f"{root}/sandbox-runs?expand=all", f"{root}/sandbox-runs/{run.id}?expand=all"]
    paths += [f"{root}/components/db/deploys/latest", f"{root}/components/db/outputs", f"{root}/state"]
    for step in workflow["steps"]:
        if "approval" in step:
            approval = f"/v1/workflows/{workflow['id']}/steps/{step['id']}/approvals/{step['approval']['id']}"
            paths += [approval, approval + "/contents"]
    assert len(paths) > 11
    for path in paths:
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert "canary" not in answer.text, path


async def test_changed_inputs_deploy_what_uses_them(client, runtime, org):
    async with runtime.request(org.actor) as ctx:
        await made.runner_role(ctx)
        app = await made.app(ctx, components=())
        using = ["inputs|size||nuon.inputs.inputs.size"]
        db = await stages.component(ctx, app, "db", variables={"size": "{{ .nuon.inputs.inputs.size }}"}, references=using)
        await stages.component(ctx, app, "web", needs=[db])
        await stages.component(ctx, app, "alone")
    stage = await stages.provisioning(runtime, org.actor, app, option="approve-all")
    await stage.beat()
    await stage.work()
    assert await stage.status() == "success"
    answer = await client.patch(f"/v1/installs/{stage.install.id}/inputs", json={"inputs": {"size": "7"}})
    assert answer.status_code == 200
    stage.workflow.id = answer.headers["x-nuon-install-workflow-id"]
    assert await stage.work() == ["create-apply-plan db", "apply-plan db", "create-apply-plan web", "apply-plan web"]
    assert await stage.status() == "success"
    plan = next(claim for claim in reversed(stage.claimed) if claim.job.metadata["component_name"] == "db")
    assert json.loads(bytes(plan.plan))["terraform"]["vars"] == {"size": "7"}


async def test_one_sandbox_run_is_read_by_both_paths(client, stranger, provisioned):
    run = await provisioned.row(InstallSandboxRun)
    one = await client.get(f"/v1/installs/{provisioned.install.id}/sandbox-runs/{run.id}")
    assert (one.status_code, one.json()["status"]) == (200, "active")
    assert [job["operation"] for job in one.json()["runner_jobs"]] == ["apply-plan", "create-apply-plan"]
    assert (await client.get(f"/v1/installs/sandbox-runs/{run.id}")).json() == one.json()
    assert (await stranger.get(f"/v1/installs/sandbox-runs/{run.id}")).status_code == 404
