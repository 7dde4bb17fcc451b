"""Reading and following logs over HTTP."""

import asyncio
import json
import socket

import httpx
import pytest
import uvicorn

from exclave.domain.jobs import logs as job_logs
from exclave.domain.logs import service as logs
from exclave.kit.context import Runtime
from tests.domain.logs.otlp import export
from tests.domain.runners.fleet import Fleet, fleet


@pytest.fixture
async def home(runtime: Runtime, org) -> Fleet:
    return await fleet(runtime, org)


async def write(home: Fleet, stream_id: str, lines: list[str], first_seq: int = 1) -> None:
    async with home.runtime.request(home.actor) as ctx:
        await job_logs.write(ctx, stream_id, export(lines, first_seq=first_seq, timestamp=10**18 + first_seq))


async def close(home: Fleet, stream_id: str) -> None:
    async with home.runtime.request(home.org.actor) as ctx:
        logs.close(ctx, await logs.get(ctx, stream_id))


@pytest.fixture
async def address(public_app):
    """The public API on a real port: a stream of events cannot be read from a transport that waits for its end."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(public_app, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


async def test_pages_by_cursor_give_every_line_once(home, client):
    stream = (await home.job()).log_stream_id
    await write(home, stream, [f"line {n}" for n in range(230)])
    found, cursor = [], ""
    while True:
        answer = await client.get(f"/v1/log-streams/{stream}/logs", headers={"X-Nuon-API-Offset": cursor})
        assert answer.status_code == 200
        assert (answer.headers["count"], answer.headers["range-units"]) == ("230", "items")
        found += [record["body"] for record in answer.json()]
        cursor = answer.headers["x-nuon-api-next"]
        if not cursor:
            break
    assert found == [f"line {n}" for n in range(230)]


async def test_a_record_has_the_fields_of_the_contract(home, client):
    stream = (await home.job()).log_stream_id
    await write(home, stream, ["hello"])
    (record,) = (await client.get(f"/v1/log-streams/{stream}/logs")).json()
    assert len(record["id"]) == 26
    assert record["severity_text"] == "INFO"
    assert record["service_name"] == "runner"
    assert record["timestamp"] == "2001-09-09T01:46:40.000000001Z"
    assert record["resource_attributes"] == {"service.name": "runner"}


async def test_the_newest_first(home, client):
    stream = (await home.job()).log_stream_id
    await write(home, stream, [f"{n}" for n in range(150)])
    answer = await client.get(f"/v1/log-streams/{stream}/logs", params={"order": "desc"})
    assert [record["body"] for record in answer.json()] == [f"{n}" for n in range(149, 49, -1)]


async def test_a_nonsense_cursor_is_the_callers_mistake(home, client):
    stream = (await home.job()).log_stream_id
    assert (await client.get(f"/v1/log-streams/{stream}/logs", headers={"X-Nuon-API-Offset": "abc"})).status_code == 400


async def test_streams_of_others_do_not_exist(home, stranger):
    stream = (await home.job()).log_stream_id
    for path in ("", "/logs", "/logs/tail"):
        assert (await stranger.get(f"/v1/log-streams/{stream}{path}")).status_code == 404


async def test_a_stream_is_shown_without_a_token(home, client):
    stream = (await home.job()).log_stream_id
    shown = (await client.get(f"/v1/log-streams/{stream}")).json()
    assert shown["open"] is True
    assert "write_token" not in shown


async def events(response: httpx.Response):
    """Server-sent events as (id, event, data)."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line and fields:
            yield fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


async def test_a_tail_is_live_and_resumes_without_a_gap(home, address):
    stream = (await home.job()).log_stream_id
    await write(home, stream, ["0", "1"], 1)
    headers = {"Authorization": f"Bearer {home.org.token}", "Accept-Encoding": "identity"}
    seen: list[str] = []
    last = ""
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=10) as client:
        async with client.stream("GET", f"/v1/log-streams/{stream}/logs/tail") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async for cursor, _, data in events(response):
                last = cursor
                seen.append(data["body"])
                if len(seen) == 2:
                    await write(home, stream, ["2"], 3)  # arrives while we listen
                if len(seen) == 3:
                    break
        await write(home, stream, ["3", "4"], 4)  # while nobody listens
        async with client.stream("GET", f"/v1/log-streams/{stream}/logs/tail", headers={"Last-Event-ID": last}) as response:
            async for _, event, data in events(response):
                if event == "end":
                    break
                seen.append(data["body"])
                if len(seen) == 5:
                    await close(home, stream)
    assert seen == ["0", "1", "2", "3", "4"]


async def test_a_tail_ends_without_an_end_when_the_server_stops(home, address):
    stream = (await home.job()).log_stream_id
    await write(home, stream, ["0"], 1)
    headers = {"Authorization": f"Bearer {home.org.token}", "Accept-Encoding": "identity"}
    seen: list[str] = []
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=10) as client:
        async with client.stream("GET", f"/v1/log-streams/{stream}/logs/tail") as response:
            async for _, event, _data in events(response):
                seen.append(event)
                for waiting in home.runtime.bus._local[f"log:{stream}"]:
                    waiting.close()
    assert seen == ["log"]
