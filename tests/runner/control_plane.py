"""The far end of a runner: a real HTTP server with claims, leases, logs, results, the state backend and a blob store, in memory.

It is strict where the real one is: a lease that ended, a foreign token or a wrong lock id is refused, and every call is kept.
"""

import base64
import gzip
import hashlib
import io
import json
import select
import socket
import tarfile
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from exclave.kit.ids import new_id

RUNNER_TOKEN = "runner-token-canary-7f3a"
FINAL = {"finished", "failed", "timed-out", "cancelled"}


@dataclass
class Execution:
    """A claim, and all that was written under it."""

    id: str
    job: dict[str, Any]
    token: str
    plan: Any
    ends: float
    job_status: str = "in-progress"
    status: str = "pending"
    statuses: list[str] = field(default_factory=list)
    result: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    sensitive: list[str] = field(default_factory=list)
    log: list[tuple[int, int, str]] = field(default_factory=list)  # (seq, severity, body)
    attributes: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # writes that came when they might not
    done: threading.Event = field(default_factory=threading.Event)
    renewals: int = 0

    @property
    def contents(self) -> bytes:
        return base64.urlsafe_b64decode((self.result or {}).get("contents_compressed", ""))

    @property
    def display(self) -> Any:
        return json.loads(gzip.decompress(base64.urlsafe_b64decode((self.result or {})["contents_display_compressed"])))

    @property
    def lines(self) -> list[str]:
        return [body for _, _, body in self.log]

    @property
    def error(self) -> dict[str, str]:
        return (self.result or {}).get("error_metadata") or {}


class ControlPlane:
    """Submit jobs, then look at what their executions wrote."""

    def __init__(self, *, lease_seconds: float = 5.0) -> None:
        self.lease_seconds = lease_seconds
        self.queue: list[tuple[dict[str, Any], Any]] = []
        self.executions: dict[str, Execution] = {}
        self.blobs: dict[str, bytes] = {}
        self.blob_limit = 1 << 20
        self.sources: dict[str, bytes] = {}
        self.states: dict[str, bytes] = {}
        self.locks: dict[str, dict[str, Any]] = {}
        self.state_json: dict[str, Any] = {}
        self.beats: list[dict[str, Any]] = []
        self.action_steps: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.calls: list[str] = []
        self.failing: dict[str, int] = {}  # "METHOD path-part": how many calls to answer with 503
        self.trouble: tuple[int, dict[str, str]] = (503, {"error": "unavailable", "description": "try again"})  # what is answered then
        self.renew_is_down = False
        self.log_seconds = 0.0  # that a batch of lines takes
        self.token = RUNNER_TOKEN
        self.changed = threading.Condition()
        plane = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def answer(self, status: int, body: Any = None, **headers: str) -> None:
                data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                with suppress(BrokenPipeError, ConnectionResetError):  # the runner gave up waiting
                    self.end_headers()
                    self.wfile.write(data)

            def handle_call(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                plane.serve(self, self.command, urlsplit(self.path).path, parse_qs(urlsplit(self.path).query), body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_call

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def submit(self, type: str, plan: Any, *, operation: str = "exec", timeout: float = 60.0) -> str:
        job = {
            "id": new_id("job"),
            "type": type,
            "operation": operation,
            "log_stream_id": new_id("log"),
            "execution_timeout": int(timeout * 1e9),
            "group": "any",
            "status": "in-progress",
        }
        with self.changed:
            self.queue.append((job, plan))
            self.changed.notify_all()
        return job["id"]

    def execution_of(self, job_id: str) -> Execution | None:
        return next((e for e in self.executions.values() if e.job["id"] == job_id), None)

    def source(self, files: dict[str, str | bytes]) -> str:
        """Store an uploaded archive; return its digest."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            for name, content in files.items():
                raw = content.encode() if isinstance(content, str) else content
                member = tarfile.TarInfo(name)
                member.size = len(raw)
                tar.addfile(member, io.BytesIO(raw))
        digest = "sha256:" + hashlib.sha256(data.getvalue()).hexdigest()
        self.sources[digest] = data.getvalue()
        return digest

    def serve(self, call: Any, method: str, path: str, query: dict[str, list[str]], body: bytes) -> None:
        self.calls.append(f"{method} {call.path}")
        for key, left in self.failing.items():
            wanted, _, part = key.partition(" ")
            if left > 0 and method == wanted and part in path:
                self.failing[key] = left - 1
                return call.answer(*self.trouble)
        authorization = call.headers.get("Authorization", "")
        parts = path.strip("/").split("/")[1:]
        match method, parts:
            case ("GET", ["terraform-backend"]) | ("POST", ["terraform-backend"]):
                return self._backend(call, method, query, body, authorization)
            case "POST", ["terraform-workspaces", workspace, "lock" | "unlock" as what]:
                return self._lock(call, workspace, what, query, body, authorization)
        if authorization != f"Bearer {self.token}":
            return call.answer(401, {"error": "unauthenticated", "description": "no valid token"})
        match method, parts:
            case "GET", ["runners", _, "settings"]:
                return call.answer(200, {"heart_beat_timeout": 1_000_000_000, "metadata": {"install.id": "inl1"}, "logging_level": "INFO"})
            case "POST", ["runners", _, "heart-beats"]:
                self.beats.append(json.loads(body))
                return call.answer(201, {})
            case "POST", ["runners", _, "claims"]:
                return self._claim(call, json.loads(body))
            case "GET", ["sources", digest]:
                return (
                    call.answer(200, self.sources[digest])
                    if digest in self.sources
                    else call.answer(404, {"description": "no such source"})
                )
            case "PUT", ["artifacts", "blobs", digest]:
                assert digest == "sha256:" + hashlib.sha256(body).hexdigest()
                if len(body) > self.blob_limit:
                    return call.answer(413, {"description": f"a blob has at most {self.blob_limit} bytes"})
                self.blobs[digest] = body
                return call.answer(201, {})
            case "PUT", ["artifacts", "manifests"]:
                digest = "sha256:" + hashlib.sha256(body).hexdigest()
                self.blobs[digest] = body
                return call.answer(201, {"digest": digest})
            case "GET", ["artifacts", digest, "archive"]:
                return call.answer(200, self._archive(digest))
            case "POST", ["terraform-workspaces", workspace, "state-json"]:
                self.state_json[workspace] = json.loads(body)
                return call.answer(200, {"message": "ok"})
            case "PUT", ["installs", _, "action-workflow-runs", _, "steps", step]:
                self.action_steps[step].append(json.loads(body))
                return call.answer(200, {})
            case "POST", ["log-streams", stream, "logs"]:
                return self._logs(call, stream, body)
            case _, ["runner-jobs", _, "executions", execution_id, *rest]:
                return self._execution(call, method, self.executions[execution_id], rest, body)
        call.answer(404, {"error": "not found", "description": f"no such path {path}"})

    def _claim(self, call: Any, request: dict[str, Any]) -> None:
        until = time.monotonic() + min(request["wait_seconds"], 30)
        with self.changed:
            while not self.queue or _is_gone(call.connection):
                if _is_gone(call.connection):
                    return None
                self.changed.wait(0.05)
                if time.monotonic() >= until:
                    return call.answer(204)
            job, plan = self.queue.pop(0)
            execution = Execution(new_id("run"), job, f"lease-token-{new_id('tok')}", plan, time.monotonic() + self.lease_seconds)
            self.executions[execution.id] = execution
        call.answer(
            200,
            {
                "job": job,
                "execution": {"id": execution.id, "status": "pending", "runner_job_id": job["id"]},
                "lease": {"execution_id": execution.id, "epoch": 1, "seconds": self.lease_seconds, "token": execution.token},
                "plan": plan,
            },
        )

    def _live(self, call: Any, execution: Execution, what: str) -> bool:
        if execution.status in FINAL or time.monotonic() > execution.ends:
            execution.refused.append(what)
            call.answer(409, {"error": "stale", "description": "this execution is not current"}, X_Exclave_Error="stale_epoch")
            return False
        return True

    def _execution(self, call: Any, method: str, execution: Execution, rest: list[str], body: bytes) -> None:
        if rest == ["renew"] and self.renew_is_down:
            return call.answer(503, {"error": "unavailable", "description": "no database"})
        if not self._live(call, execution, f"{method} {'/'.join(rest)} {body[:80]!r}"):
            return None
        data = json.loads(body)
        match method, rest:
            case "POST", ["renew"]:
                execution.ends = time.monotonic() + self.lease_seconds
                execution.renewals += 1
                return call.answer(200, {"execution_id": execution.id, "seconds": self.lease_seconds, "job_status": execution.job_status})
            case "PATCH", []:
                execution.status = data["status"]
                execution.statuses.append(data["status"])
                if execution.status in FINAL:
                    execution.done.set()
                return call.answer(200, {})
            case "POST", ["report"]:
                execution.result = data.get("result")
                if outputs := data.get("outputs"):
                    execution.outputs, execution.sensitive = outputs["outputs"], outputs.get("sensitive") or []
                execution.status = data["status"]
                execution.statuses.append(data["status"])
                execution.done.set()
                return call.answer(200, {})
        call.answer(404, {})

    def _logs(self, call: Any, stream: str, body: bytes) -> None:
        time.sleep(self.log_seconds)
        execution = next(e for e in self.executions.values() if e.job["log_stream_id"] == stream)
        if not self._live(call, execution, "logs"):
            return
        request = ExportLogsServiceRequest.FromString(body)
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    attributes = {a.key: a.value.int_value or a.value.string_value for a in record.attributes}
                    attributes |= {a.key: a.value.string_value for a in resource.resource.attributes}
                    if attributes["exclave.seq"] not in [seq for seq, _, _ in execution.log]:
                        execution.log.append((attributes["exclave.seq"], record.severity_number, record.body.string_value))
                        execution.attributes.append(attributes)
        call.answer(201, "ok")

    def _by_lease_token(self, call: Any, query: dict[str, list[str]], authorization: str) -> Execution | None:
        name, _, token = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        execution = self.executions.get(name)
        if execution is None or execution.token != token or query["job_id"] != [execution.job["id"]]:
            call.answer(401, {"description": "no valid token"})
            return None
        return execution

    def _backend(self, call: Any, method: str, query: dict[str, list[str]], body: bytes, authorization: str) -> None:
        execution = self._by_lease_token(call, query, authorization)
        if execution is None:
            return None
        workspace = query["workspace_id"][0]
        if method == "GET":
            state = self.states.get(workspace)
            return call.answer(200, state) if state else call.answer(204)
        if not self._live(call, execution, "state"):
            return None
        if query.get("ID") != [self.locks.get(workspace, {}).get("ID")]:
            return call.answer(409, {"description": "not the lock's holder"})
        before, after = json.loads(self.states.get(workspace) or "{}"), json.loads(body)
        if before and (after["serial"] <= before["serial"] or after["lineage"] != before["lineage"]):
            return call.answer(409, {"description": "serial or lineage"})
        self.states[workspace] = body
        call.answer(200)

    def _lock(self, call: Any, workspace: str, what: str, query: dict[str, list[str]], body: bytes, authorization: str) -> None:
        execution = self._by_lease_token(call, query, authorization)
        if execution is None:
            return None
        info = json.loads(body)
        with self.changed:
            holder = self.locks.get(workspace)
            if what == "lock":
                if holder is not None:
                    return call.answer(423, holder)
                self.locks[workspace] = info
            elif holder is None or holder["ID"] != info["ID"]:
                return call.answer(409, {"description": "not the lock's holder"})
            else:
                del self.locks[workspace]
        call.answer(200)

    def _archive(self, digest: str) -> bytes:
        manifest = json.loads(self.blobs[digest])
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            for layer in manifest["layers"]:
                member = tarfile.TarInfo(layer["annotations"]["org.opencontainers.image.title"])
                content = self.blobs[layer["digest"]]
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return data.getvalue()


def _is_gone(connection: socket.socket) -> bool:
    """Did the other side hang up? Then a job must not be given to it."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
