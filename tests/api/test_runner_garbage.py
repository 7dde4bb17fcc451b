"""No request to the runner API, however wrong, is answered with 500: asked with the token of a runner, of a job, and with none that is one.

The ids are those of a job that runs, so that wrong results, outputs, logs and states reach what reads them.
"""

import base64
import dataclasses
from dataclasses import dataclass

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from sqlalchemy import text

from exclave.api import runner
from exclave.api.app import listener
from exclave.domain.artifacts import service as artifacts
from exclave.domain.jobs import claims
from exclave.domain.runners import service as runners
from exclave.server import wiring
from tests import conftest, factories
from tests.api import garbage
from tests.domain.logs.otlp import export
from tests.domain.runners.fleet import fleet
from tests.factories_full_run import everything_around_a_run

DOCUMENT = wiring.document("runner")
OPERATIONS = garbage.operations(DOCUMENT)

DEEP = b"[" * 5_000 + b"]" * 5_000
VALUES = [
    b"null", b"[]", b"1", b'"a"', b"true", b"{", b"{}", b'{"a": 1, "a": 2}', b'{"": ""}', b'{"a": ' + DEEP + b"}", b"[" * 5_000,
    b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 1e-999999999}', b'{"a": ' + b"9" * 5_000 + b"}", b'{"a": "' + b"x" * 100_000 + b'"}',
    b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'{"a": "\\ud800"}', b'{"\\udfff": 1}', b'{"a": "\xff"}', b'{"\xff": 1}', b'{"a": "\x00"}',
    b'{"a": [1, {"b": "\\ud800\\ud800"}]}',
]  # fmt: skip
TEXTS = ["", "a", "\x00", "%%%", "____", "-" * 4, "é", "H4sIAAAA", base64.b64encode(b"\x1f\x8b").decode(), "\n", "=" * 8]
RESULTS = [
    *(b'{"%b": %b}' % (field, value) for field in (b"contents_display", b"error_metadata", b"success", b"error_code") for value in VALUES),
    *(
        b'{"%b": "%b"}' % (field, text.encode().replace(b"\x00", b"\\u0000").replace(b"\n", b"\\n"))
        for field in (b"contents", b"contents_compressed", b"contents_display_compressed")
        for text in TEXTS
    ),
]
OUTPUTS = [
    *(b'{"outputs": %b}' % value for value in VALUES),
    *(b'{"outputs": %b, "sensitive": ["a", "", "\\u0000"]}' % value for value in VALUES),
    *(b'{"outputs": {"a": 1}, "sensitive": %b}' % value for value in VALUES),
]
STATES = [
    *VALUES,
    *(
        b'{"version": %b, "serial": %b, "lineage": %b}' % numbers
        for numbers in (
            *((b"4", serial, b'"a"') for serial in (b"-1", b"1e3", b"9223372036854775808", b"9" * 30, b'"1"', b"1.5")),
            *((version, b"1", b'"a"') for version in (b"-1", b"null", b"9" * 30)),
            *((b"4", b"1", lineage) for lineage in (b'"\\u0000"', b'"\\ud800"', b'"\xff"', b'"' + b"x" * 100_000 + b'"')),
        )
    ),
    b'{"version": 4, "serial": 1, "lineage": "a", "resources": ' + DEEP + b"}",
]
LOCKS = [
    *VALUES,
    *(b'{"ID": %b}' % value for value in (b"1", b"null", b"[]", b'"\\u0000"', b'"\\ud800"', b'"' + b"x" * 100_000 + b'"')),
    b'{"ID": "a", "Who": "\\u0000", "Operation": {"a": []}, "Created": 1}',
    b'{"ID": "a", "id": "b", "iD": ""}',
]
MANIFESTS = [
    *VALUES,
    *(b'{"config": %b, "layers": [%b]}' % (value, value) for value in VALUES),
    *(b'{"config": {"digest": "%b"}, "layers": []}' % digest for digest in (b"", b"\\u0000", b"sha256:..", b"x" * 10_000)),
    b'{"config": {"digest": "a"}, "layers": [{"digest": "b", "annotations": {"org.opencontainers.image.title": "../../a\\u0000"}}]}',
]


def exports() -> list[bytes]:
    """Log exports that are none, and some whose values are hostile."""
    whole = export(["one", "two\x00"], execution_id="exe" + "0" * 23)
    hostile = [
        whole[:-1],
        whole + b"\xff",
        whole * 50,
        b"\x0a\xff\xff\xff\xff\x0f",
        bytes(range(256)),
        b"\x0a" * 1000,
        b"\x1f\x8b\x08",
        b"{}",
    ]
    for number in ("²", "٣", "9" * 5_000, "-1", "", "1" + "0" * 19, "\x00"):
        request = ExportLogsServiceRequest()
        record = request.resource_logs.add().scope_logs.add().log_records.add()
        record.time_unix_nano, record.observed_time_unix_nano, record.severity_number = 2**64 - 1, 0, -(2**31)
        attribute = record.attributes.add()
        attribute.key, attribute.value.string_value = "exclave.seq", number
        hostile.append(request.SerializeToString())
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    for key in ("runner_job_execution.id", "runner.id", "service.name", "\x00"):
        attribute = group.resource.attributes.add()
        attribute.key, attribute.value.string_value = key, "\x00\ufffe" * 50
    for double in (float("nan"), float("inf"), 1e308):
        record = group.scope_logs.add().log_records.add()
        record.trace_id, record.span_id, record.severity_number = b"\xff" * 500, b"\x00", 2**31 - 1
        value = record.body
        for depth in range(30):
            value = value.array_value.values.add() if depth % 2 else value.kvlist_value.values.add(key="\x00").value
        value.double_value = double
        record.attributes.add(key="bytes").value.bytes_value = b"\x00\xff"
    return [*hostile, request.SerializeToString()]


@dataclass
class Ground:
    """A runner of an install in which one of everything exists, and a job of it that runs."""

    ids: dict[str, str]
    token: str
    job_token: str

    @property
    def execution(self) -> str:
        return "/v1/runner-jobs/{runner_job_id}/executions/{runner_job_execution_id}".format(**self.ids)


@pytest.fixture(scope="module")
def runtime(database, tmp_path_factory):
    """One whose leases last as long as these tests."""
    return conftest.make_runtime(database, tmp_path_factory.mktemp("blobs"), lease_seconds=3600.0)


@pytest.fixture(scope="module")
def app(runtime):
    return listener("runner", runner.ROUTES, runtime)


@pytest.fixture(scope="module")
async def ground(runtime):
    org = await factories.org(runtime)
    other, made = await fleet(runtime, org), await everything_around_a_run(runtime, org)
    async with runtime.sweep(org.actor) as ctx:
        await ctx.db.execute(text("update install_action_workflow_runs set status = 'in-progress' where org_id = :org"), {"org": org.id})
        row = await runners.of_install(ctx, made.install_id)
        await runners.provision(ctx, row)
        home = dataclasses.replace(other, runner=row, token=await runners.mint_token(ctx, row))
        run = "select id, install_action_workflow_run_id from install_action_workflow_run_steps where org_id = :org order by id limit 1"
        step_id, run_id = (await ctx.db.execute(text(run), {"org": org.id})).one()
    workspace = await home.workspace()
    await home.terraform_job(workspace)
    claim = await home.claim()
    waiting = await home.job()
    digest = runtime.blobs.put(b"a blob")
    async with runtime.request(org.actor) as ctx:
        await artifacts.record_blob(ctx, digest, 6, "layer")
    ids = {
        "runner_id": row.id,
        "runner_job_id": claim.job.id,
        "runner_job_execution_id": claim.execution.id,
        "job_id": waiting.id,
        "log_stream_id": claim.job.log_stream_id,
        "workspace_id": workspace.id,
        "install_id": made.install_id,
        "workflow_run_id": run_id,
        "run_id": run_id,
        "step_id": step_id,
        "digest": digest,
    }
    return Ground(ids, home.token, claim.lease.token)


@pytest.fixture
async def client(app, ground, monkeypatch):
    """A client with the token of the runner."""
    monkeypatch.setattr(claims, "LONGEST_WAIT", 0.0)  # no garbage waits for a job
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {ground.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://exclave.test", headers=headers) as made:
        yield made


@pytest.mark.parametrize("whose", ["runner", "job"])
@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
async def test_garbage_is_never_answered_with_500(client, ground, method, path, operation, whose):
    if whose == "job":
        client.headers["Authorization"] = f"Bearer {ground.job_token}"
    asked = garbage.requests(DOCUMENT, path, operation, ground.ids)
    media = next(iter(operation.get("requestBody", {"content": ["application/json"]})["content"]))
    await garbage.assert_never_500(client, method, asked, media=media)


async def ask(client: httpx.AsyncClient, method: str, path: str, bodies: list[bytes], *, media: str = "application/json") -> None:
    await garbage.assert_never_500(client, method, [(path, body) for body in [*garbage.RAW, *bodies]], media=media)


async def test_a_result_that_is_none(client, ground):
    await ask(client, "POST", ground.execution + "/result", RESULTS)


async def test_outputs_that_are_none(client, ground):
    await ask(client, "POST", ground.execution + "/outputs", OUTPUTS)


async def test_logs_that_are_none(client, ground):
    path = "/v1/log-streams/{log_stream_id}/logs".format(**ground.ids)
    for encoding in ("", "gzip", "br", "%00"):
        client.headers["Content-Encoding"] = encoding
        await ask(client, "POST", path, exports(), media="application/x-protobuf")


async def test_a_state_that_is_none(client, ground):
    query = "workspace_id={workspace_id}&job_id={runner_job_id}".format(**ground.ids)
    for token in (ground.token, ground.job_token):
        client.headers["Authorization"] = f"Bearer {token}"
        for more in ("", "&ID=a", "&ID=%00", "&ID=%ff"):
            await ask(client, "POST", f"/v1/terraform-backend?{query}{more}", STATES)


@pytest.mark.parametrize("verb", ["lock", "unlock", "state-json"])
async def test_a_lock_or_a_document_that_is_none(client, ground, verb):
    path = "/v1/terraform-workspaces/{workspace_id}/{verb}?job_id={runner_job_id}".format(verb=verb, **ground.ids)
    for token in (ground.token, ground.job_token):
        client.headers["Authorization"] = f"Bearer {token}"
        await ask(client, "POST", path, LOCKS)


async def test_a_manifest_or_a_blob_that_is_none(client, ground):
    await ask(client, "PUT", "/v1/artifacts/manifests", MANIFESTS)
    for digest in (ground.ids["digest"], "sha256:" + "0" * 64, "..%2f..", "%00"):
        await ask(client, "PUT", f"/v1/artifacts/blobs/{digest}", [b"a blob"])


CREDENTIALS = [
    b"Bearer \xff\xfe",
    b"Basic !!!",
    b"Basic",
    b"Basic " + base64.b64encode(b"\xff:\xff"),
    b"\xe9" * 9_000,
    b"Bearer {{.}}",
    b"a b c",
]


@pytest.mark.parametrize("credentials", CREDENTIALS)
async def test_credentials_that_are_garbage_are_401(client, ground, credentials):
    for path in ("/v1/runners/{runner_id}/settings", "/v1/terraform-backend?workspace_id={workspace_id}"):
        answer = await client.get(path.format(**ground.ids), headers={"Authorization": credentials})
        assert answer.status_code == 401
        assert answer.json()["description"]


@pytest.mark.parametrize(("method", "path", "operation"), [each for each in OPERATIONS if each.values[1].startswith("/v1/")])
async def test_a_method_that_a_path_does_not_have_is_405(client, method, path, operation):
    real = path.format(**dict.fromkeys((p["name"] for p in operation["parameters"] if p["in"] == "path"), "x" * 26))
    for wrong in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - {known.upper() for known in DOCUMENT["paths"][path]}:
        answer = await client.request(wrong, real)
        assert answer.status_code == 405, (wrong, answer.text)
        assert "method" in answer.json()["description"]


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/runners", "/v1//", "/%00", "/v1/runner-jobs/a/b/c/d"])
async def test_a_path_that_is_not_there_is_404(client, path):
    answer = await client.get(path)
    assert (answer.status_code, bool(answer.json()["description"])) == (404, True)


async def test_a_body_over_the_limit_is_413(client, ground):
    async def endless():
        for _ in range(3_000):
            yield b"x" * 100_000

    paths = ["/v1/runners/{runner_id}/claims", "/v1/log-streams/{log_stream_id}/logs", "/v1/terraform-backend?workspace_id={workspace_id}"]
    for path in [*(path.format(**ground.ids) for path in paths), ground.execution + "/result"]:
        answer = await client.post(path, content=endless())
        assert answer.status_code == 413, (path, answer.text)
