"""A witness between runners and the runner API: it passes everything on and remembers what was asked and answered."""

import base64
import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive", "host"}


@dataclass(frozen=True)
class Call:
    """One call of a runner or of its Terraform."""

    method: str
    path: str  # with its query
    authorization: str
    body: bytes
    status: int
    answer: bytes

    @property
    def login(self) -> tuple[str, str]:
        """The user and password of basic authentication: Terraform's are the execution and the token of its lease."""
        kind, _, text = self.authorization.partition(" ")
        if kind.lower() != "basic":
            return "", ""
        user, _, password = base64.b64decode(text).decode().partition(":")
        return user, password

    @property
    def bearer(self) -> str:
        kind, _, text = self.authorization.partition(" ")
        return text if kind.lower() == "bearer" else ""

    def writes_for(self, execution_id: str) -> bool:
        """Would this call leave something of this execution behind?"""
        mine = f"/executions/{execution_id}" in self.path or self.login[0] == execution_id or execution_id.encode() in self.body
        return mine and self.method != "GET" and not self.path.startswith("/v1/runners/")


class Witness:
    """Listens on `port` and speaks to the runner API on `target`."""

    def __init__(self, port: int, target: int) -> None:
        self.calls: list[Call] = []
        self.url = f"http://127.0.0.1:{port}"
        self.target = f"http://127.0.0.1:{target}"
        self._client = httpx.Client(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=None))
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a killed runner leaves broken connections
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    def repeat(self, call: Call) -> int:
        """Make a call again, exactly as it was, and return the status of its answer."""
        headers = {"Authorization": call.authorization, "Content-Type": "application/json"}
        if call.path.endswith("/logs"):
            headers["Content-Type"] = "application/x-protobuf"
        return self._client.request(call.method, self.target + call.path, content=call.body, headers=headers).status_code

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        witness = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self._chunks() if "chunked" in self.headers.get("transfer-encoding", "") else self.rfile.read(size)
                sent = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                if "gzip" in self.headers.get("content-encoding", ""):
                    body = gzip.decompress(body)  # so that tests can look into it
                try:
                    answer = witness._client.request(self.command, witness.target + self.path, content=body, headers=sent)
                except httpx.TransportError:
                    self.close_connection = True  # as if there were nobody between
                    return
                authorization = self.headers.get("authorization", "")
                witness.calls.append(Call(self.command, self.path, authorization, body, answer.status_code, answer.content))
                try:
                    self.send_response(answer.status_code)
                    for name, value in answer.headers.items():
                        if name.lower() not in _HOP:
                            self.send_header(name, value)
                    if answer.status_code != 204:
                        self.send_header("Content-Length", str(len(answer.content)))
                    self.end_headers()
                    self.wfile.write(answer.content)
                except OSError:
                    self.close_connection = True

            def _chunks(self) -> bytes:
                found = b""
                while size := int(self.rfile.readline().strip() or b"0", 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return found

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler
