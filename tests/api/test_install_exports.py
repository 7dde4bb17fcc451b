"""Files that leave an install."""

import csv
import io
import tomllib

import pytest
from sqlalchemy import select

from exclave.domain.installs.exports import written
from exclave.domain.installs.models import InstallSandbox
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.kit.db import one
from tests.domain.installs import made


@pytest.fixture
async def install(client, runtime, org):
    async with runtime.request(org.actor) as ctx:
        app = await made.app(ctx)
    body = {"app_id": app.id, "name": "acme", "inputs": {"region": "eu", "password": "canary-input"}}
    return (await client.post("/v1/installs", json=body)).json()


def test_a_config_file_reads_as_toml():
    text = written(name="one", approval_option="prompt", region="us-east-1", groups=[{"a": "1"}, {"b": '{"x":1}'}], schema="http://s")
    assert text.startswith("#:schema http://s\n")
    assert tomllib.loads(text) == {
        "approval_option": "prompt",
        "name": "one",
        "aws_account": {"region": "us-east-1"},
        "inputs": [{"a": "1"}, {"b": '{"x":1}'}],
    }


async def test_the_config_file_of_an_install_holds_no_secret(client, install):
    answer = await client.get("/v1/installs/acme/generate-cli-install-config")
    assert answer.status_code == 200
    assert "canary" not in answer.text
    assert tomllib.loads(answer.text) == {"approval_option": "prompt", "name": "acme", "inputs": [{"region": "eu"}]}


async def test_the_audit_history_is_csv(client, runtime, org, install):
    window = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00.123456789Z"}
    assert (await client.get("/v1/installs/acme/audit_logs", params=window)).status_code == 400
    async with runtime.request(org.actor) as ctx:
        sandbox = await one(ctx.db, select(InstallSandbox).where(InstallSandbox.install_id == install["id"]))
        run = InstallSandboxRun(
            org_id=org.id,
            install_id=install["id"],
            run_type="provision",
            install_sandbox_id=sandbox.id,
            app_sandbox_config_id=install["app_sandbox_config"]["id"],
        )
        ctx.db.add(run)
    answer = await client.get("/v1/installs/acme/audit_logs", params=window)
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.reader(io.StringIO(answer.text)))
    assert lines[0] == ["Install ID", "Type", "Time Stamp", "Log Line"]
    assert lines[1][:2] == [install["id"], "install_sandbox_run"]
    assert run.id in lines[1][3]


@pytest.mark.parametrize(
    "window", [{}, {"start": "yesterday", "end": "2100-01-01T00:00:00Z"}, {"start": "2100-01-01T00:00:00Z", "end": "2020-01-01T00:00:00Z"}]
)
async def test_a_wrong_window_is_400(client, install, window):
    assert (await client.get("/v1/installs/acme/audit_logs", params=window)).status_code == 400
