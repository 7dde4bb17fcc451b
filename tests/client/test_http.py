"""Calls of our own API: retries, errors that name the place, and no proxy on the way to this machine."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from exclave.client.http import Http, Refused, Unreachable, is_loopback
from exclave.client.public import PublicApi
from exclave.kit.errors import Problem


class Server:
    """Answers with what it is given, in order; the last answer again and again."""

    def __init__(self, *answers: tuple[int, bytes] | tuple[int, bytes, str]) -> None:
        self.answers = list(answers)
        self.heads: list[str] = []

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        for line in head.splitlines():
            if line.lower().startswith("content-length:"):
                await reader.readexactly(int(line.split(":")[1]))
        self.heads.append(head)
        status, body, *extra = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status == 0:
            writer.close()
            return
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{''.join(extra)}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


class Thing(msgspec.Struct):
    name: str


@pytest.mark.parametrize("first", [(0, b""), (503, b"{}"), (502, b""), (429, b"{}", "Retry-After: 0\r\n")])
async def test_what_may_be_repeated_is_tried_again(first: tuple[int, bytes]) -> None:
    async with Server(first, first, (200, b'{"name": "x"}')) as server, Http(server.url, token="t") as http:
        assert await http.get("/v1/thing", Thing) == Thing("x")
        assert len(server.heads) == 3
        assert "Authorization: Bearer t" in server.heads[0]


@pytest.mark.parametrize("first", [(0, b""), (503, b"{}")])
async def test_a_post_is_sent_once_unless_it_may_be_repeated(first: tuple[int, bytes]) -> None:
    async with Server(first, (201, b"{}")) as server, Http(server.url) as http:
        with pytest.raises((Refused, Unreachable)):
            await http.request("POST", "/v1/thing", body={})
        assert len(server.heads) == 1
    async with Server(first, (201, b"{}")) as server, Http(server.url) as http:
        await http.request("POST", "/v1/thing", body={}, idempotent=True)
        assert len(server.heads) == 2


async def test_a_refusal_names_the_call_and_repeats_the_sentence() -> None:
    body = b'{"error": "not found", "user_error": true, "description": "no app is called x"}'
    async with Server((404, body, "X-Exclave-Error: not_found\r\n")) as server, Http(server.url, token="s3cret") as http:
        with pytest.raises(Refused) as refused:
            await http.get("/v1/apps/x", Thing)
        assert str(refused.value) == f"GET {server.url}/v1/apps/x answered 404: no app is called x"
        assert (refused.value.status, refused.value.kind) == (404, "not_found")


async def test_a_server_that_is_away_is_named_with_the_way_out() -> None:
    async with Http("http://127.0.0.1:9", patience=0.2) as http:
        with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9/v1/x got no answer .* Is the server running"):
            await http.get("/v1/x", Thing)


async def test_something_else_than_the_api_is_told() -> None:
    async with Server((200, b"<html>")) as server, Http(server.url) as http:
        with pytest.raises(Problem, match="Is this the address of an Exclave API"):
            await http.get("/v1/x", Thing)


async def test_loopback_is_reached_directly_whatever_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Server((200, b'{"name": "x"}')) as server, Http(server.url) as http:
        assert (await http.get("/v1/x", Thing)).name == "x"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:80", True),
        ("http://api.localhost", True),
        ("http://127.0.0.1.example.com", False),
        ("https://example.com", False),
    ],
)
def test_loopback_is_recognised(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


async def test_a_download_is_bounded_and_private(tmp_path: Path) -> None:
    async with Server((503, b""), (200, b"x" * 1000)) as server, Http(server.url) as http:
        assert await http.download("/v1/x", tmp_path / "file", limit=1000) == 1000
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
        with pytest.raises(Problem, match="more than 999 bytes"):
            await http.download("/v1/x", tmp_path / "file", limit=999)


async def test_lists_are_read_page_by_page() -> None:
    pages = (
        (200, b'[{"name": "a"}, {"name": "b"}]', "X-Nuon-Page-Next: true\r\n"),
        (200, b'[{"name": "c"}]', "X-Nuon-Page-Next: false\r\n"),
    )
    async with Server(*pages) as server, PublicApi(server.url, token="t", org_id="org1") as api:
        assert [thing.name async for thing in api.pages("/v1/things", Thing)] == ["a", "b", "c"]
        assert "offset=2" in server.heads[1]
        assert "x-nuon-org-id: org1" in server.heads[0].lower()
