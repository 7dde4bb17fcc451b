"""What every listener does, whatever its routes."""

import httpx
import pytest
from litestar import Litestar

import exclave
from exclave.api import contract
from tests.factories import OrgWithToken


async def test_every_operation_of_the_contract_is_served_or_says_that_it_is_planned(client: httpx.AsyncClient) -> None:
    document = (await client.get("/oapi/v3")).json()
    ours = {(method.upper(), contract.nameless(path)) for path, item in document["paths"].items() for method in item}
    assert {operation.key for operation in contract.operations("public")} <= ours


async def test_a_planned_operation_answers_501_with_its_name(client: httpx.AsyncClient) -> None:
    document = (await client.get("/oapi/v3")).json()
    planned = [
        (method, path) for path, item in document["paths"].items() for method, what in item.items() if what.get("x-status") == "planned"
    ]
    assert planned
    method, path = planned[0]
    answer = await client.request(method.upper(), path.replace("{", "").replace("}", ""))
    assert answer.status_code == 501
    assert "planned" in answer.json()["description"]


async def test_without_a_token_everything_is_401(public_app: Litestar) -> None:
    transport = httpx.ASGITransport(app=public_app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://exclave.test") as anonymous:
        for operation in contract.operations("public"):
            if operation.path.startswith(("/v1/general/config-schema", "/v1/general/cli-config", "/v1/general/cloud-platform", "/v1/vcs/")):
                continue
            if "phone-home" in operation.path:
                continue
            answer = await anonymous.request(operation.method, operation.path.replace("{", "").replace("}", ""), json={})
            assert answer.status_code == 401, operation


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere"])
async def test_an_unknown_path_is_404_with_the_error_body(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json()["user_error"] is True


async def test_health_needs_no_token_and_the_docs_load_their_script_from_here(client: httpx.AsyncClient) -> None:
    client.headers.pop("Authorization")
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200
    page = (await client.get("/docs")).text
    assert "http" not in page.replace("<!doctype html>", "").split("<body>")[1]
    assert (await client.get("/docs/assets/swagger-ui-bundle.js")).status_code == 200
    # The bundled script shows no document of another version ("Unable to render this definition").
    assert (await client.get("/docs/openapi.json")).json()["openapi"].startswith("3.0.")


async def test_a_path_says_which_methods_it_has(client: httpx.AsyncClient) -> None:
    answer = await client.options("/v1/apps")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (204, "GET, OPTIONS, POST", b"")
    assert (await client.options("/v1/apps/anything")).headers["allow"] == "DELETE, GET, OPTIONS, PATCH"
    refused = await client.put("/v1/apps", json={})
    assert refused.status_code == 405
    assert "not with this method" in refused.json()["description"]


async def test_a_browser_of_another_origin_is_told_what_it_may(client: httpx.AsyncClient) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "PATCH"}
    answer = await client.options("/v1/apps/anything", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] in ("*", "https://elsewhere.example")
    assert "PATCH" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize("path", ["/livez", "/v1/account", "/v1/apps/nowhere", "/v1/releases/planned", "/nowhere"])
async def test_every_answer_says_which_version_gave_it(client: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "PUT"):
        assert (await client.request(method, path)).headers["x-nuon-api-version"] == exclave.__version__


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic !!!", "Basic dXNlcjo="])
async def test_the_token_in_the_query_counts_where_the_header_has_none(client: httpx.AsyncClient, org: OrgWithToken, header: str) -> None:
    client.headers.pop("Authorization")
    headers = {} if header is None else {"Authorization": header}
    assert (await client.get(f"/v1/account?token={org.token}", headers=headers)).status_code == 200
    assert (await client.get(f"/v1/account?token={org.token}", headers={"Authorization": "Bearer other"})).status_code == 401
