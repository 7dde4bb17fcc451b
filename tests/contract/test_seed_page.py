"""The seed's page shows what the rows hold, and keeps secrets to itself."""

import base64

import httpx

from exclave.kit.context import Runtime
from tests.contract import seed, witness
from tests.factories import OrgWithToken
from tests.factories_full_run import everything_around_a_run
from tests.factories_runs import CANARY, OUTPUTS


async def _everything(client: httpx.AsyncClient, install_id: str) -> httpx.Response:
    answer = await client.get(f"/v1/installs/{install_id}/sandbox-runs", params={"expand": "all"})
    assert answer.status_code == 200, answer.text
    return answer


async def test_every_shown_field_is_there_with_the_value_of_its_row(client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken) -> None:
    made = await everything_around_a_run(runtime, org)
    answer = (await _everything(client, made.install_id)).json()
    seen = witness.check(answer, await witness.rows_of(runtime, org.id))
    assert [path for path in seed.with_verdict(*seed.SHOWN) if path not in seen] == []


async def test_at_the_default_depth_stands_what_the_original_writes(client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken) -> None:
    made = await everything_around_a_run(runtime, org)
    (run,) = (await client.get(f"/v1/installs/{made.install_id}/sandbox-runs")).json()
    top = {path for path in seed.documented() if "." not in path}
    assert top - run.keys() == {"workflow"}
    assert run["created_by"]["org_ids"] == []
    assert run["created_by"]["permissions"] == {}
    assert "roles" not in run["created_by"]
    assert all("executions" not in job for job in run["runner_jobs"])
    assert "vcs_connection_commit" not in run["app_sandbox_config"]["connected_github_vcs_config"]["vcs_connection"]
    assert all(
        each.keys().isdisjoint({"config", "created_by", "runner_job", "steps", "log_stream"}) for each in run["action_workflow_runs"]
    )


async def test_no_secret_is_in_the_answer(client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken) -> None:
    """Plans, plan files, sealed outputs and inputs, token hashes are planted by the factory, in every encrypted column."""
    made = await everything_around_a_run(runtime, org)
    planted = CANARY.encode()
    stored = await witness.rows_of(runtime, org.id)
    holders = {row["of_table"] for row in stored.by_id.values() if any(isinstance(v, bytes) and planted in v for v in row.values())}
    assert holders >= {"runner_job_plans", "runner_job_execution_results", "runner_job_execution_outputs", "install_inputs"}
    text = (await _everything(client, made.install_id)).text
    assert CANARY not in text
    assert org.token not in text
    assert planted.hex() not in text
    # The three ways in which base64 can begin within a longer text.
    for shift in range(3):
        inner = base64.b64encode(b"\0" * shift + planted).decode()[4:-4]
        assert inner not in text


async def test_outputs_pass_byte_for_byte(client: httpx.AsyncClient, runtime: Runtime, org: OrgWithToken) -> None:
    """Those of every execution and job; those of the run, which are merged from two jobs, keep every value as it was written."""
    made = await everything_around_a_run(runtime, org)
    text = (await _everything(client, made.install_id)).text
    rows_of_outputs, all_outputs = text.count('"outputs":{"id"'), text.count('"outputs":')
    merged = OUTPUTS.replace(": ", ":").replace(", ", ",")
    assert text.count(f'"outputs":{merged}') == 1
    assert text.count(f'"outputs":{OUTPUTS}') == all_outputs - rows_of_outputs - 1 > 100
