"""One HTTP connection pool to our own API: retries what may be repeated, and says what went wrong, where, and what to do.

Loopback is always reached directly, whatever HTTP_PROXY says. A call that may be repeated without harm (GET, PUT, DELETE, or
`idempotent=True`) is tried again with full jitter while the far end is unreachable or answers 429, 502, 503 or 504.
"""

import asyncio
import ipaddress
import os
import random
import ssl
import sys
import time
from collections.abc import AsyncIterable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

# httpx has a command line of its own, and its import takes three times as long with it (rich, pygments). To find none is provided for.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402
import msgspec  # noqa: E402

from exclave.kit.errors import Problem, Unavailable  # noqa: E402

T = TypeVar("T")
Content = bytes | AsyncIterable[bytes]

TIMEOUT = 30.0
PATIENCE = 20.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
TRY_AGAIN = frozenset({429, 502, 503, 504})
# What is wrong with our own call does not mend by waiting.
_OURS = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
_HARMLESS = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class Refused(Problem):
    """The server refused a call.

    `status` is its answer, `kind` its word for the problem (such as `stale_epoch`); the description names the call and repeats the
    server's sentence.
    """

    code = "refused"

    def __init__(self, *, method: str, url: str, status: int, said: str, kind: str = "") -> None:
        self.status = status
        self.said = said
        self.kind = kind
        super().__init__(f"{method} {url} answered {status}: {said}{_way_out(status)}")


class Unusable(Problem):
    """The address of the API or the token cannot be used."""

    code = "unusable"


class Unreachable(Unavailable):
    """The server cannot be reached."""

    code = "unreachable"


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Http:
    """Calls to one base URL. Use as `async with`, or close it. Safe for concurrent calls on one event loop."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str | Callable[[], str] = "",
        headers: Mapping[str, str] = {},
        timeout: float = TIMEOUT,
        patience: float = PATIENCE,
    ) -> None:
        if not _is_address(base_url):
            raise Unusable(f"{base_url!r} is no URL of an API: write it as http://host:port or https://host:port")
        self.base_url = base_url.rstrip("/")
        self._token = token if callable(token) else lambda: token
        self._headers = dict(headers)
        self._timeout = timeout
        self._patience = patience
        # Without TLS there is no certificate to check, and loading the store costs 30 ms and 8 MB. Redirects are not followed.
        verify: ssl.SSLContext | bool = ssl.create_default_context() if self.base_url.startswith("https:") else False
        self._client = httpx.AsyncClient(
            trust_env=not is_loopback(self.base_url),
            verify=verify,
            timeout=timeout,
            # Shorter than a server keeps an idle connection, so that we never write into one that it is closing.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=4.0),
        )

    async def __aenter__(self) -> "Http":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, path: str, into: type[T], **options: Any) -> T:
        """Read a shape."""
        return self.decoded(await self.request("GET", path, **options), into)

    async def send(self, method: str, path: str, body: Any, into: type[T], **options: Any) -> T:
        """Send a shape or any JSON value, and read a shape."""
        return self.decoded(await self.request(method, path, body=body, **options), into)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: Content | Callable[[], Content] | None = None,
        content_type: str = "application/octet-stream",
        params: Mapping[str, Any] = {},
        headers: Mapping[str, str] = {},
        auth: tuple[str, str] | None = None,
        idempotent: bool | None = None,
        timeout: float | None = None,
        patience: float | None = None,
    ) -> httpx.Response:
        """Make a call and return a 2xx answer, or raise Refused or Unreachable.

        `content` may be a function that returns the bytes or a fresh stream, so that it can be sent again. `timeout` bounds one
        attempt and `patience` all of them, in seconds.
        """
        sent = {**self._headers, **headers} if auth is not None else self._authorized(headers)
        if body is not None:
            content, content_type = msgspec.json.encode(body), "application/json"
        if content is not None:
            sent.setdefault("Content-Type", content_type)
        repeatable = idempotent if idempotent is not None else method in _HARMLESS
        give_up = time.monotonic() + (self._patience if patience is None else patience)
        pause = _FIRST_PAUSE
        while True:
            wait = random.uniform(0, pause)
            try:
                answer = await self._client.request(
                    method,
                    self.base_url + path,
                    content=content() if callable(content) else content,
                    params={k: v for k, v in params.items() if v is not None} or None,
                    headers=sent,
                    auth=auth,
                    timeout=self._timeout if timeout is None else timeout,
                )
            except httpx.TransportError as error:
                if not repeatable or isinstance(error, _OURS) or time.monotonic() + wait > give_up:
                    raise self._unreachable(method, path, error) from error
            else:
                if answer.is_success:
                    return answer
                wait = max(wait, _retry_after(answer))
                if answer.status_code not in TRY_AGAIN or not repeatable or time.monotonic() + wait > give_up:
                    raise self._refused(method, path, answer)
            await asyncio.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def download(self, path: str, into: Path, *, limit: int, timeout: float = 60.0, patience: float | None = None) -> int:
        """Write the answer of a GET to a new file (mode 0600) of at most `limit` bytes; return its size."""
        give_up = time.monotonic() + (self._patience if patience is None else patience)
        pause = _FIRST_PAUSE
        headers = self._authorized({})
        while True:
            wait = random.uniform(0, pause)
            try:
                async with self._client.stream("GET", self.base_url + path, headers=headers, timeout=timeout) as answer:
                    if answer.is_success:
                        return await self._store(answer, into, limit)
                    await answer.aread()
                    if answer.status_code not in TRY_AGAIN or time.monotonic() + wait > give_up:
                        raise self._refused("GET", path, answer)
            except httpx.TransportError as error:
                if isinstance(error, _OURS) or time.monotonic() + wait > give_up:
                    raise self._unreachable("GET", path, error) from error
            await asyncio.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def lines(self, path: str, *, params: Mapping[str, Any] = {}, headers: Mapping[str, str] = {}) -> AsyncIterable[str]:
        """Open a stream of lines (server-sent events) that stays open until the far end closes it."""
        sent = self._authorized({"Accept": "text/event-stream", **headers})

        async def read() -> AsyncIterable[str]:
            timeout = httpx.Timeout(self._timeout, read=None)
            try:
                async with self._client.stream("GET", self.base_url + path, params=params, headers=sent, timeout=timeout) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        raise self._refused("GET", path, answer)
                    async for line in answer.aiter_lines():
                        yield line
            except httpx.TransportError as error:
                raise self._unreachable("GET", path, error) from error

        return read()

    def decoded(self, answer: httpx.Response, into: type[T]) -> T:
        """Read an answer's body as a shape."""
        if into is type(None) or (into is bytes):
            return answer.content if into is bytes else None  # type: ignore[return-value]
        try:
            return msgspec.json.decode(answer.content, type=into)
        except msgspec.MsgspecError as error:
            raise Problem(
                f"{answer.request.method} {_place(answer.request.url)} answered something else than {into.__name__}: {error}. "
                "Is this the address of an Exclave API of about the same version?"
            ) from error

    def _authorized(self, headers: Mapping[str, str]) -> dict[str, str]:
        token = self._token()
        if not (token.isascii() and token.isprintable()):  # said here, since the library's message would hold it
            raise Unusable("the token holds a character that no header can: look for a line break at its end")
        return {**self._headers, **({"Authorization": f"Bearer {token}"} if token else {}), **headers}

    async def _store(self, answer: httpx.Response, into: Path, limit: int) -> int:
        size = 0
        with open(into, "wb", opener=_private) as file:  # noqa: ASYNC230 - short writes to a local disk
            async for chunk in answer.aiter_bytes(1 << 18):
                size += len(chunk)
                if size > limit:
                    raise Problem(f"GET {_place(answer.request.url)} sent more than {limit} bytes")
                file.write(chunk)
        return size

    def _refused(self, method: str, path: str, answer: httpx.Response) -> Refused:
        said = ""
        try:
            body = msgspec.json.decode(answer.content)
            if isinstance(body, dict):
                said = str(body.get("description") or body.get("detail") or body.get("error") or "")
        except msgspec.MsgspecError:
            said = answer.text[:300]
        return Refused(
            method=method,
            url=self.base_url + path,
            status=answer.status_code,
            said=said or answer.reason_phrase or "no reason given",
            kind=answer.headers.get("x-exclave-error", ""),
        )

    def _unreachable(self, method: str, path: str, error: Exception) -> Unreachable:
        reason = str(error) or type(error).__name__
        return Unreachable(
            f"{method} {self.base_url + path} got no answer ({reason}). Is the server running, and does this machine reach {self.base_url}?"
        )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _place(url: httpx.URL) -> str:
    return str(url.copy_with(query=None))


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(float(answer.headers.get("retry-after", "0")), 30.0)
    except ValueError:
        return 0.0


def _way_out(status: int) -> str:
    if status == 401:
        return " (the token is missing, unknown or expired: log in again or give a fresh one)"
    if status == 403:
        return " (this token may not do that: use another account, or ask for the role)"
    return ""
