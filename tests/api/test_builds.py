"""A component's config becomes an artifact: queued by the sync, made by the org's runner, kept by digest."""

import asyncio
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from exclave.domain.builds import service as builds
from exclave.domain.builds.definition import build
from exclave.domain.builds.events import BuildFinished
from exclave.domain.builds.steps import Run
from exclave.domain.jobs.events import JobFinished
from exclave.domain.orgs.models import Policy, Role
from exclave.domain.runners import service as runners
from exclave.engine import service as engine
from exclave.engine.definition import Registry
from exclave.engine.loop import Loop
from exclave.kit.context import Ctx, Runtime
from tests import factories
from tests.api import syncing
from tests.api.syncing import said


async def _look_again(ctx: Ctx, event: JobFinished) -> None:
    await engine.wake_waiting(ctx, event.job_id)


@pytest.fixture(autouse=True)
def _listening(runtime: Runtime) -> None:
    syncing.listening(runtime)
    # The wiring of the server listens to this as well; twice is once.
    if _look_again not in runtime.events._handlers[JobFinished]:
        runtime.events.subscribe(JobFinished, _look_again)


@pytest.fixture
async def loop(runtime: Runtime) -> Loop:
    async with runtime.sweep() as ctx:  # what other tests left, of types unknown here, has its whole batch rolled back and told once more
        await ctx.db.execute(text("delete from wakeup"))
    registry = Registry()
    registry.define(builds.WORKFLOW, build)
    registry.handle("build.run", Run())
    return Loop(runtime, registry)


async def advance(loop: Loop) -> None:
    """Advance what is due. Workflows that other tests left behind, of types that are not registered here, do not matter."""
    for _ in range(500):
        if not await loop.once():
            return


@dataclass
class BuildRunner:
    """The far end: what a runner says over the runner API, with a module of one file."""

    id: str
    http: httpx.AsyncClient
    files: dict[str, bytes]

    async def claim(self) -> dict[str, Any] | None:
        body = {"groups": ["build"], "process": "build", "wait_seconds": 0}
        answer = await self.http.post(f"/v1/runners/{self.id}/claims", json=body)
        return None if answer.status_code == 204 else await said(answer, 200)

    async def push(self) -> tuple[str, int]:
        """Put every file as a blob, then the manifest; return the manifest's digest and size."""
        layers = []
        for name, content in {"": b"{}", **self.files}.items():
            digest = "sha256:" + hashlib.sha256(content).hexdigest()
            await said(await self.http.put(f"/v1/artifacts/blobs/{digest}", content=content), 200)
            layers.append({"digest": digest, "size": len(content), "annotations": {"org.opencontainers.image.title": name}})
        config, *files = layers
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "artifact/nuon", "digest": config["digest"], "size": 2},
            "layers": files,
        }
        data = json.dumps(manifest).encode()
        stored = await said(await self.http.put("/v1/artifacts/manifests", content=data), 200)
        assert stored["digest"] == "sha256:" + hashlib.sha256(data).hexdigest()
        return stored["digest"], len(data)

    async def deliver(self, claim: dict[str, Any], outputs: dict[str, Any]) -> None:
        path = f"/v1/runner-jobs/{claim['job']['id']}/executions/{claim['execution']['id']}"
        await said(await self.http.post(f"{path}/outputs", json={"outputs": outputs}), 201)
        await said(await self.http.post(f"{path}/result", json={"success": True}), 201)
        await said(await self.http.patch(path, json={"status": "finished"}), 200)

    async def fail(self, claim: dict[str, Any], message: str) -> None:
        path = f"/v1/runner-jobs/{claim['job']['id']}/executions/{claim['execution']['id']}"
        result = {"success": False, "error_code": 1, "error_metadata": {"message": message}}
        await said(await self.http.post(f"{path}/result", json=result), 201)
        await said(await self.http.patch(path, json={"status": "failed"}), 200)


async def _provisioned(runtime: Runtime, org: factories.OrgWithToken) -> tuple[str, str]:
    """The id and token of an org's build runner."""
    async with runtime.sweep(org.actor) as ctx:
        role = Role(org_id=org.id, role_type="runner")
        ctx.db.add(role)
        await ctx.db.flush()
        ctx.db.add(Policy(org_id=org.id, role_id=role.id, name="admin", permissions={org.id: "all"}))
        await runners.group_for_org(ctx, org.id)
        row = await runners.of_org(ctx, org.id)
        await runners.provision(ctx, row)
        return row.id, await runners.mint_token(ctx, row)


@pytest.fixture
async def runner(runtime: Runtime, org: factories.OrgWithToken, runner_client_of: Any) -> Any:
    runner_id, token = await _provisioned(runtime, org)
    async with runner_client_of(token) as http:
        yield BuildRunner(runner_id, http, {"main.tf": syncing.MAIN_TF, "modules/a/main.tf": b"# nothing\n"})


async def _configured(client: httpx.AsyncClient, *, name: str = "web", app: str = "hello") -> tuple[str, str, str, str]:
    app_id = (await syncing.app(client, app))["id"]
    config = (await syncing.config(client, app_id))["id"]
    archive = await syncing.upload(client, app_id)
    component = (await syncing.component(client, app_id, name))["id"]
    await syncing.configure(client, component, config, archive)
    return app_id, config, archive, component


async def _latest(client: httpx.AsyncClient, component: str) -> dict[str, Any]:
    found: dict[str, Any] = await said(await client.get(f"/v1/components/{component}/builds/latest"), 200)
    return found


async def test_a_config_becomes_an_active_build_with_the_artifact_that_the_runner_pushed(
    client: httpx.AsyncClient, runtime: Runtime, org: factories.OrgWithToken, runner: BuildRunner, loop: Loop
) -> None:
    told: list[str] = []

    async def note(_ctx: Ctx, event: BuildFinished) -> None:
        told.append(event.build_id)

    runtime.events.subscribe(BuildFinished, note)
    app_id, _, archive, component = await _configured(client)
    await advance(loop)
    build = await _latest(client, component)
    assert build["status"] == "building"
    claim = await runner.claim()
    assert claim is not None
    assert (claim["job"]["type"], claim["job"]["operation"]) == ("terraform-module-build", "build")
    plan = claim["plan"]
    assert plan["source"] == {"artifact": None, "archive": archive, "git": None, "path": "web"}
    assert (plan["component_id"], plan["component_build_id"], plan["dst_tag"]) == (component, build["id"], build["id"])
    fetched = await runner.http.get(f"/v1/sources/{archive}")
    with tarfile.open(fileobj=io.BytesIO(fetched.content), mode="r:gz") as tar:
        assert "web/main.tf" in tar.getnames()
    digest, size = await runner.push()
    await runner.deliver(
        claim,
        {
            "image": {"tag": build["id"], "media_type": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size},
            "commit": {"sha": "0" * 39 + "1", "author_name": "Ada", "author_email": "ada@example.com", "message": "first"},
        },
    )
    await advance(loop)
    build = await said(await client.get(f"/v1/apps/{app_id}/components/{component}/builds/{build['id']}"), 200)
    assert (build["status"], build["status_description"]) == ("active", "build is active and ready to be deployed")
    assert [each["status"] for each in build["status_v2"]["history"]] == ["queued", "planning", "building"]
    assert build["vcs_connection_commit"]["sha"] == "0" * 39 + "1"
    assert (build["vcs_connection_commit"]["author_name"], build["vcs_connection_commit"]["message"]) == ("Ada", "first")
    assert build["runner_job"]["id"] == claim["job"]["id"]
    assert build["created_by"]["email"] == org.actor.email
    assert told.count(build["id"]) == 1
    unpacked = await runner.http.get(f"/v1/artifacts/{digest}/archive")
    with tarfile.open(fileobj=io.BytesIO(unpacked.content), mode="r:") as tar:
        files = {name: member.read() for name in tar.getnames() if (member := tar.extractfile(name)) is not None}
    assert files == runner.files


async def test_the_artifact_is_kept_with_its_digest_and_size(
    client: httpx.AsyncClient, runtime: Runtime, org: factories.OrgWithToken, runner: BuildRunner, loop: Loop
) -> None:
    from exclave.domain.artifacts import service as artifacts

    _, _, _, component = await _configured(client)
    await advance(loop)
    claim = await runner.claim()
    assert claim is not None
    digest, size = await runner.push()
    await runner.deliver(claim, {"image": {"tag": "t", "digest": digest, "media_type": "made/up", "size": 1}})
    await advance(loop)
    async with runtime.request(org.actor) as ctx:
        artifact = await artifacts.artifact_of(ctx, (await _latest(client, component))["id"])
    assert artifact is not None
    assert (artifact.digest, artifact.size, artifact.artifact_type) == (digest, size, "artifact/nuon")
    assert artifact.media_type == "application/vnd.oci.image.manifest.v1+json", "the stored manifest speaks, not the runner"


async def test_a_failed_build_says_why(client: httpx.AsyncClient, runner: BuildRunner, loop: Loop) -> None:
    _, _, _, component = await _configured(client)
    await advance(loop)
    claim = await runner.claim()
    assert claim is not None
    await runner.fail(claim, "the source holds no Terraform file in 'web'")
    await advance(loop)
    build = await _latest(client, component)
    assert (build["status"], build["status_v2"]["status"]) == ("error", "error")
    assert build["status_description"] == "build failed: the source holds no Terraform file in 'web'"


async def test_an_equal_source_is_not_built_twice(client: httpx.AsyncClient, runner: BuildRunner, loop: Loop) -> None:
    app_id, _, archive, component = await _configured(client)
    await advance(loop)
    first = await _latest(client, component)
    claim = await runner.claim()
    assert claim is not None
    digest, size = await runner.push()
    await runner.deliver(claim, {"image": {"tag": first["id"], "digest": digest, "size": size}})
    await advance(loop)
    second = (await syncing.config(client, app_id))["id"]
    await syncing.configure(client, component, second, archive, checksum="c2")
    again = await _latest(client, component)
    assert again["id"] != first["id"]
    assert again["status"] == "active"
    assert again["status_description"] == f"reused the artifact of build {first['id']}: its source is the same"
    await syncing.configure(client, component, second, archive, checksum="c3", directory="db")
    assert (await _latest(client, component))["status"] == "queued", "another directory is another content"
    other = await syncing.upload(client, app_id, {"web/main.tf": b"# changed\n"})
    await syncing.configure(client, component, second, other, checksum="c4")
    assert (await _latest(client, component))["status"] == "queued", "another archive is another content"


async def test_an_error_is_never_reused(client: httpx.AsyncClient, runner: BuildRunner, loop: Loop) -> None:
    _, config, archive, component = await _configured(client)
    await advance(loop)
    claim = await runner.claim()
    assert claim is not None
    await runner.fail(claim, "no")
    await advance(loop)
    await syncing.configure(client, component, config, archive, checksum="c2")
    assert (await _latest(client, component))["status"] == "queued"


async def test_without_a_runner_a_build_ends_with_the_reason(client: httpx.AsyncClient, loop: Loop) -> None:
    _, _, _, component = await _configured(client)
    await advance(loop)
    build = await _latest(client, component)
    assert build["status"] == "error"
    assert "has no runner" in build["status_description"]


async def test_what_has_nothing_to_build_is_active_at_once(client: httpx.AsyncClient) -> None:
    app_id = (await syncing.app(client))["id"]
    config = (await syncing.config(client, app_id))["id"]
    component = (await syncing.component(client, app_id, "namespace"))["id"]
    body = {"app_config_id": config, "manifest": "kind: Namespace", "namespace": "a", "references": None, "checksum": "x"}
    block = await said(await client.post(f"/v1/components/{component}/configs/kubernetes-manifest", json=body), 201)
    assert block["manifest"] == "kind: Namespace"
    assert (await _latest(client, component))["status"] == "active"


async def test_builds_are_listed_newest_first_and_built_again_on_request(client: httpx.AsyncClient, runner: BuildRunner) -> None:
    app_id, _, _, component = await _configured(client)
    wrong = await said(await client.post(f"/v1/apps/{app_id}/components/web/builds", json={}), 400)
    assert "git_ref" in wrong["description"]
    again = await said(await client.post(f"/v1/apps/{app_id}/components/web/builds", json={"use_latest": True}), 201)
    both = await said(await client.get(f"/v1/builds?component_id={component}"), 200)
    assert len(both) == 2
    assert both[0]["id"] == again["id"]
    assert both[0]["component_name"] == "web"
    everything = await said(await client.post(f"/v1/apps/{app_id}/components/build-all", json={}), 201)
    assert len(everything) == 1
    page = await client.get(f"/v1/apps/{app_id}/components/web/builds?limit=2")
    assert (len(page.json()), page.headers["x-nuon-page-next"]) == (2, "true")


async def test_a_component_without_a_config_is_not_built(client: httpx.AsyncClient) -> None:
    app_id = (await syncing.app(client))["id"]
    await syncing.component(client, app_id, "web")
    refused = await said(await client.post(f"/v1/apps/{app_id}/components/web/builds", json={"use_latest": True}), 400)
    assert "has no config yet" in refused["description"]


async def test_another_orgs_runner_reads_neither_source_nor_artifact(
    client: httpx.AsyncClient, runtime: Runtime, runner: BuildRunner, runner_client_of: Any
) -> None:
    app_id = (await syncing.app(client))["id"]
    archive = await syncing.upload(client, app_id)
    digest, _ = await runner.push()
    stranger = await factories.org(runtime)
    _, token = await _provisioned(runtime, stranger)
    async with runner_client_of(token) as http:
        await said(await http.get(f"/v1/sources/{archive}"), 404)
        await said(await http.get(f"/v1/artifacts/{digest}/archive"), 404)


async def test_a_blob_with_another_digest_or_a_manifest_without_its_blobs_is_refused(runner: BuildRunner) -> None:
    wrong = await said(await runner.http.put("/v1/artifacts/blobs/sha256:" + "0" * 64, content=b"abc"), 400)
    assert hashlib.sha256(b"abc").hexdigest() in wrong["description"]
    missing = "sha256:" + hashlib.sha256(b"never put").hexdigest()
    manifest = {"config": {"digest": missing, "size": 2}, "layers": []}
    refused = await said(await runner.http.put("/v1/artifacts/manifests", content=json.dumps(manifest).encode()), 400)
    assert missing in refused["description"]
    await said(await runner.http.put("/v1/artifacts/manifests", content=b"[]"), 400)


async def test_a_build_is_watched_without_asking_again_and_again(client, stranger, runtime, org):
    """The answer comes with the end of the build, long before the re-poll that heals a lost hint."""
    made = await syncing.app(client)
    synced = await syncing.config(client, made["id"])
    component = await said(await client.post(f"/v1/apps/{made['id']}/components", json={"name": "web", "dependencies": None}), 201)
    body = {"app_config_id": synced["id"], "image_url": "nginx", "tag": "1"}
    await said(await client.post(f"/v1/components/{component['id']}/configs/external-image", json=body), 201)
    build = await said(await client.get(f"/v1/components/{component['id']}/builds/latest"), 200)
    assert (await stranger.get(f"/v1/builds/{build['id']}/watch")).status_code == 404
    watching = asyncio.create_task(client.get(f"/v1/builds/{build['id']}/watch"))
    await asyncio.sleep(0.2)
    assert not watching.done()
    async with runtime.request(org.actor) as ctx:
        await builds.finish(ctx, await builds.get(ctx, build["id"]), "error", "it does not compile")
    answer = await said(await asyncio.wait_for(watching, 3), 200)
    assert answer["status_description"] == "it does not compile"
