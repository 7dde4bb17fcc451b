"""The sync protocol as a client speaks it, so that a test says only what it is about."""

import gzip
import io
import secrets
import tarfile
from typing import Any

import httpx

from exclave.domain.apps.events import AppMayDelete, RunnerConfigCreated
from exclave.domain.builds import service as builds
from exclave.domain.components.events import ComponentAdded, ComponentConfigured, ComponentMayDelete
from exclave.domain.installs import subscriptions as installs
from exclave.kit.context import Runtime

MAIN_TF = b'output "greeting" { value = "hello" }\n'


def listening(runtime: Runtime) -> None:
    """Let the slices above listen, as `server/wiring.py` does. A listener that is there already is not added again."""
    wanted = (
        (ComponentConfigured, builds.on_component_configured),
        (ComponentAdded, installs.on_component_added),
        (RunnerConfigCreated, installs.on_runner_config_created),
        (AppMayDelete, installs.on_app_may_delete),
        (ComponentMayDelete, installs.on_component_may_delete),
    )
    for kind, handler in wanted:
        if handler not in runtime.events._handlers[kind]:
            runtime.events.subscribe(kind, handler)


def packed(files: dict[str, bytes]) -> bytes:
    """A tar.gz of these files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


async def said(answer: httpx.Response, status: int) -> Any:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


async def app(client: httpx.AsyncClient, name: str = "hello") -> dict[str, Any]:
    return await said(await client.post("/v1/apps", json={"name": name}), 201)


async def config(client: httpx.AsyncClient, app_id: str) -> dict[str, Any]:
    return await said(await client.post(f"/v1/apps/{app_id}/config", json={"readme": "", "cli_version": "development"}), 201)


async def upload(client: httpx.AsyncClient, app_id: str, files: dict[str, bytes] | None = None) -> str:
    body = packed(files or {"sandbox/main.tf": MAIN_TF, "web/main.tf": MAIN_TF, "db/main.tf": MAIN_TF})
    return (await said(await client.post(f"/v1/apps/{app_id}/sources", content=body), 201))["digest"]


def source(directory: str, archive: str) -> dict[str, str]:
    return {"repo": "./", "directory": directory, "branch": "", "archive": archive}


async def component(client: httpx.AsyncClient, app_id: str, name: str) -> dict[str, Any]:
    return await said(await client.post(f"/v1/apps/{app_id}/components", json={"name": name, "dependencies": None}), 201)


async def configure(
    client: httpx.AsyncClient, component_id: str, config_id: str, archive: str, *, needs: tuple[str, ...] = (), checksum: str = "c1",
    directory: str = "web",
) -> dict[str, Any]:  # fmt: skip
    body = {
        "app_config_id": config_id,
        "version": "1.11.4",
        "variables": {"who": "{{.nuon.inputs.inputs.who}}"},
        "env_vars": {},
        "dependencies": list(needs),
        "references": None,
        "checksum": checksum,
        "public_git_vcs_config": source(directory, archive),
    }
    return await said(await client.post(f"/v1/components/{component_id}/configs/terraform-module", json=body), 201)


async def finish(client: httpx.AsyncClient, app_id: str, config_id: str, component_ids: list[str]) -> dict[str, Any]:
    body = {"status": "active", "status_description": "successfully synced config", "state": "{}", "component_ids": component_ids}
    return await said(await client.patch(f"/v1/apps/{app_id}/config/{config_id}", json=body), 201)


def unique(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(4)}"
