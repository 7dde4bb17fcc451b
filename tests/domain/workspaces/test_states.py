"""Terraform states and locks: one holder, serials that grow, one lineage, nothing from a zombie."""

import asyncio
import base64
import dataclasses
import json
from urllib.parse import quote

import pytest
from sqlalchemy import select, text
from tests import factories, statements
from tests.domain.runners.fleet import Fleet, fleet, sandbox_plan

from exclave.domain.audit.models import AuditRow
from exclave.domain.jobs import executions, sweep
from exclave.domain.jobs.events import ExecutionEnded
from exclave.domain.workspaces import rules
from exclave.domain.workspaces import service as workspaces
from exclave.domain.workspaces.models import TerraformWorkspace, TerraformWorkspaceState
from exclave.kit import errors
from exclave.kit.context import Actor, Runtime


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    if workspaces.release_after not in runtime.events._handlers[ExecutionEnded]:
        runtime.events.subscribe(ExecutionEnded, workspaces.release_after)
    return await fleet(runtime)


@dataclasses.dataclass
class Running:
    """An execution that works on a workspace, as its own token sees the backend."""

    home: Fleet
    workspace: TerraformWorkspace
    job_id: str
    execution_id: str

    @property
    def actor(self) -> Actor:
        return dataclasses.replace(self.home.actor, scope=f"job:{self.job_id}:{self.execution_id}")

    async def lock(self, lock_id: str) -> None:
        async with self.home.runtime.request(self.actor) as ctx:
            await workspaces.lock(ctx, self.workspace.id, lock_body(lock_id))

    async def unlock(self, lock_id: str) -> None:
        async with self.home.runtime.request(self.actor) as ctx:
            await workspaces.unlock(ctx, self.workspace.id, lock_body(lock_id))

    async def put(self, serial: int, *, lock_id: str = "", lineage: str = "one", mark: str = "") -> TerraformWorkspaceState:
        async with self.home.runtime.request(self.actor) as ctx:
            return await workspaces.put(ctx, self.workspace.id, state(serial, lineage, mark), lock_id=lock_id)

    async def get(self) -> bytes | None:
        async with self.home.runtime.request(self.actor) as ctx:
            return await workspaces.get(ctx, self.workspace.id)


def state(serial: int, lineage: str = "one", mark: str = "") -> bytes:
    return json.dumps(
        {
            "version": 4,
            "terraform_version": "1.11.4",
            "serial": serial,
            "lineage": lineage,
            "outputs": {"m": {"value": mark}},
            "resources": [],
        }
    ).encode()


def lock_body(lock_id: str, who: str = "root@runner") -> bytes:
    return json.dumps({"ID": lock_id, "Operation": "OperationTypeApply", "Info": "", "Who": who, "Version": "1.11.4",
                       "Created": "2026-01-01T00:00:00Z", "Path": ""}).encode()  # fmt: skip


async def running(home: Fleet, workspace: TerraformWorkspace | None = None) -> Running:
    workspace = workspace or await home.workspace()
    await home.terraform_job(workspace)
    claim = await home.claim("sandbox")
    return Running(home, workspace, claim.job.id, claim.execution.id)


async def test_a_workspace_without_a_state_has_none(home):
    assert await (await running(home)).get() is None


async def test_a_state_is_sealed_and_comes_back_byte_for_byte(home):
    run = await running(home)
    await run.lock("l1")
    await run.put(1, lock_id="l1", mark="canary-in-state")
    assert await run.get() == state(1, mark="canary-in-state")
    async with home.runtime.sweep() as ctx:
        stored = (await ctx.db.execute(select(TerraformWorkspaceState.contents))).scalars().all()
    assert not any(b"canary-in-state" in sealed for sealed in stored)


async def test_versions_are_counted_and_the_newest_is_given(home):
    run = await running(home)
    await run.lock("l1")
    assert [(await run.put(serial, lock_id="l1")).revision for serial in (1, 2, 7)] == [1, 2, 3]
    assert await run.get() == state(7)


async def test_the_same_version_again_is_answered_as_before(home):
    run = await running(home)
    await run.lock("l1")
    assert (await run.put(1, lock_id="l1")).id == (await run.put(1, lock_id="l1")).id


@pytest.mark.parametrize(
    ("serial", "lineage", "lock_id", "mark"),
    [(5, "one", "l1", "other"), (4, "one", "l1", ""), (6, "two", "l1", ""), (6, "one", "l2", ""), (6, "one", "", "")],
    ids=["same serial, other bytes", "older serial", "other lineage", "other lock", "no lock named"],
)
async def test_what_is_no_successor_is_refused(home, serial, lineage, lock_id, mark):
    run = await running(home)
    await run.lock("l1")
    await run.put(5, lock_id="l1")
    with pytest.raises(errors.Conflict):
        await run.put(serial, lineage=lineage, lock_id=lock_id, mark=mark)
    assert await run.get() == state(5)


async def test_of_many_lockers_one_wins_and_the_others_learn_who(home):
    run = await running(home)

    async def attempt(number: int) -> str:
        try:
            await run.lock(f"l{number}")
        except errors.Locked as refusal:
            return json.loads(refusal.details["raw_body"])["ID"]
        return f"l{number}"

    answers = await asyncio.gather(*(attempt(number) for number in range(12)))
    assert len(set(answers)) == 1


async def test_a_refusal_names_the_holder_as_terraform_reads_it(home):
    run = await running(home)
    await run.lock("l1")
    with pytest.raises(errors.Locked) as refusal:
        await run.lock("l2")
    assert json.loads(refusal.value.details["raw_body"]) == json.loads(lock_body("l1"))


async def test_only_the_own_lock_is_given_back(home):
    run = await running(home)
    await run.lock("l1")
    with pytest.raises(errors.Conflict):
        await run.unlock("l2")
    await run.unlock("l1")
    await run.unlock("l1")
    await run.lock("l2")


async def test_the_token_of_one_job_opens_no_other_workspace(home):
    run, other = await running(home), await running(home)
    intruder = dataclasses.replace(run, workspace=other.workspace)
    for attempt in (intruder.get(), intruder.put(1), intruder.lock("x"), intruder.unlock("x")):
        with pytest.raises(errors.NotFound):
            await attempt


async def test_a_zombie_neither_writes_nor_locks_nor_unlocks_nor_reads(home):
    run = await running(home)
    await run.lock("l1")
    async with home.runtime.sweep() as ctx:
        await ctx.db.execute(
            text("update runner_job_executions set leased_until = now() - interval '1 second' where id = :id"), {"id": run.execution_id}
        )
    for attempt in (run.put(1, lock_id="l1"), run.lock("l1"), run.lock("l2"), run.unlock("l1"), run.get()):
        with pytest.raises(errors.Stale):
            await attempt
    await sweep.expire(home.runtime)
    successor = await running(home, run.workspace)
    await successor.lock("l3")  # the sweep gave the lock back
    with pytest.raises(errors.Stale):
        await run.put(1, lock_id="l3")
    await successor.put(1, lock_id="l3")


async def test_a_zombie_changes_nothing_that_people_look_at(home):
    run = await running(home)
    async with home.runtime.request(home.actor) as ctx:
        await workspaces.put_snapshot(ctx, run.workspace.id, b"{}", job_id=run.job_id)
        await executions.move(ctx, run.job_id, run.execution_id, "failed")
    async with home.runtime.request(home.actor) as ctx:
        with pytest.raises(errors.Stale):
            await workspaces.put_snapshot(ctx, run.workspace.id, b"{}", job_id=run.job_id)
        with pytest.raises(errors.NotFound):
            await workspaces.put_snapshot(ctx, "tfw" + "0" * 23, b"{}", job_id=run.job_id)


async def test_who_waits_for_a_turn_sees_what_was_written_meanwhile(home):
    run = await running(home)
    await run.lock("l1")
    async with home.runtime.request(run.actor) as ctx:
        await workspaces.put(ctx, run.workspace.id, state(1), lock_id="l1")
        waiting = asyncio.ensure_future(run.put(1, lock_id="l1", mark="other"))
        await _waits(home)
    with pytest.raises(errors.Conflict, match="at 1 already"):
        await waiting
    assert await run.get() == state(1)


async def test_who_waits_for_the_lock_gets_it_once_it_was_given_back(home):
    run = await running(home)
    await run.lock("l1")
    async with home.runtime.request(run.actor) as ctx:
        await workspaces.unlock(ctx, run.workspace.id, lock_body("l1"))
        waiting = asyncio.ensure_future(run.lock("l2"))
        await _waits(home)
    await waiting
    await run.put(1, lock_id="l2")


async def _waits(home: Fleet) -> None:
    """Wait until some transaction waits for a lock of another."""
    for _ in range(500):
        async with home.runtime.sweep() as ctx:
            if (await ctx.db.execute(text("select count(*) from pg_locks where not granted"))).scalar_one():
                return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def test_a_call_of_a_running_terraform_takes_few_statements(home):
    """Terraform waits for each: org and rights, the call itself, and the org's key where something is opened or sealed."""
    run = await running(home)
    for call, most in ((run.lock("l1"), 2), (run.put(1, lock_id="l1"), 5), (run.get(), 3), (run.unlock("l1"), 2)):
        with statements.sent() as made:
            await call
        assert len(made) <= most, made


async def test_the_end_of_an_execution_gives_its_lock_back(home):
    run = await running(home)
    await run.lock("l1")
    async with home.runtime.request(home.actor) as ctx:
        await executions.move(ctx, run.job_id, run.execution_id, "failed")
    async with home.runtime.request(home.org.actor) as ctx:
        assert await workspaces.lock_of(ctx, run.workspace.id) is None


async def test_an_official_runner_writes_for_the_job_that_it_names(home):
    run = await running(home)
    async with home.runtime.request(home.actor) as ctx:
        await workspaces.lock(ctx, run.workspace.id, lock_body("l1"), job_id=run.job_id)
        await workspaces.put(ctx, run.workspace.id, state(1), lock_id="l1", job_id=run.job_id)
        await workspaces.unlock(ctx, run.workspace.id, b"{}", job_id=run.job_id)
    with pytest.raises(errors.Invalid):
        async with home.runtime.request(home.actor) as ctx:
            await workspaces.put(ctx, run.workspace.id, state(2))


async def test_a_person_forces_a_lock_open_and_leaves_a_trace(home):
    run = await running(home)
    await run.lock("l1")
    async with home.runtime.request(home.org.actor) as ctx:
        with pytest.raises(errors.Conflict):
            await workspaces.force_unlock(ctx, run.workspace.id, lock_body("other"))
        await workspaces.force_unlock(ctx, run.workspace.id)
    async with home.runtime.request(home.org.actor) as ctx:
        trace = (await ctx.db.execute(select(AuditRow).where(AuditRow.action == "force_unlock"))).scalars().one()
    assert trace.details["lock_id"] == "l1"
    with pytest.raises(errors.Conflict):  # the runner that still believes to hold it
        await run.put(1, lock_id="l1")


async def test_a_person_writes_a_state_only_under_an_own_lock(home):
    workspace = await home.workspace()
    async with home.runtime.request(home.org.actor) as ctx:
        with pytest.raises(errors.Conflict):
            await workspaces.put(ctx, workspace.id, state(1))
        await workspaces.lock(ctx, workspace.id, lock_body("mine"))
        await workspaces.put(ctx, workspace.id, state(1), lock_id="mine")
    run = await running(home, workspace)
    with pytest.raises(errors.Locked):
        await run.lock("l1")


async def test_another_org_finds_no_workspace(home):
    workspace = await home.workspace()
    other = await factories.org(home.runtime)
    with pytest.raises(errors.NotFound):
        async with home.runtime.request(other.actor) as ctx:
            await workspaces.find(ctx, workspace.id)


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b"{}", b'{"version":4,"serial":-1,"lineage":"x"}', b'{"version":4,"serial":1,"lineage":""}']
)
async def test_what_is_no_state_is_refused(home, body):
    run = await running(home)
    with pytest.raises(errors.Invalid):
        async with home.runtime.request(run.actor) as ctx:
            await workspaces.put(ctx, run.workspace.id, body)


def test_people_see_states_without_what_is_sensitive():
    contents = json.dumps(
        {
            "version": 4, "serial": 1, "lineage": "x",
            "outputs": {"url": {"value": "u"}, "key": {"value": "canary-1", "sensitive": True}},
            "resources": [{"type": "t", "instances": [{
                "attributes": {"name": "n", "password": "canary-2", "nested": [{"key": "canary-3"}]},
                "sensitive_attributes": [[{"type": "get_attr", "value": "password"}],
                    [{"type": "get_attr", "value": "nested"}, {"type": "index", "value": {"value": 0, "type": "number"}},
                     {"type": "get_attr", "value": "key"}]],
                "private": "canary-4"}]}],
        }
    ).encode()  # fmt: skip
    shown = rules.masked_state(contents)
    assert b"canary" not in shown
    assert json.loads(shown)["resources"][0]["instances"][0]["attributes"]["name"] == "n"


async def test_people_see_no_secret_variable_that_the_module_does_not_mark(home):
    workspace = await home.workspace()
    plan = sandbox_plan(workspace.id, vars={"key": "canary-1", "more": {"l": ["canary-2"]}, "name": "seen"}, sensitive_vars=["key", "more"])
    await home.job(plan=plan, type="sandbox-terraform", operation="apply-plan")
    claim = await home.claim("sandbox")
    run = Running(home, workspace, claim.job.id, claim.execution.id)
    written = await run.put(1, mark="canary-1 canary-2 seen")
    assert b"canary-1" in (await run.get() or b""), "Terraform gets it as it is"
    async with home.runtime.request(home.org.actor) as ctx:
        newest = await workspaces.newest(ctx, workspace.id)
        for row in (newest, await workspaces.state_by_id(ctx, workspace.id, written.id)):
            shown = await workspaces.shown(ctx, row)
            assert b"canary" not in shown
            assert json.loads(shown)["outputs"]["m"]["value"] == "******** ******** seen"


async def test_people_see_no_secret_variable_in_what_a_module_makes_of_it(home):
    """Of `jsonencode`, `base64encode` and `urlencode`; in states, and in snapshots of a runner that masks nothing itself."""
    workspace = await home.workspace()
    secret = 'can<a>ry&"1\nsecond line of it'
    plan = sandbox_plan(workspace.id, vars={"key": secret, "name": "seen"}, sensitive_vars=["key"])
    await home.job(plan=plan, type="sandbox-terraform", operation="apply-plan")
    claim = await home.claim("sandbox")
    run = Running(home, workspace, claim.job.id, claim.execution.id)
    quoted = json.dumps({"k": secret}).replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")  # as Go does
    made = [secret, quoted, base64.b64encode(b"x:" + secret.encode()).decode(), quote(secret, safe=""), "seen"]
    written = await run.put(1, mark=quoted)
    shown = {"values": {"root_module": {"resources": [{"address": "a.b", "values": {"made": made}}]}}}
    async with home.runtime.request(home.actor) as ctx:
        snapshot = await workspaces.put_snapshot(ctx, workspace.id, json.dumps(shown).encode(), job_id=claim.job.id)
    async with home.runtime.request(home.org.actor) as ctx:
        state = json.loads(await workspaces.shown(ctx, await workspaces.state_by_id(ctx, workspace.id, written.id)))
        view = await workspaces.shown_snapshot(ctx, await workspaces.snapshot_by_id(ctx, workspace.id, snapshot.id))
    assert state["outputs"]["m"]["value"] == '{"k": "********"}'
    found = view["values"]["root_module"]["resources"][0]["values"]["made"]
    assert (found[0], found[1], found[3], found[4]) == ("********", '{"k": "********"}', "********", "seen")
    assert "********" in found[2]


def test_people_see_snapshots_without_what_is_sensitive():
    shown = {
        "format_version": "1.0",
        "values": {
            "outputs": {"key": {"value": "canary-1", "sensitive": True}},
            "root_module": {
                "resources": [
                    {"address": "b.b", "values": {"a": "seen", "p": "canary-2", "copy": "is canary-2"}, "sensitive_values": {"p": True}}
                ],
                "child_modules": [
                    {
                        "resources": [
                            {"address": "module.m.a.a", "values": {"l": ["canary-3", "x"]}, "sensitive_values": {"l": [True, False]}}
                        ]
                    }
                ],
            },
        },
    }
    masked = json.dumps(rules.masked_show(shown))
    assert "canary" not in masked
    assert "seen" in masked
    assert rules.resources_in(shown) == ["b.b", "module.m.a.a"]


def test_what_is_hidden_in_one_place_of_a_state_is_hidden_in_all_of_them() -> None:
    """`terraform_data` copies its input to its output, and Terraform marks the input only."""
    state = {
        "version": 4,
        "outputs": {"open": {"value": "at https://u:hunter22@host", "type": "string"}, "key": {"value": 12345678, "sensitive": True}},
        "resources": [
            {
                "name": "kept",
                "instances": [
                    {
                        "attributes": {
                            "input": {"value": {"password": "hunter22"}},
                            "output": {"value": ["hunter22", 12345678, 1]},
                            "id": "a",
                        },
                        "sensitive_attributes": [[{"type": "get_attr", "value": "input"}]],
                    }
                ],
            }
        ],
    }
    shown = json.loads(rules.masked_state(json.dumps(state).encode()))
    assert shown["outputs"]["open"]["value"] == f"at https://u:{rules.MASK}@host"
    assert shown["resources"][0]["instances"][0]["attributes"] == {
        "input": rules.MASK,
        "output": {"value": [rules.MASK, rules.MASK, 1]},
        "id": "a",
    }
    assert shown["version"] == 4
