"""The seed's page reads by index, among the runs of other installs of its org and of other orgs."""

import re
from typing import Any

import asyncpg
import httpx
import pytest
from benchmarks.sandbox_run_rows import TOKEN, fill

from exclave.domain.jobs import sweep as jobs
from exclave.domain.runners import sweep as runners
from exclave.engine.sweep import Sweep
from exclave.kit.context import Runtime
from exclave.kit.db import PLANNER
from exclave.server.runtime import ENGINE_SETTINGS
from exclave.server.side import remove_orphan_wakeups
from tests import statements
from tests.cluster import Cluster
from tests.conftest import _client

_PAGE = f"/v1/installs/inl{'200':0>23}/sandbox-runs"
_BIG = 1000  # rows from which a table may not be read from end to end
_OF_WHAT_IS_OPEN = {
    "runner_jobs_open",
    "executions_leased",
    "executions_of_runner",
    "workflows_active",
    "workflow_steps_waiting",
    "wakeup_second_look",
}  # indexes of a few rows
Sent = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture(scope="module")
async def crowd(database: Cluster) -> Cluster:
    """10,000 runs of 1,000 installs in 10 orgs."""
    await fill(database, installs=1000, runs=10_000, orgs=10)
    return database


async def sent_by(client: httpx.AsyncClient, path: str) -> Sent:
    with statements.sent() as found:
        answer = await client.get(path)
    assert len(answer.json()) == 10, answer.text
    return [(each.text, each.values) for each in found if "exclave_enter" not in each.text]


@pytest.mark.parametrize("expand", ["", "?expand=all"])
async def test_no_big_table_is_read_from_end_to_end_and_no_org_either(crowd: Cluster, public_app: Any, expand: str) -> None:
    async with _client(public_app, TOKEN) as client:
        sent = await sent_by(client, _PAGE + expand)
    connection = await asyncpg.connect(crowd.app_url.replace("+asyncpg", ""), server_settings=PLANNER)
    try:
        sizes = dict(await connection.fetch("select relname, reltuples from pg_class where relkind = 'r'"))
        # As a request does it: somebody of one org asks, and plans are kept.
        await connection.execute("set plan_cache_mode = force_generic_plan")
        await connection.execute(f"select set_config('exclave.org_id', '{'org' + '1'.zfill(23)}', false)")
        plan = "\n".join([await explained(connection, *each) for each in sent])
    finally:
        await connection.close()
    read_whole = {table for table in re.findall(r"Seq Scan on (\w+)", plan) if sizes[table] >= _BIG}
    assert read_whole == set()
    # An org has a few roles, and a member or two for each; of all else it may have any number.
    few = {"ix_roles_org_id", "ix_policies_org_id", "ix_account_roles_org_id"}
    assert set(re.findall(r"\bix_\w+_org_id\b", plan)) - few == set()
    assert "runner_jobs_owner" in plan


async def test_no_statement_that_is_made_once_reads_a_big_table_or_an_org_to_find_a_few_rows(crowd: Cluster) -> None:
    """Their plans are made once for a connection, whatever they are asked with: each must go by the keys that it is given."""
    connection = await asyncpg.connect(crowd.engine_url.replace("+asyncpg", ""), server_settings=PLANNER)
    try:
        sizes = dict(await connection.fetch("select relname, reltuples from pg_class where relkind = 'r'"))
        await connection.execute("set plan_cache_mode = force_generic_plan")
        wrong: dict[str, str] = {}
        for name, prepared in statements.prepared():
            made = prepared._make()
            if name == "exclave.api.access._ENTER":
                continue  # a function
            plan = await explained(connection, made.text, (None,) * len(made._binds))
            whole = {table for table in re.findall(r"Seq Scan on (\w+)", plan) if sizes[table] >= _BIG}
            by_org = set(re.findall(r"\bix_\w+_org_id\b", plan))
            if whole or by_org:
                wrong[name] = plan
        assert wrong == {}, "\n".join(f"{name}:\n{plan}" for name, plan in wrong.items())
    finally:
        await connection.close()


async def test_no_sweep_reads_a_big_table_to_find_what_is_due(crowd: Cluster, runtime: Runtime) -> None:
    """The statements of what runs all the time across orgs: their plans are made once, too."""
    walk = Sweep(runtime)
    with statements.sent() as sent:
        for look in (jobs.expire(runtime), runners.check(runtime), walk.second_look(), walk.walk(), remove_orphan_wakeups(runtime)):
            await look
    # Row by row, as is right where few jobs run; other tests may have left thousands in the same database.
    settings = {**PLANNER, **ENGINE_SETTINGS, "enable_hashjoin": "off", "enable_mergejoin": "off"}
    connection = await asyncpg.connect(crowd.engine_url.replace("+asyncpg", ""), server_settings=settings)
    try:
        sizes = dict(await connection.fetch("select relname, reltuples from pg_class where relkind = 'r'"))
        wrong = {}
        for each in sent:
            if "SAVEPOINT" in each.text:  # what other tests left here is ended one by one
                continue
            plan = await explained(connection, each.text, (None,) * len(set(re.findall(r"\$\d+", each.text))))
            if any(sizes[table] >= _BIG for table in walked(plan)):
                wrong[each.text] = plan
        assert len(sent) > 6
        assert wrong == {}, "\n".join(f"{text}:\n{plan}" for text, plan in wrong.items())
    finally:
        await connection.close()


def walked(plan: str) -> set[str]:
    """Tables that a plan reads from end to end, by themselves or along an index of all their rows."""
    found = set(re.findall(r"Seq Scan on (\w+)", plan))
    for node in re.split(r"\n\s*(?:->|CTE|InitPlan|SubPlan)", plan):
        index = re.search(r"Index (?:Only )?Scan (?:Backward )?using (\w+) on (\w+)", node)
        if index and "Index Cond" not in node and index[1] not in _OF_WHAT_IS_OPEN:
            found.add(index[2])
    return found


async def explained(connection: asyncpg.Connection, statement: str, parameters: tuple[Any, ...]) -> str:
    await connection.execute(f"prepare page as {statement}")
    values = ", ".join(_literal(value) for value in parameters)
    lines = await connection.fetch("explain execute page" + (f"({values})" if values else ""))
    await connection.execute("deallocate page")
    return "\n".join(line[0] for line in lines)


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    return "'{" + ",".join(value) + "}'" if isinstance(value, list) else f"'{value}'"
