"""A job's log: redact, number, batch, send in order, keep on disk what cannot be sent yet (architecture section 8, flow b)."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from exclave.client.http import Refused
from exclave.kit.errors import Problem
from exclave.runner.redact import Redactor

DEBUG, INFO, WARN, ERROR = 5, 9, 13, 17
SEVERITIES: Mapping[int, str] = {DEBUG: "DEBUG", INFO: "INFO", WARN: "WARN", ERROR: "ERROR"}

_BATCH_RECORDS = 512
_BATCH_BYTES = 256 * 1024
_BATCH_SECONDS = 0.25
_MEMORY_BYTES = 2 << 20
_SPOOL_BYTES = 256 << 20
_BODY_LIMIT = 64 * 1024
_TAIL = 20
_SEND_PATIENCE = 10.0


class Sink(Protocol):
    """Where batches go."""

    async def logs(self, stream_id: str, request: bytes, *, patience: float) -> None: ...


@dataclass
class _Batch:
    records: list[LogRecord] = field(default_factory=list)
    size: int = 0


class JobLog:
    """The lines of one execution. `write` never waits; `flush` waits until the far end has them."""

    def __init__(
        self,
        sink: Sink,
        stream_id: str,
        redact: Redactor,
        spool: Path,
        *,
        attributes: Mapping[str, str],
        resource: Mapping[str, str],
        batch_seconds: float = _BATCH_SECONDS,
    ) -> None:
        self._sink, self._stream_id, self._redact, self._spool = sink, stream_id, redact, spool
        self._attributes = [_text(name, value) for name, value in attributes.items()]
        self._resource = [_text(name, value) for name, value in resource.items()]
        self._batch_seconds = batch_seconds
        self._pending = _Batch()
        self._waiting: deque[bytes] = deque()  # encoded batches in memory, older than what is pending
        self._waiting_bytes = 0
        self._spooled: deque[tuple[int, int]] = deque()  # (offset, size) in the spool file, younger than what waits in memory
        self._spool_end = 0
        self._sequence = 0
        self._dropped = 0
        self._accepted = 0  # batches
        self._more = asyncio.Event()
        self._full = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._flushing = False
        self._ended = False
        self._sender: asyncio.Task[None] | None = None
        self.step = ""
        self.tail: deque[str] = deque(maxlen=_TAIL)

    def start(self) -> None:
        if self._stream_id:
            self._sender = asyncio.ensure_future(self._send_all())

    def write(self, body: str, *, severity: int = INFO, cut: bool = False, attributes: Mapping[str, str] = {}) -> None:
        """Add a line. Redacted here, before anything keeps it."""
        body = self._redact(body, cut=cut)
        if len(body) > _BODY_LIMIT:
            body, cut = self._redact(body[:_BODY_LIMIT], cut=True), True
        if cut:
            body += " … (the rest of this line was left out)"
        self.tail.append(body)
        if self._sender is None or self._ended:
            return
        record = self._record(body, severity, attributes)
        self._pending.records.append(record)
        self._pending.size += len(body) + 200
        self._idle.clear()
        self._more.set()
        if len(self._pending.records) >= _BATCH_RECORDS or self._pending.size >= _BATCH_BYTES:
            self._set_aside()
            self._full.set()

    def push(self) -> None:
        """Have what was written so far sent now: a moment in which nobody waits for it is better than the end of the job."""
        if self._pending.records:
            self._full.set()

    async def flush(self, *, seconds: float) -> bool:
        """Wait until everything written so far was accepted; give up after `seconds`. Tell whether it was."""
        if self._sender is None:
            return True
        self._flushing = True
        self._more.set()
        self._full.set()
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._flushing = False
        return True

    async def deliver(self, *, patience: float) -> None:
        """Wait until everything written so far was accepted, for as long as the far end takes some of it every so many seconds."""
        before = -1
        while not await self.flush(seconds=patience) and self._accepted != before:
            before = self._accepted

    def abandon(self) -> None:
        """Send nothing more: the job is somebody else's now."""
        self._ended = True
        if self._sender is not None:
            self._sender.cancel()

    async def close(self) -> None:
        self.abandon()
        if self._sender is not None:
            with suppress(asyncio.CancelledError):
                await self._sender

    def _record(self, body: str, severity: int, attributes: Mapping[str, str]) -> LogRecord:
        self._sequence += 1
        record = LogRecord(
            time_unix_nano=time.time_ns(),
            severity_number=severity,  # type: ignore[arg-type]
            severity_text=SEVERITIES.get(severity, "INFO"),
            body=AnyValue(string_value=body),
        )
        record.attributes.extend(self._attributes)
        record.attributes.append(KeyValue(key="exclave.seq", value=AnyValue(int_value=self._sequence)))
        if self.step:
            record.attributes.append(_text("runner_job_execution_step.name", self.step))
        record.attributes.extend(_text(name, self._redact(value)) for name, value in attributes.items())
        return record

    async def _send_all(self) -> None:
        while True:
            await self._more.wait()
            if not self._waiting and not self._spooled and not self._flushing:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), self._batch_seconds)
            self._full.clear()
            if self._pending.records and not self._waiting and not self._spooled:
                self._set_aside()
            batch = self._oldest()
            if batch is None:
                self._more.clear()
                self._idle.set()
                continue
            await self._deliver(batch)
            self._accepted += 1
            self._forget_oldest()

    async def _deliver(self, batch: bytes) -> None:
        pause = 0.25
        while True:
            try:
                await self._sink.logs(self._stream_id, batch, patience=_SEND_PATIENCE)
                return
            except Refused as refused:
                if refused.status < 500 and refused.status not in (401, 408, 425, 429):
                    if refused.status == 409:
                        self._ended = True  # fenced: another execution owns the job
                    return
            except Problem:
                pass
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    def _set_aside(self) -> None:
        """Encode what is pending as the youngest batch: in memory while there is room and nothing is on disk, else on disk."""
        records, size = self._pending.records, self._pending.size
        self._pending = _Batch()
        in_memory = not self._spooled and self._waiting_bytes + size <= _MEMORY_BYTES
        if not in_memory and self._spool_end + size > _SPOOL_BYTES:
            self._dropped += len(records)
            return
        if self._dropped:
            told = f"{self._dropped} lines before these were left out: the server did not take them in time"
            records.append(self._record(told, WARN, {}))
            self._dropped = 0
        encoded = self._encoded(records)
        if in_memory:
            self._waiting.append(encoded)
            self._waiting_bytes += len(encoded)
            return
        try:
            with open(self._spool, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(encoded)
        except OSError:  # the disk is full: the job goes on without these lines
            self._dropped += len(records)
            return
        self._spooled.append((self._spool_end, len(encoded)))
        self._spool_end += len(encoded)

    def _encoded(self, records: list[LogRecord]) -> bytes:
        request = ExportLogsServiceRequest()
        logs = request.resource_logs.add()
        logs.resource.attributes.extend(self._resource)
        scope = logs.scope_logs.add()
        scope.scope.name = "exclave.runner"
        scope.log_records.extend(records)
        return bytes(request.SerializeToString())

    def _oldest(self) -> bytes | None:
        if self._waiting:
            return self._waiting[0]
        while self._spooled:
            offset, size = self._spooled[0]
            try:
                with self._spool.open("rb") as file:
                    file.seek(offset)
                    return file.read(size)
            except OSError:
                self._spooled.popleft()
        return None

    def _forget_oldest(self) -> None:
        if self._waiting:
            self._waiting_bytes -= len(self._waiting.popleft())
        elif self._spooled:
            self._spooled.popleft()
            if not self._spooled:
                self._spool_end = 0
                with suppress(OSError):
                    os.truncate(self._spool, 0)


def _text(name: str, value: str) -> KeyValue:
    return KeyValue(key=name, value=AnyValue(string_value=value))
