"""The state backend with the real Terraform: init, apply, a second one at the same time, and what a lost lease leaves."""

import asyncio
import contextlib
import json
import os
import shutil
import socket

import pytest
import uvicorn

from exclave.domain.jobs import claims
from exclave.domain.workspaces import service as workspaces
from exclave.kit import errors
from exclave.kit.context import Runtime
from tests.domain.runners.fleet import Fleet, fleet

terraform = shutil.which("terraform") or shutil.which("tofu")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(terraform is None, reason="neither terraform nor tofu is installed")]

MODULE = """
terraform {
  backend "http" {}
}
variable "seconds" { default = 0 }
resource "terraform_data" "one" {
  input = timestamp()
  provisioner "local-exec" { command = "sleep ${var.seconds}" }
}
output "when" { value = terraform_data.one.output }
"""


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


@pytest.fixture
async def address(runner_app):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(runner_app, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


class Terraform:
    """A directory with the module, set up for one execution's workspace and token."""

    def __init__(self, directory, address: str, workspace_id: str, claim) -> None:
        self.directory = directory
        directory.mkdir()
        (directory / "main.tf").write_text(MODULE)
        self.environment = {
            **os.environ,
            "TF_HTTP_ADDRESS": f"{address}/v1/terraform-backend?workspace_id={workspace_id}&job_id={claim.job.id}",
            "TF_HTTP_LOCK_ADDRESS": f"{address}/v1/terraform-workspaces/{workspace_id}/lock?job_id={claim.job.id}",
            "TF_HTTP_LOCK_METHOD": "POST",
            "TF_HTTP_UNLOCK_ADDRESS": f"{address}/v1/terraform-workspaces/{workspace_id}/unlock?job_id={claim.job.id}",
            "TF_HTTP_UNLOCK_METHOD": "POST",
            "TF_HTTP_USERNAME": claim.execution.id,
            "TF_HTTP_PASSWORD": claim.lease.token,
            "TF_HTTP_RETRY_MAX": "0",
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    async def __call__(self, *words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            terraform, *words, "-no-color", cwd=self.directory, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        return process.returncode, output.decode()


@contextlib.asynccontextmanager
async def kept(home: Fleet, claim):
    """Renew the lease as a runner does."""

    async def renew() -> None:
        while True:
            async with home.runtime.request(home.actor) as ctx:
                await claims.renew(ctx, claim.job.id, claim.execution.id)
            await asyncio.sleep(0.5)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()


async def test_terraform_applies_through_the_backend(home, address, tmp_path):
    workspace = await home.workspace()
    await home.terraform_job(workspace)
    claim = await home.claim("sandbox")
    run = Terraform(tmp_path / "one", address, workspace.id, claim)
    async with kept(home, claim):
        for words in (("init",), ("apply", "-auto-approve"), ("apply", "-auto-approve", "-replace=terraform_data.one")):
            code, output = await run(*words)
            assert code == 0, output
        code, output = await run("output", "-json")
    assert json.loads(output)["when"]["value"]
    async with home.runtime.request(home.org.actor) as ctx:
        assert json.loads(await workspaces.get(ctx, workspace.id))["serial"] >= 2
        assert await workspaces.lock_of(ctx, workspace.id) is None


async def test_of_two_terraforms_one_works_and_the_other_says_who(home, address, tmp_path):
    workspace = await home.workspace()
    await home.terraform_job(workspace)
    claim = await home.claim("sandbox")
    first, second = (Terraform(tmp_path / name, address, workspace.id, claim) for name in ("one", "two"))
    async with kept(home, claim):
        await asyncio.gather(first("init"), second("init"))
        working = asyncio.create_task(first("apply", "-auto-approve", "-var=seconds=3"))
        async with asyncio.timeout(10):
            while True:
                async with home.runtime.request(home.org.actor) as ctx:
                    if (held := await workspaces.lock_of(ctx, workspace.id)) is not None:
                        break
                await asyncio.sleep(0.05)
        code, output = await second("apply", "-auto-approve")
        assert code == 1
        assert held.lock_id in output
        code, output = await working
        assert code == 0, output


async def test_a_terraform_whose_lease_ended_writes_nothing(home, address, tmp_path):
    workspace = await home.workspace()
    await home.terraform_job(workspace)
    claim = await home.claim("sandbox")
    run = Terraform(tmp_path / "one", address, workspace.id, claim)
    async with kept(home, claim):
        assert (await run("init"))[0] == 0
        working = asyncio.create_task(run("apply", "-auto-approve", "-var=seconds=4"))
        await asyncio.sleep(1)
    code, output = await working  # its lease of 2 seconds ends while it works
    assert code != 0
    assert "409" in output or "stale" in output
    async with home.runtime.request(home.org.actor) as ctx:
        assert await workspaces.get(ctx, workspace.id) is None
    with pytest.raises(errors.Stale):
        async with home.runtime.request(home.actor) as ctx:
            await claims.renew(ctx, claim.job.id, claim.execution.id)
