"""Following logs over connections that end at any byte."""

import asyncio
import json

import pytest

from exclave.cli import logs
from exclave.client.http import Refused
from exclave.client.public import PublicApi

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
AWAY = b"HTTP/1.1 503 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
END = b"event: end\ndata: {}\n\n"


def record(number: int) -> bytes:
    return b"id: %d\nevent: log\ndata: %s\n\n" % (number, json.dumps({"body": f"line {number}"}).encode())


async def followed(answers: list[bytes]) -> list[str]:
    """Follow a stream whose server gives these answers, one a connection; return the cursor that each connection began with."""
    cursors: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        cursors.append(next((line.split(": ")[1] for line in head.splitlines() if line.startswith("last-event-id")), ""))
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with PublicApi(url, token="tok") as api:
            await logs._tail(api, "stream", as_json=True)
    return cursors


@pytest.mark.parametrize("cut", range(1, len(record(2)), 7))
async def test_a_connection_that_ends_inside_a_record_loses_none(cut, capsys):
    cursors = await followed([OK + record(1) + record(2)[:cut], OK + record(2) + record(3) + END])
    assert cursors == ["", "1"]
    assert [json.loads(line)["body"] for line in capsys.readouterr().out.splitlines()] == ["line 1", "line 2", "line 3"]


async def test_a_server_that_cannot_answer_for_a_while_is_asked_again(capsys):
    assert await followed([OK + record(1), AWAY, OK + record(2) + END]) == ["", "1", "1"]
    assert len(capsys.readouterr().out.splitlines()) == 2


async def test_a_refusal_ends_it():
    with pytest.raises(Refused):
        await followed([AWAY.replace(b"503", b"404")])
