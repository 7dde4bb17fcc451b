"""The page that this product was asked for."""

import httpx

from tests.factories import OrgWithToken
from tests.factories_runs import install_with_runs


async def test_runs_come_newest_first_with_what_the_original_nests(client: httpx.AsyncClient, runtime, org: OrgWithToken) -> None:  # type: ignore[no-untyped-def]
    made = await install_with_runs(runtime, org, runs=3)
    answer = await client.get(f"/v1/installs/{made.install_id}/sandbox-runs")
    assert answer.status_code == 200, answer.text
    runs = answer.json()
    assert [run["id"] for run in runs] == list(reversed(made.run_ids))
    assert runs[0]["created_by"]["id"] == org.actor.account_id
    assert runs[0]["runner_jobs"][0]["owner_id"] == runs[0]["id"]
    assert "executions" not in runs[0]["runner_jobs"][0]
    assert "workflow" not in runs[0]


async def test_expand_all_fills_the_workflow_and_its_steps(client: httpx.AsyncClient, runtime, org: OrgWithToken) -> None:  # type: ignore[no-untyped-def]
    made = await install_with_runs(runtime, org, runs=1)
    run = (await client.get(f"/v1/installs/{made.install_id}/sandbox-runs", params={"expand": "all"})).json()[0]
    assert run["workflow"]["steps"][0]["approval"]["response"]["type"] == "approve"
    assert run["runner_jobs"][0]["executions"][0]["outputs"]["outputs"] == {"a": None, "b": "", "c": 0, "d": False, "e": []}
    assert run["created_by"]["roles"][0]["policies"][0]["permissions"] == {org.id: "all"}


async def test_another_org_and_an_unknown_install_are_404(
    client: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    runtime,
    org: OrgWithToken,  # type: ignore[no-untyped-def]
) -> None:
    made = await install_with_runs(runtime, org, runs=1)
    assert (await stranger.get(f"/v1/installs/{made.install_id}/sandbox-runs")).status_code == 404
    assert (await client.get("/v1/installs/nowhere/sandbox-runs")).status_code == 404
