"""An app's directory is uploaded, checked, and stored once."""

import hashlib

import httpx

from exclave.domain.artifacts import rules
from tests.api import syncing
from tests.api.syncing import said


async def test_an_upload_is_answered_with_its_digest_size_and_files_and_twice_is_the_same(client: httpx.AsyncClient) -> None:
    app = (await syncing.app(client))["id"]
    body = syncing.packed({"main.tf": syncing.MAIN_TF, "a/b.tf": b"#"})
    answers = [await said(await client.post(f"/v1/apps/{app}/sources", content=body), 201) for _ in range(2)]
    assert answers[0] == {"digest": "sha256:" + hashlib.sha256(body).hexdigest(), "size": len(body), "files": 2}
    assert answers[0] == answers[1]


async def test_an_upload_for_an_unknown_app_or_by_a_stranger_is_404(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    app = (await syncing.app(client))["id"]
    body = syncing.packed({"main.tf": b"#"})
    await said(await client.post("/v1/apps/nowhere/sources", content=body), 404)
    await said(await stranger.post(f"/v1/apps/{app}/sources", content=body), 404)


async def test_a_stranger_who_knows_the_digest_cannot_use_the_source(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    archive = await syncing.upload(client, (await syncing.app(client))["id"])
    app = (await syncing.app(stranger, "theirs"))["id"]
    sandbox = {
        "terraform_version": "1.11.4",
        "variables": {},
        "env_vars": {},
        "public_git_vcs_config": syncing.source("sandbox", archive),
    }
    refused = await said(await stranger.post(f"/v1/apps/{app}/sandbox-configs", json=sandbox), 400)
    assert "was not uploaded in this org" in refused["description"]


async def test_what_is_no_archive_is_400_and_what_is_too_large_413(client: httpx.AsyncClient) -> None:
    app = (await syncing.app(client))["id"]
    await said(await client.post(f"/v1/apps/{app}/sources", content=b"hello"), 400)
    await said(await client.post(f"/v1/apps/{app}/sources", content=b""), 400)
    huge = {"Content-Length": str(rules.SOURCE_LIMIT + 1)}
    await said(await client.post(f"/v1/apps/{app}/sources", content=b"x", headers=huge), 413)
