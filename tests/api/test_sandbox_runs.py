"""The page that this product was asked for: which runs it lists, how it is paged, who sees it. What a run shows: tests/contract."""

import httpx
import pytest
from sqlalchemy import text

from exclave.kit.context import Runtime
from tests import statements
from tests.factories import OrgWithToken
from tests.factories_full_run import everything_around_a_run
from tests.factories_runs import CANARY, Made, ground, install_with_runs, sandbox_run, save

PAGE = "/v1/installs/{}/sandbox-runs"


async def listed(client: httpx.AsyncClient, install: str, **query: object) -> list[str]:
    answer = await client.get(PAGE.format(install), params={key: str(value) for key, value in query.items()})
    assert answer.status_code == 200, answer.text
    return [run["id"] for run in answer.json()]


@pytest.fixture(scope="module")
async def twelve(runtime: Runtime) -> tuple[OrgWithToken, Made]:
    """An install with 12 runs."""
    from tests import factories

    org = await factories.org(runtime)
    return org, await install_with_runs(runtime, org, runs=12)


@pytest.fixture
async def of_twelve(public_app, twelve):  # type: ignore[no-untyped-def]
    """A client of that install's org."""
    from tests.conftest import _client

    async with _client(public_app, twelve[0].token) as made:
        yield made


async def test_an_install_is_found_by_id_and_by_name(of_twelve: httpx.AsyncClient, twelve: tuple[OrgWithToken, Made]) -> None:
    made = twelve[1]
    assert await listed(of_twelve, made.install_name) == await listed(of_twelve, made.install_id) != []


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({}, 0, 10),
        ({"limit": 3}, 0, 3),
        ({"offset": 10}, 10, 12),
        ({"offset": 5, "limit": 5}, 5, 10),
        ({"page": 2, "limit": 5}, 5, 10),
        ({"page": 3, "limit": 5, "offset": 1}, 10, 12),
        ({"page": 4, "limit": 5}, 0, 0),
        ({"offset": 12}, 0, 0),
        ({"limit": 0}, 0, 0),
        ({"limit": 1000}, 0, 12),
        ({"limit": "many"}, 0, 10),
        ({"limit": -1}, 0, 10),
        ({"limit": 1.5}, 0, 10),
        ({"limit": 99999999999999999999}, 0, 10),
        ({"offset": "none"}, 0, 10),
        ({"offset": -3}, 0, 10),
        ({"page": "first"}, 0, 10),
        ({"page": 2147483647, "limit": 100}, 0, 0),
    ],
)
@pytest.mark.parametrize("expand", ["", "all"])
async def test_runs_are_paged_newest_first(
    of_twelve: httpx.AsyncClient, twelve: tuple[OrgWithToken, Made], query: dict[str, object], first: int, last: int, expand: str
) -> None:
    made = twelve[1]
    assert await listed(of_twelve, made.install_id, expand=expand, **query) == list(reversed(made.run_ids))[first:last]


@pytest.mark.parametrize(
    ("query", "more", "offset", "limit", "number"),
    [
        ({}, "true", "0", "10", None),
        ({"limit": 12}, "false", "0", "12", None),
        ({"offset": 4, "limit": 8}, "false", "4", "8", None),
        ({"page": 2, "limit": 5}, "true", "5", "5", "2"),
        ({"limit": 500}, "false", "0", "100", None),
    ],
)
async def test_headers_tell_the_page(
    of_twelve: httpx.AsyncClient,
    twelve: tuple[OrgWithToken, Made],
    query: dict[str, object],
    more: str,
    offset: str,
    limit: str,
    number: str | None,
) -> None:
    answer = await of_twelve.get(PAGE.format(twelve[1].install_id), params={key: str(value) for key, value in query.items()})
    told = {name: answer.headers.get(f"X-Nuon-Page-{name}") for name in ("Next", "Offset", "Limit", "Number")}
    assert told == {"Next": more, "Offset": offset, "Limit": limit, "Number": number}


async def test_runs_of_the_same_moment_have_one_order_over_all_pages(
    client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken
) -> None:
    made = await install_with_runs(runtime, org, runs=7)
    async with runtime.sweep() as ctx:
        await ctx.db.execute(text("update install_sandbox_runs set created_at = now() where install_id = :id"), {"id": made.install_id})
    pages = [run for page in (1, 2, 3, 4) for run in await listed(client, made.install_id, limit=2, page=page)]
    assert pages == sorted(made.run_ids, reverse=True)


@pytest.mark.parametrize("expand", ["", "all"])
async def test_another_org_and_an_unknown_install_are_404(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken, expand: str
) -> None:
    made = await install_with_runs(runtime, org, runs=1)
    for asker, install in ((stranger, made.install_id), (stranger, made.install_name), (client, "nowhere"), (client, "inl" + "0" * 23)):
        assert (await asker.get(PAGE.format(install), params={"expand": expand})).status_code == 404
    assert (await client.get(PAGE.format(made.install_id), headers={"Authorization": "Bearer nobody"})).status_code == 401


async def test_an_install_without_runs_has_an_empty_list(client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken) -> None:
    made = await install_with_runs(runtime, org, runs=0)
    answer = await client.get(PAGE.format(made.install_id), params={"expand": "all"})
    assert (answer.status_code, answer.text) == (200, "[]")


async def test_an_install_of_a_deleted_name_is_not_mistaken_for_the_living_one(
    client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken
) -> None:
    gone, made = await install_with_runs(runtime, org, runs=1), await install_with_runs(runtime, org, runs=1)
    async with runtime.sweep() as ctx:
        change = text("update installs set deleted_at = 1, name = :name where id = :id")
        await ctx.db.execute(change, {"name": made.install_name, "id": gone.install_id})
    assert await listed(client, made.install_name) == made.run_ids
    assert (await client.get(PAGE.format(gone.install_id))).status_code == 404


DELETED = (
    "runner_jobs", "runner_job_executions", "runner_job_execution_results", "runner_job_execution_outputs", "log_streams",
    "install_workflow_steps", "install_workflow_step_approvals", "install_workflow_step_approval_responses", "install_deploys",
    "public_git_vcs_configs", "connected_github_vcs_configs", "action_workflow_trigger_configs", "roles", "policies",
    "component_dependencies", "install_action_workflow_run_steps", "vcs_connection_commits", "oci_artifacts",
)  # fmt: skip


async def test_what_was_deleted_is_left_out_at_every_level(client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken) -> None:
    made = await everything_around_a_run(runtime, org)
    async with runtime.sweep() as ctx:
        ids = [
            str(row)
            for table in DELETED
            for row in (await ctx.db.execute(text(f"update {table} set deleted_at = 1 where org_id = :org returning id"), {"org": org.id}))
            .scalars()
            .all()
        ]
        # The caller must still be let in.
        await ctx.db.execute(text("update roles set deleted_at = 0 where role_type = 'org_admin' and org_id = :org"), {"org": org.id})
        await ctx.db.execute(text("update policies set deleted_at = 0 where name = 'org_admin' and org_id = :org"), {"org": org.id})
    run = (await client.get(PAGE.format(made.install_id), params={"expand": "all"})).json()[0]
    assert run["runner_jobs"] == []
    assert run["workflow"]["steps"] == run["workflow"]["install_deploys"] == []
    assert run["outputs"] == {}
    assert "log_stream" not in run
    assert run["created_by"]["roles"] == []
    assert run["created_by"]["permissions"] == {}

    def shown(value: object) -> set[str]:
        if isinstance(value, dict):
            return {str(value.get("id", ""))}.union(*map(shown, value.values()))
        return set().union(*map(shown, value)) if isinstance(value, list) else set()

    assert len(ids) > 100
    # An account of this test may be the caller, whose own role and policy live.
    assert shown(run) & set(ids) == set()

    async with runtime.sweep() as ctx:
        await ctx.db.execute(text("update install_sandbox_runs set deleted_at = 1 where id = :id"), {"id": made.run_id})
    assert await listed(client, made.install_id) == []


@pytest.mark.parametrize("status", ["drift-detected", "no-drift", "drifted"])
async def test_a_look_for_drift_is_no_run_but_a_drifted_run_is(
    client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken, status: str
) -> None:
    on = ground(org)
    run, rows = sandbox_run(on, status=status)
    async with runtime.sweep() as ctx:
        await save(ctx, [*on.rows, *rows])
    assert await listed(client, on.install.id) == ([run.id] if status == "drifted" else [])


@pytest.mark.parametrize("expand", ["", "all"])
async def test_the_number_of_statements_is_the_same_for_one_run_and_for_fifty(
    client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken, expand: str
) -> None:
    few = await everything_around_a_run(runtime, org)
    many = await everything_around_a_run(runtime, org, runs=50, kinds=("terraform_module", "helm_chart"))
    with statements.sent() as for_one:
        one = await client.get(PAGE.format(few.install_id), params={"expand": expand})
    with statements.sent() as for_fifty:
        fifty = await client.get(PAGE.format(many.install_id), params={"expand": expand, "limit": "100"})
    assert (len(one.json()), len(fifty.json())) == (1, 50)
    assert "exclave_enter" in for_one[0].text
    assert len(for_one) == len(for_fifty) <= 8


async def test_a_secret_of_a_job_is_on_no_page(of_twelve: httpx.AsyncClient, twelve: tuple[OrgWithToken, Made]) -> None:
    answer = await of_twelve.get(PAGE.format(twelve[1].install_id), params={"expand": "all", "limit": "100"})
    assert CANARY not in answer.text
