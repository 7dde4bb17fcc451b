"""Secrets of the customer go into the cluster only where the app wants that."""

import json

import pytest

from exclave.domain.apps.models import AppSecretConfig, AppSecretsConfig
from exclave.domain.secrets import rules
from exclave.domain.states import service as states
from exclave.kit import errors
from tests.domain.installs import made
from tests.domain.workflows import stage as stages
from tests.domain.workflows.stage import applied, failed


def secret(name):
    return AppSecretConfig(name=name, format="base64", kubernetes_secret_namespace="apps", kubernetes_secret_name=f"{name}-k8s")


def test_a_secret_is_copied_from_where_the_stack_put_it():
    (one,) = rules.to_sync([secret("db")], {"db_arn": "arn:db"})
    assert (one.secret_arn, one.secret_name, one.namespace, one.name, one.key_name, one.format) == (
        "arn:db",
        "db",
        "apps",
        "db-k8s",
        "value",
        "base64",
    )


def test_every_secret_that_the_stack_does_not_know_is_named():
    with pytest.raises(errors.Invalid, match="a_arn, b_arn"):
        rules.to_sync([secret("a"), secret("b"), secret("c")], {"c_arn": "arn:c"})


@pytest.fixture
async def stage(runtime, org):
    """A provisioned install of an app with one secret for the cluster."""
    async with runtime.request(org.actor) as ctx:
        await made.runner_role(ctx)
        app = await made.app(ctx, components=())
        owned = {"org_id": org.id, "created_by_id": org.actor.account_id}
        config = AppSecretsConfig(**owned, app_id=app.id, app_config_id=app.config_id)
        ctx.db.add(config)
        await ctx.db.flush()
        wanted = {"kubernetes_sync": True, "kubernetes_secret_namespace": "apps", "kubernetes_secret_name": "db-k8s"}
        ctx.db.add(AppSecretConfig(**owned, app_secrets_config_id=config.id, app_config_id=app.config_id, name="db", **wanted))
        ctx.db.add(AppSecretConfig(**owned, app_secrets_config_id=config.id, app_config_id=app.config_id, name="unsynced"))
    stage = await stages.provisioning(runtime, org.actor, app, option="approve-all")
    stage.answers["sandbox-terraform", "apply-plan", ""] = applied({"cluster": {"name": "c-1", "endpoint": "https://c"}})
    await stage.beat()
    return stage


async def test_secrets_are_copied_by_one_job_and_told_to_the_state(runtime, org, stage):
    async with runtime.request(org.actor) as ctx:
        await states.put(ctx, stage.install.id, "install_stack", {"outputs": {"db_arn": "arn:db"}}, org_id=org.id)
    stage.answers["sandbox-sync-secrets", "exec", ""] = applied({"db": {"name": "db", "arn": "arn:db", "exists": True}})
    assert (await stage.work())[-1] == "exec sandbox-sync-secrets"
    assert await stage.status() == "success"
    plan = json.loads(bytes(stage.claimed[-1].plan))
    assert [(each["secret_name"], each["secret_arn"], each["name"]) for each in plan["kubernetes_secrets"]] == [("db", "arn:db", "db-k8s")]
    assert plan["cluster_info"]["id"] == "c-1"
    async with runtime.request(org.actor) as ctx:
        assert (await states.document(ctx, stage.install.id))["secrets"]["db"]["arn"] == "arn:db"


async def test_a_secret_that_is_nowhere_fails_the_step_by_its_name(stage):
    await stage.work()
    step = await stage.step("sync secrets")
    assert (step.status["status"], "db_arn" in step.status["status_human_description"]) == ("error", True)


async def test_a_copy_that_fails_fails_the_step_with_the_runners_words(runtime, org, stage):
    async with runtime.request(org.actor) as ctx:
        await states.put(ctx, stage.install.id, "install_stack", {"outputs": {"db_arn": "arn:db"}}, org_id=org.id)
    stage.answers["sandbox-sync-secrets", "exec", ""] = failed("no such namespace: apps")
    await stage.work()
    step = await stage.step("sync secrets")
    assert step.status["status_human_description"] == "no such namespace: apps"
