"""How the steps of components end, and in which order they go. The runner is played in this process."""

import contextlib
import json

import pytest
from sqlalchemy import select, update

from exclave.domain.artifacts.models import OCIArtifact
from exclave.domain.builds import service as builds
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.deploys import plans, service
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.installs.models import InstallComponent
from exclave.domain.logs.models import LogStream
from exclave.domain.states import service as states
from exclave.engine import service as engine
from exclave.engine.models import WorkflowStepApproval
from exclave.kit import errors
from tests import factories
from tests.domain.installs import made
from tests.domain.workflows import stage as stages
from tests.domain.workflows.stage import EMPTY, applied, failed, planned

PLAN_DB, APPLY_DB = ("terraform-deploy", "create-apply-plan", "db"), ("terraform-deploy", "apply-plan", "db")


@pytest.fixture
async def world(runtime, org):
    """Make an install whose sandbox is provisioned, of an app with the components that `make` adds."""

    async def build(make, *, option=""):
        async with runtime.request(org.actor) as ctx:
            await made.runner_role(ctx)
            app = await made.app(ctx, components=())
            await make(ctx, app)
        stage = await stages.provisioning(runtime, org.actor, app, option=option)
        await stage.beat()
        return stage

    return build


async def db_and_web(ctx, app):
    db = await stages.component(ctx, app, "db", variables={"password": "{{ .nuon.inputs.inputs.password }}", "size": "1"})
    secret = "{{ .nuon.components.db.outputs.token }}"
    await stages.component(ctx, app, "web", needs=[db], variables={"token": secret, "url": "{{ .nuon.components.db.outputs.url }}"})


async def through_the_sandbox(stage):
    await stage.work()
    await stage.approve("provision sandbox plan")
    return await stage.work()


async def test_components_that_need_nothing_of_each_other_wait_for_their_approvals_side_by_side(world):
    async def make(ctx, app):
        left, right = await stages.component(ctx, app, "left"), await stages.component(ctx, app, "right")
        await stages.component(ctx, app, "top", needs=[left, right])

    stage = await world(make)
    done = await through_the_sandbox(stage)
    assert sorted(done[1:]) == ["create-apply-plan left", "create-apply-plan right"]
    await stage.approve("sync and plan right")
    assert await stage.work() == ["apply-plan right"]
    assert (await stage.statuses())["sync and plan top"] == "pending"
    await stage.approve("sync and plan left")
    assert await stage.work() == ["apply-plan left", "create-apply-plan top"]


async def test_secret_outputs_of_one_component_are_secret_variables_of_the_next(world, runtime):
    stage = await world(db_and_web, option="approve-all")
    stage.answers[APPLY_DB] = applied({"url": "postgres://db", "token": "canary-output"}, sensitive=["token"])
    await stage.work()
    assert await stage.status() == "success"
    plans = {
        (claim.job.metadata["component_name"], claim.job.operation): json.loads(bytes(claim.plan))
        for claim in stage.claimed
        if claim.job.type == "terraform-deploy"
    }
    db, web = plans["db", "create-apply-plan"], plans["web", "create-apply-plan"]
    assert db["terraform"]["sensitive_vars"] == ["password"]
    assert web["terraform"]["vars"] == {"token": "canary-output", "url": "postgres://db"}
    assert web["terraform"]["sensitive_vars"] == ["token"]
    assert web["source"]["artifact"]["digest"].startswith("sha256:")
    assert db["terraform"]["terraform_backend"]["workspaceID"] != web["terraform"]["terraform_backend"]["workspaceID"]
    assert plans["web", "apply-plan"]["apply_plan_digest"] == (await stage.row(InstallDeploy, component_id=web["component_id"])).plan_digest


async def test_a_failed_component_stops_what_needs_it_and_leaves_its_neighbours_alone(world):
    async def make(ctx, app):
        db = await stages.component(ctx, app, "db")
        await stages.component(ctx, app, "web", needs=[db])
        await stages.component(ctx, app, "alone")

    stage = await world(make, option="approve-all")
    stage.answers[APPLY_DB] = failed("disk is full", tail="last words")
    await stage.work()
    statuses = await stage.statuses()
    assert (statuses["apply db"], statuses["sync and plan web"]) == ("error", "not-attempted")
    assert await stage.status() == "error"
    step = await stage.step("apply db")
    assert (step.status["metadata"]["reason"], step.status["metadata"]["tail"]) == ("disk is full", "last words")
    rows = {row.component_id: row.status for row in [await stage.row(InstallComponent, component_id=step.args["component_id"])]}
    assert set(rows.values()) == {"error"}


async def test_a_missing_output_names_component_and_key(world):
    stage = await world(db_and_web, option="approve-all")
    await stage.work()
    step = await stage.step("sync and plan web")
    assert step.status["status"] == "error"
    said = step.status["status_human_description"]
    assert "component 'web' variables.url" in said
    assert "nuon.components.db.outputs.url" in said
    deploy = await stage.row(InstallDeploy, component_id=step.args["component_id"])
    assert deploy.status == "error"


async def test_a_plan_waits_for_a_build_that_is_under_way(world, runtime):
    async def make(ctx, app):
        await stages.component(ctx, app, "db", built=False)

    stage = await world(make, option="approve-all")
    await stage.work()
    step = await stage.step("sync and plan db")
    assert (step.status["status"], step.step_target_id) == ("in-progress", "")
    async with runtime.request(stage.actor) as ctx:
        build = (await ctx.db.execute(select(ComponentBuild).where(ComponentBuild.id == step.waits_for))).scalar_one()
        connection = build.component_config_connection_id
        await stages.artifact(ctx, build)
        await builds.finish(ctx, build, "active", "ready")
    assert await stage.work() == ["create-apply-plan db", "apply-plan db"]
    assert await stage.status() == "success"
    assert connection


async def test_a_build_that_failed_fails_the_step_with_its_reason(world, runtime):
    async def make(ctx, app):
        db = await stages.component(ctx, app, "db", built=False)
        values = {"status": "error", "status_description": "build failed: no main.tf"}
        await ctx.db.execute(update(ComponentBuild).where(ComponentBuild.component_id == db.id).values(**values))

    stage = await world(make, option="approve-all")
    await stage.work()
    step = await stage.step("sync and plan db")
    assert step.status["status"] == "error"
    assert "build failed: no main.tf" in step.status["status_human_description"]


async def test_a_component_without_any_build_says_so(world):
    async def make(ctx, app):
        db = await stages.component(ctx, app, "db", built=False)
        await ctx.db.execute(update(ComponentBuild).where(ComponentBuild.component_id == db.id).values(deleted_at=1))

    stage = await world(make, option="approve-all")
    await stage.work()
    step = await stage.step("sync and plan db")
    assert "has no build of the app config" in step.status["status_human_description"]


async def test_an_image_says_that_it_is_planned(world):
    async def make(ctx, app):
        await stages.component(ctx, app, "img", type="external_image")

    stage = await world(make, option="approve-all")
    await stage.work()
    step = await stage.step("sync img")
    assert (step.status["status"], "planned" in step.status["status_human_description"]) == ("error", True)


async def test_a_component_that_stays_as_it_is_is_skipped_with_its_apply(world):
    stage = await world(lambda ctx, app: stages.component(ctx, app, "db"), option="approve-all")
    await stage.work()
    stage.answers[PLAN_DB] = planned(EMPTY)
    await stage.start("deploy_components")
    assert await stage.work() == ["create-apply-plan db"]
    deploy = await stage.row(InstallDeploy)
    assert (deploy.status, deploy.status_description) == ("auto-skipped", "No changes found in plan, skipping deployment.")
    assert (await stage.row(InstallComponent)).status == "active"


async def test_skipping_the_denied_and_what_depends_on_it_goes_on_with_the_rest(world):
    async def make(ctx, app):
        db = await stages.component(ctx, app, "db")
        await stages.component(ctx, app, "web", needs=[db])
        await stages.component(ctx, app, "alone")

    stage = await world(make)
    await through_the_sandbox(stage)
    await stage.approve("sync and plan db", "deny-skip-current-and-dependents")
    statuses = await stage.statuses()
    assert (statuses["apply db"], statuses["sync and plan web"], statuses["apply web"]) == ("user-skipped",) * 3
    await stage.approve("sync and plan alone")
    assert await stage.work() == ["apply-plan alone"]
    assert await stage.status() == "success"
    denied = await stage.row(InstallDeploy, component_id=(await stage.step("sync and plan db")).args["component_id"])
    assert denied.status == "approval-denied"


async def test_a_deploy_that_was_approved_when_another_failed_is_discarded_and_planned_again(world, runtime):
    async def make(ctx, app):
        await stages.component(ctx, app, "left")
        await stages.component(ctx, app, "right")

    stage = await world(make)
    plan_right = ("terraform-deploy", "create-apply-plan", "right")
    stage.answers[plan_right] = failed("no such region")
    await stage.work()
    await stage.approve("provision sandbox plan")
    for done in ("apply-plan sandbox-terraform", "create-apply-plan left"):
        assert await stage._deliver(await stage._claim()) == done
        await stage.drain()
    step = await stage.step("sync and plan left")
    async with runtime.request(stage.actor) as ctx:
        asked = select(WorkflowStepApproval).where(WorkflowStepApproval.install_workflow_step_id == step.id)
        await engine.respond(ctx, step, (await ctx.db.execute(asked)).scalars().one(), "approve")
    await stage._deliver(await stage._claim())  # the other one fails before any worker has looked at the approval
    await stage.drain()
    assert (await stage.statuses())["apply left"] == "not-attempted"
    assert (await stage.row(InstallDeploy, id=step.step_target_id)).status == "discarded"
    async with runtime.request(stage.actor) as ctx:
        assert not (await ctx.db.execute(select(LogStream.open).where(LogStream.owner_id == step.step_target_id))).scalar()

    stage.answers[plan_right] = planned()
    async with runtime.request(stage.actor) as ctx:
        await engine.retry(ctx, await stage.step("sync and plan right"))
    assert sorted(await stage.work()) == ["create-apply-plan left", "create-apply-plan right"]
    await stage.approve("sync and plan left (retry 1)")
    await stage.approve("sync and plan right (retry 1)")
    assert sorted(await stage.work()) == ["apply-plan left", "apply-plan right"]
    assert await stage.status() == "success"


async def test_denying_the_sandbox_and_its_dependents_skips_every_component(world):
    stage = await world(db_and_web)
    await stage.work()
    await stage.approve("provision sandbox plan", "deny-skip-current-and-dependents")
    assert await stage.work() == []
    statuses = await stage.statuses()
    assert {statuses[name] for name in ("sync and plan db", "apply db", "sync and plan web", "apply web")} == {"user-skipped"}


async def test_a_teardown_destroys_the_build_that_runs_and_empties_the_branch(world, runtime):
    stage = await world(lambda ctx, app: stages.component(ctx, app, "db"), option="approve-all")
    stage.answers[APPLY_DB] = applied({"url": "x"})
    await stage.work()
    running = await stage.row(InstallDeploy)
    await stage.start("teardown_component", metadata={"component_id": running.component_id})
    assert await stage.work() == ["create-teardown-plan db", "apply-plan db"]
    deploy = await stage.row(InstallDeploy)
    assert (deploy.install_deploy_type, deploy.status, deploy.build_id) == ("teardown", "inactive", running.build_id)
    assert deploy.status_v2["status"] == "success"
    assert (await stage.row(InstallComponent)).status == "inactive"
    async with runtime.request(stage.actor) as ctx:
        assert (await states.document(ctx, stage.install.id))["components"] == {}


async def test_a_component_that_was_never_deployed_is_not_torn_down(world):
    stage = await world(lambda ctx, app: stages.component(ctx, app, "db"))
    await stage.work()
    await stage.approve("provision sandbox plan", "deny")
    row = await stage.row(InstallComponent)
    await stage.start("teardown_component", metadata={"component_id": row.component_id})
    assert await stage.work() == []
    statuses = await stage.statuses()
    assert (statuses["teardown sync and plan db"], statuses["teardown apply plan db"]) == ("auto-skipped", "auto-skipped")


async def test_a_stale_plan_of_a_component_is_planned_and_asked_again_as_another_deploy(world):
    stage = await world(lambda ctx, app: stages.component(ctx, app, "db"))
    await through_the_sandbox(stage)
    first = await stage.row(InstallDeploy)
    stage.answers[APPLY_DB] = failed("the state has moved on", reason="stale-plan")
    await stage.approve("sync and plan db")
    assert await stage.work() == ["apply-plan db", "create-apply-plan db"]
    second = await stage.row(InstallDeploy)
    assert (second.id != first.id, second.status) == (True, "pending-approval")
    stage.answers.clear()
    await stage.approve("sync and plan db (retry 1)")
    await stage.work()
    assert await stage.status() == "success"


async def test_a_retried_apply_follows_a_plan_of_its_own(world, runtime):
    stage = await world(lambda ctx, app: stages.component(ctx, app, "db"))
    await through_the_sandbox(stage)
    stage.answers[APPLY_DB] = failed("disk is full")
    await stage.approve("sync and plan db")
    await stage.work()
    stage.answers.clear()
    async with runtime.request(stage.actor) as ctx:
        await engine.retry(ctx, await stage.step("apply db"))
    assert await stage.work() == ["create-apply-plan db"]
    await stage.approve("sync and plan db (retry 1)")
    assert await stage.work() == ["apply-plan db"]
    assert await stage.status() == "success"
    assert (await stage.row(InstallComponent)).status == "active"


async def test_another_org_finds_neither_the_place_nor_what_was_made_there(world, runtime):
    stage, other = await world(lambda ctx, app: stages.component(ctx, app, "db")), await factories.org(runtime)
    await through_the_sandbox(stage)
    step, deploy = await stage.step("sync and plan db"), await stage.row(InstallDeploy)
    for actor, finds in ((stage.actor, True), (other.actor, False)):
        async with runtime.request(actor) as ctx:
            assert (await service.by_key(ctx, deploy.step_key) is not None) == finds
            assert (await service.planned_by(ctx, [step.id], key="none") is not None) == finds
            with contextlib.nullcontext() if finds else pytest.raises(errors.NotFound, match="no install"):
                await plans.place_of(ctx, stage.install.id, deploy.component_id, key="none")
            with contextlib.nullcontext() if finds else pytest.raises(errors.NotFound, match="app config"):
                await builds.newest_for(ctx, deploy.component_id, stage.install.app_config_id)
            with contextlib.nullcontext() if finds else pytest.raises(errors.NotFound, match="build"):
                await builds.built(ctx, deploy.build_id)


async def test_a_component_that_is_gone_is_named(world, runtime):
    stage = await world(lambda ctx, app: stages.component(ctx, app, "db"))
    async with runtime.request(stage.actor) as ctx:
        with pytest.raises(errors.NotFound, match="component 'cmp1' not found"):
            await plans.place_of(ctx, stage.install.id, "cmp1", key="none")


async def test_a_deploy_has_a_log_that_ends_with_it_and_the_artifact_of_its_build(world, runtime):
    stage = await world(lambda ctx, app: stages.component(ctx, app, "db"))
    await through_the_sandbox(stage)
    deploy = await stage.row(InstallDeploy)

    async def of(kind, owner_id):
        async with runtime.request(stage.actor) as ctx:
            return (await ctx.db.execute(select(kind).where(kind.owner_id == owner_id))).scalars().one()

    assert (await of(LogStream, deploy.id)).open
    built, copied = await of(OCIArtifact, deploy.build_id), await of(OCIArtifact, deploy.id)
    assert (copied.owner_type, copied.tag, copied.digest, copied.size) == ("install_deploys", deploy.id, built.digest, built.size)
    await stage.approve("sync and plan db")
    await stage.work()
    assert not (await of(LogStream, deploy.id)).open
