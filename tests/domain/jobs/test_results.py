"""Plans, results and outputs: kept sealed, read back as they were, shown without secrets."""

import hashlib

import msgspec
import pytest
from sqlalchemy import select

from exclave.domain.jobs import executions
from exclave.domain.jobs import service as jobs
from exclave.domain.jobs.models import RunnerJobExecutionResult, RunnerJobPlan
from exclave.kit import errors
from tests.domain.jobs.writes import RESULT
from tests.domain.runners.fleet import sandbox_plan


async def test_the_plan_lies_sealed_in_the_table(home):
    job = await home.job(plan=sandbox_plan("w", vars={"password": "hunter2hunter2"}), type="sandbox-terraform")
    async with home.runtime.sweep() as ctx:
        stored = (await ctx.db.execute(select(RunnerJobPlan.plan).where(RunnerJobPlan.runner_job_id == job.id))).scalar_one()
    assert b"hunter2" not in stored
    async with home.runtime.request(home.org.actor) as ctx:
        assert b"hunter2hunter2" in await jobs.plan_of(ctx, job.id)
        assert b"hunter2" in await jobs.shown_plan_of(ctx, job.id)  # nothing calls it sensitive


async def test_a_result_is_kept_sealed_and_read_back_as_it_was(home):
    job = await home.job()
    claim = await home.claim()
    async with home.runtime.request(home.actor) as ctx:
        await executions.give_result(ctx, job.id, claim.execution.id, RESULT)
    async with home.runtime.request(home.org.actor) as ctx:
        stored = (await ctx.db.execute(select(RunnerJobExecutionResult.contents))).scalars().all()
        result = await jobs.result_of(ctx, job.id)
    assert b"a plan file" not in stored[0]
    assert result.contents == b"PK\x03\x04 a plan file \xff\xfe"
    assert result.contents_digest == "sha256:" + hashlib.sha256(b"PK\x03\x04 a plan file \xff\xfe").hexdigest()
    assert result.display == b'{"format_version": "1.2"}'


async def test_the_reason_of_a_failure_is_kept(home):
    job = await home.job()
    claim = await home.claim()
    body = b'{"success":false,"error_code":3,"error_metadata":{"step":"execute","message":"boom"}}'
    async with home.runtime.request(home.actor) as ctx:
        await executions.give_result(ctx, job.id, claim.execution.id, body)
        await executions.move(ctx, job.id, claim.execution.id, "failed")
    async with home.runtime.request(home.org.actor) as ctx:
        result = await jobs.result_of(ctx, job.id)
    assert (result.success, result.error_code, result.error_metadata) == (False, 3, {"step": "execute", "message": "boom"})


async def test_a_repeated_result_is_answered_as_before_and_another_one_refused(home):
    job = await home.job()
    claim = await home.claim()
    ids = []
    for _ in range(3):
        async with home.runtime.request(home.actor) as ctx:
            ids.append((await executions.give_result(ctx, job.id, claim.execution.id, RESULT)).id)
    with pytest.raises(errors.Conflict) as refusal:
        async with home.runtime.request(home.actor) as ctx:
            await executions.give_result(ctx, job.id, claim.execution.id, b'{"success":false}')
    assert refusal.value.code == "conflict"
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, job.id, claim.execution.id, "finished")
    async with home.runtime.request(home.actor) as ctx:  # delivered again after the end: the answer was lost on its way
        ids.append((await executions.give_result(ctx, job.id, claim.execution.id, RESULT)).id)
    assert len(set(ids)) == 1


async def test_outputs_come_back_byte_for_byte(home):
    job = await home.job()
    claim = await home.claim()
    outputs = b'{"a": null, "b": "", "c": 0, "d": false, "e": [], "f": 1.50, "g": {"z": 1, "a": 2}, "h": "\\u00e9"}'
    async with home.runtime.request(home.actor) as ctx:
        _, shown = await executions.give_outputs(ctx, job.id, claim.execution.id, b'{"outputs":' + outputs + b"}")
    assert shown.encode() == outputs
    async with home.runtime.request(home.org.actor) as ctx:
        found = await jobs.outputs_of(ctx, job.id)
    assert bytes(found.shown) == outputs
    assert found.values == msgspec.json.decode(outputs)


async def test_sensitive_outputs_are_masked_and_sealed(home):
    job = await home.job()
    claim = await home.claim()
    body = b'{"outputs":{"url":"https://x","password":"hunter2hunter2"},"sensitive":["password"]}'
    async with home.runtime.request(home.actor) as ctx:
        _, shown = await executions.give_outputs(ctx, job.id, claim.execution.id, body)
        again, _ = await executions.give_outputs(ctx, job.id, claim.execution.id, body)
    assert msgspec.json.decode(shown) == {"url": "https://x", "password": "********"}
    assert b"hunter2" not in again.sealed
    async with home.runtime.request(home.org.actor) as ctx:
        found = await jobs.outputs_of(ctx, job.id)
    assert found.values == {"url": "https://x", "password": "hunter2hunter2"}
    assert found.sensitive == {"password"}


async def test_plans_are_shown_without_their_secrets(home):
    from exclave.wire.plans.base import AWSAuth, GitSource, StaticCredentials

    plan = sandbox_plan(
        "w",
        vars={"region": "eu-west-1", "password": "canary-1"},
        sensitive_vars=["password"],
        env_vars={"TOKEN": "canary-2"},
        apply_plan_contents="canary-3",
        git_source=GitSource(url="https://x-access-token:canary-4@github.com/acme/infra", ref="main", path="."),
        aws_auth=AWSAuth(static=StaticCredentials(access_key_id="canary-5", secret_access_key="canary-6", session_token="canary-7")),
    )
    job = await home.job(plan=plan, type="sandbox-terraform")
    async with home.runtime.request(home.org.actor) as ctx:
        shown = await jobs.shown_plan_of(ctx, job.id)
    assert b"canary" not in shown
    assert msgspec.json.decode(shown)["vars"]["region"] == "eu-west-1"
    assert msgspec.json.decode(shown)["git_source"]["url"] == "https://github.com/acme/infra"
