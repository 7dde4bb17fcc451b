"""The runner API as typed calls (spec runner.md 1, and our own claims, leases and artifacts)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from exclave import __version__
from exclave.client.http import Content, Http
from exclave.kit.ids import new_id
from exclave.wire.public.runners import RunnerGroupSettings
from exclave.wire.runner import jobs as wire

_LARGEST_ARCHIVE = 1 << 30


class RunnerApi:
    """Calls of one runner. Writes are sent again when their answer is lost: the server answers an exact repeat as before."""

    def __init__(self, base_url: str, *, token: str | Callable[[], str], runner_id: str) -> None:
        self.runner_id = runner_id
        self.http = Http(base_url, token=token, headers={"X-Nuon-Client-Version": f"runner:{__version__}"})

    async def close(self) -> None:
        await self.http.close()

    async def settings(self) -> RunnerGroupSettings:
        return await self.http.get(f"/v1/runners/{self.runner_id}/settings", RunnerGroupSettings, patience=0)

    async def beat(self, body: wire.CreateRunnerHeartBeatRequest) -> None:
        await self.http.request("POST", f"/v1/runners/{self.runner_id}/heart-beats", body=body, timeout=10.0)

    async def claim(self, body: wire.ClaimRequest, *, key: str) -> wire.Claim | None:
        """Wait for a job; None when nothing came in time. Give the same key when asking again after a lost answer."""
        answer = await self.http.request(
            "POST",
            f"/v1/runners/{self.runner_id}/claims",
            body=body,
            headers={"Idempotency-Key": key},
            timeout=body.wait_seconds + 10.0,
        )
        if answer.status_code == 204:
            return None
        claim = self.http.decoded(answer, wire.Claim)
        return claim if claim.job is not None else None

    async def put_blob(self, digest: str, content: Callable[[], Content], size: int) -> None:
        await self.http.request(
            "PUT",
            f"/v1/artifacts/blobs/{digest}",
            content=content,
            headers={"Content-Length": str(size)},
            timeout=300.0,
            patience=60.0,
        )

    async def put_manifest(self, manifest: bytes) -> str:
        """Store an OCI image manifest whose blobs are there; return its digest."""
        answer = await self.http.request(
            "PUT", "/v1/artifacts/manifests", content=manifest, content_type="application/vnd.oci.image.manifest.v1+json"
        )
        return str(self.http.decoded(answer, dict)["digest"])

    async def artifact(self, digest: str, into: Path) -> None:
        """Download the files of an artifact as a tar."""
        await self.http.download(f"/v1/artifacts/{digest}/archive", into, limit=_LARGEST_ARCHIVE, patience=60.0)

    async def source(self, digest: str, into: Path) -> None:
        """Download an archive that `apps sync` uploaded, a tar.gz."""
        await self.http.download(f"/v1/sources/{digest}", into, limit=_LARGEST_ARCHIVE, patience=60.0)


class ExecutionApi:
    """Calls about one execution: each carries it, so that the server refuses with 409 what comes from one that is not current."""

    def __init__(self, api: RunnerApi, *, job_id: str, execution_id: str, token: str) -> None:
        self.api, self.job_id, self.execution_id, self.token = api, job_id, execution_id, token
        self._http = api.http
        self._path = f"/v1/runner-jobs/{job_id}/executions/{execution_id}"

    async def renew(self, *, timeout: float) -> wire.Lease:
        """Keep the job; raises Refused with status 409 when it is somebody else's."""
        return await self._http.send("POST", f"{self._path}/renew", {}, wire.Lease, idempotent=True, timeout=timeout, patience=0)

    async def status(self, status: str, *, patience: float | None = None) -> None:
        await self._http.request("PATCH", self._path, body={"status": status}, idempotent=True, timeout=10.0, patience=patience)

    async def report(self, body: wire.ReportRequest) -> None:
        """Say how it went and that it is over."""
        await self._http.request("POST", f"{self._path}/report", body=body, idempotent=True, timeout=60.0)

    async def logs(self, stream_id: str, request: bytes, *, patience: float) -> None:
        """Append records (an OTLP ExportLogsServiceRequest). The server drops what it has, by execution and `exclave.seq`."""
        await self._http.request(
            "POST",
            f"/v1/log-streams/{stream_id}/logs",
            content=request,
            content_type="application/x-protobuf",
            idempotent=True,
            timeout=15.0,
            patience=patience,
        )

    async def state(self, workspace_id: str) -> bytes:
        """Read a workspace's Terraform state with the job's own token; empty when there is none."""
        answer = await self._http.request(
            "GET",
            "/v1/terraform-backend",
            params={"workspace_id": workspace_id, "job_id": self.job_id},
            auth=(self.execution_id, self.token),
        )
        return answer.content if answer.status_code == 200 else b""

    async def state_json(self, workspace_id: str, document: bytes) -> None:
        """Store what people see of a state: `terraform show -json`, masked."""
        await self._http.request(
            "POST",
            f"/v1/terraform-workspaces/{workspace_id}/state-json",
            content=document,
            content_type="application/json",
            params={"job_id": self.job_id},
            idempotent=True,
        )

    async def action_step(self, install_id: str, run_id: str, step_id: str, status: str, nanoseconds: int) -> None:
        body: dict[str, Any] = {"status": status, "execution_duration": nanoseconds}
        await self._http.request("PUT", f"/v1/installs/{install_id}/action-workflow-runs/{run_id}/steps/{step_id}", body=body)


def fresh_key() -> str:
    """Return a key under which a call is made at most once."""
    return new_id("key")


def plan_as(plan: Any, shape: type[msgspec.Struct]) -> Any:
    """Read a plan document as its shape; raises msgspec.ValidationError that names the place."""
    return msgspec.convert(plan, shape, strict=False)
