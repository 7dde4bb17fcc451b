"""Log lines survive a far end that is slow or away: in order, once, with bounded memory."""

import asyncio
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from exclave.client.http import Refused, Unreachable
from exclave.runner import logs
from exclave.runner.logs import JobLog
from exclave.runner.redact import Redactor


class FarEnd:
    """Takes batches when it is up."""

    def __init__(self) -> None:
        self.up = True
        self.refuses = 0
        self.lines: list[str] = []
        self.sequence: list[int] = []
        self.batches = 0
        self.came_up = asyncio.Event()

    async def logs(self, stream_id: str, request: bytes, *, patience: float) -> None:
        if self.refuses:
            raise Refused(method="POST", url="x", status=self.refuses, said="no")
        if not self.up:
            await asyncio.wait_for(self.came_up.wait(), 30)
            raise Unreachable("away")
        self.batches += 1
        for resource in ExportLogsServiceRequest.FromString(request).resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    self.lines.append(record.body.string_value)
                    self.sequence.append(next(a.value.int_value for a in record.attributes if a.key == "exclave.seq"))


def log_to(far_end: FarEnd, spool: Path, **given: float) -> JobLog:
    log = JobLog(far_end, "log1", Redactor(), spool, attributes={}, resource={}, **given)
    log.start()
    return log


async def test_lines_wait_for_a_batch_but_not_for_long(tmp_path: Path) -> None:
    far_end = FarEnd()
    log = log_to(far_end, tmp_path / "spool", batch_seconds=0.05)
    for i in range(10):
        log.write(f"line {i}")
    await asyncio.sleep(0.01)
    assert far_end.lines == []
    await asyncio.sleep(0.1)
    assert far_end.lines == [f"line {i}" for i in range(10)]
    assert far_end.batches == 1
    await log.close()


async def test_lines_that_are_pushed_wait_for_no_batch(tmp_path: Path) -> None:
    far_end = FarEnd()
    log = log_to(far_end, tmp_path / "spool", batch_seconds=30)
    log.push()  # nothing to send: the next line waits for its batch as ever
    log.write("one")
    await asyncio.sleep(0.01)
    assert far_end.lines == []
    log.push()
    await asyncio.sleep(0.01)
    assert far_end.lines == ["one"]
    log.write("two")
    await asyncio.sleep(0.01)
    assert far_end.lines == ["one"]
    assert await log.flush(seconds=5)
    assert (far_end.lines, far_end.batches) == (["one", "two"], 2)
    await log.close()


async def test_what_cannot_be_sent_goes_to_disk_and_comes_back_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MEMORY_BYTES", 100_000)
    far_end = FarEnd()
    far_end.up = False
    log = log_to(far_end, tmp_path / "spool")
    count = 20_000
    for i in range(count):
        log.write(f"line {i} " + "x" * 50)
        if i % 1000 == 0:
            await asyncio.sleep(0)
    assert (tmp_path / "spool").stat().st_size > 500_000
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o600
    assert log._waiting_bytes <= 100_000
    assert not await log.flush(seconds=0.05)
    far_end.up = True
    far_end.came_up.set()
    assert await log.flush(seconds=20)
    assert [line.split()[1] for line in far_end.lines] == [str(i) for i in range(count)]
    assert far_end.sequence == list(range(1, count + 1))
    assert (tmp_path / "spool").stat().st_size == 0
    await log.close()


async def test_lines_beyond_what_the_disk_may_hold_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MEMORY_BYTES", 50_000)
    monkeypatch.setattr(logs, "_SPOOL_BYTES", 200_000)
    far_end = FarEnd()
    far_end.up = False
    log = log_to(far_end, tmp_path / "spool")
    for i in range(10_000):
        log.write(f"line {i} " + "x" * 50)
    assert (tmp_path / "spool").stat().st_size <= 200_000
    far_end.up = True
    far_end.came_up.set()
    await log.flush(seconds=20)
    log.write("after")
    for i in range(600):
        log.write(f"more {i}")
    assert await log.flush(seconds=20)
    assert any("lines before these were left out" in line for line in far_end.lines)
    assert "after" in far_end.lines
    await log.close()


async def test_a_batch_that_is_refused_does_not_hold_up_the_others(tmp_path: Path) -> None:
    far_end = FarEnd()
    far_end.refuses = 400
    log = log_to(far_end, tmp_path / "spool", batch_seconds=0.01)
    log.write("bad")
    assert await log.flush(seconds=5)
    far_end.refuses = 0
    log.write("good")
    assert await log.flush(seconds=5)
    assert far_end.lines == ["good"]
    await log.close()


async def test_a_fenced_log_writes_nothing_more(tmp_path: Path) -> None:
    far_end = FarEnd()
    far_end.refuses = 409
    log = log_to(far_end, tmp_path / "spool", batch_seconds=0.01)
    log.write("late")
    assert await log.flush(seconds=5)
    far_end.refuses = 0
    log.write("later")
    assert await log.flush(seconds=5)
    assert far_end.lines == []
    await log.close()


async def test_a_long_line_is_cut_and_says_so(tmp_path: Path) -> None:
    far_end = FarEnd()
    log = JobLog(far_end, "log1", Redactor(["s" * 40]), tmp_path / "spool", attributes={}, resource={})
    log.start()
    log.write("x" * (64 * 1024 - 20) + "s" * 40)
    assert await log.flush(seconds=5)
    assert "ss" not in far_end.lines[0]
    assert len(far_end.lines[0]) < 64 * 1024 + 100
    await log.close()


async def test_the_last_lines_are_kept_for_the_error(tmp_path: Path) -> None:
    log = JobLog(FarEnd(), "", Redactor(["secret-value"]), tmp_path / "spool", attributes={}, resource={})
    for i in range(30):
        log.write(f"{i} secret-value")
    assert list(log.tail) == [f"{i} (sensitive value)" for i in range(10, 30)]
