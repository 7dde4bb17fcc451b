"""Programs are run in groups of their own, with bounded output, and do not outlive their purpose."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exclave.kit import orphans, process
from exclave.kit.process import Child, Line, Lines, Patience

ENV = {"PATH": os.environ["PATH"]}


def texts(lines: list[Line]) -> list[tuple[str, bool]]:
    return [(line.text, line.cut) for line in lines]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"a\nb\n"], [("a", False), ("b", False)]),
        ([b"a", b"b\nc"], [("ab", False), ("c", False)]),
        ([b"a\r\n\n"], [("a", False), ("", False)]),
        ([b"123456789\nx\n"], [("12345678", True), ("x", False)]),
        ([b"12345678", b"9", b"0\nx"], [("12345678", True), ("x", False)]),
        ([b"12345678\n"], [("12345678", False)]),
        ([b"\xff\n"], [("\ufffd", False)]),
        ([], []),
    ],
)
def test_output_is_cut_into_lines_of_bounded_length(chunks: list[bytes], expected: list[tuple[str, bool]]) -> None:
    lines = Lines("stdout", limit=8)
    found = [line for chunk in chunks for line in lines.feed(chunk)] + lines.rest()
    assert texts(found) == expected


async def test_both_streams_are_read_to_their_ends(tmp_path: Path) -> None:
    lines: list[Line] = []
    script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf last; exit 5"
    code = await process.run(["sh", "-c", script], cwd=tmp_path, env=ENV, on_line=lines.append)
    assert code == 5
    assert [line.text for line in lines if line.stream == "stdout"] == ["out 1", "out 2", "out 3", "last"]
    assert [line.text for line in lines if line.stream == "stderr"] == ["err 1", "err 2", "err 3"]


async def test_what_a_program_leaves_in_its_group_is_ended_with_it(tmp_path: Path) -> None:
    lines: list[Line] = []
    started = time.monotonic()
    await process.run(["sh", "-c", "sleep 60 & echo $!"], cwd=tmp_path, env=ENV, on_line=lines.append)
    assert time.monotonic() - started < 5
    assert _ends(int(lines[0].text))


async def test_a_time_out_ends_the_whole_group(tmp_path: Path) -> None:
    lines: list[Line] = []
    with pytest.raises(process.TimedOut):
        await process.run(["sh", "-c", "sleep 60 & echo $!; wait"], cwd=tmp_path, env=ENV, on_line=lines.append, timeout=0.4)
    assert _ends(int(lines[0].text))


async def test_a_program_that_ignores_requests_is_ended(tmp_path: Path) -> None:
    child = await Child.start(["sh", "-c", "trap '' INT TERM; sleep 60; sleep 60"], cwd=tmp_path, env=ENV)
    await asyncio.sleep(0.2)
    await child.stop(Patience(interrupt=0.2, terminate=0.2))
    assert await child.wait() == -signal.SIGKILL


async def test_a_program_that_listens_ends_by_itself(tmp_path: Path) -> None:
    lines: list[Line] = []
    script = "trap 'echo tidy; exit 3' INT; while :; do sleep 0.05; done"
    child = await Child.start(["sh", "-c", script], cwd=tmp_path, env=ENV, on_line=lines.append)
    await asyncio.sleep(0.2)
    await child.stop()
    assert await child.wait() == 3
    assert texts(lines) == [("tidy", False)]


async def test_a_program_can_be_interrupted_when_a_script_started_us_in_the_background(tmp_path: Path) -> None:
    on = asyncio.Event()
    script = ["sh", "-c", "trap 'exit 3' INT; echo on; while :; do sleep 0.05; done"]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = await Child.start(script, cwd=tmp_path, env=ENV, on_line=lambda line: on.set())
    finally:
        signal.signal(signal.SIGINT, before)
    await on.wait()
    await child.stop()
    assert await child.wait() == 3


async def test_a_child_gets_the_environment_that_it_is_given_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBIENT", "x")
    lines: list[Line] = []
    await process.run(["env"], cwd=tmp_path, env={**ENV, "MINE": "1"}, on_line=lines.append)
    assert {line.text.partition("=")[0] for line in lines} == {"PATH", "MINE"}


async def test_output_can_go_to_a_private_file(tmp_path: Path) -> None:
    target = tmp_path / "out"
    await process.run(["sh", "-c", "echo data"], cwd=tmp_path, env=ENV, stdout=target)
    assert target.read_text() == "data\n"
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("argv", [["no-such-program-anywhere"], ["./data"]])
async def test_a_program_that_is_not_there_is_named(tmp_path: Path, argv: list[str]) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(process.ToolMissing, match=argv[0]):
        await process.run(argv, cwd=tmp_path, env=ENV)


@pytest.mark.parametrize("setpriv", [True, False])
async def test_a_child_is_bound_the_same_with_and_without_setpriv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setpriv: bool) -> None:
    if not setpriv:
        monkeypatch.setattr(orphans, "setpriv", lambda: "")
    elif not orphans.setpriv():
        pytest.skip("no setpriv on this machine")
    lines: list[Line] = []
    script = "ulimit -c; cat /proc/$$/comm; ps -o sid= -p $$ | tr -d ' '; echo $$; exit 7"
    assert await process.run(["sh", "-c", script], cwd=tmp_path, env=ENV, on_line=lines.append) == 7
    core, program, session, pid = (line.text for line in lines)
    assert (core, program, session) == ("0", "sh", pid)


@pytest.mark.parametrize(
    ("text", "mode", "starts"), [("#!/bin/sh\nexit 0\n", 0o755, True), ("#!/bin/sh\nexit 0\n", 0o644, False), ("exit 0\n", 0o755, False)]
)
async def test_only_what_the_kernel_starts_is_a_program(tmp_path: Path, text: str, mode: int, starts: bool) -> None:
    (tmp_path / "it").write_text(text)
    (tmp_path / "it").chmod(mode)
    if starts:
        assert await process.run(["./it"], cwd=tmp_path, env=ENV) == 0
        return
    with pytest.raises((OSError, process.ToolMissing)):
        await process.run(["./it"], cwd=tmp_path, env=ENV)


@pytest.mark.parametrize("setpriv", [True, False])
def test_a_child_dies_with_a_killed_parent(tmp_path: Path, setpriv: bool) -> None:
    script = f"""
import asyncio, pathlib
from exclave.kit import orphans, process
from exclave.kit.process import Child
if not {setpriv}:
    orphans.setpriv = lambda: ""
async def main():
    on = asyncio.Event()
    argv = ["sh", "-c", "echo on; exec sleep 60"]
    child = await Child.start(argv, cwd=pathlib.Path({str(tmp_path)!r}), env={ENV!r}, on_line=lambda line: on.set())
    await on.wait()
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert _ends(pid)


def test_a_scrubbed_variable_is_gone_from_proc_too() -> None:
    script = """
import os
from exclave.kit.process import scrub_environment
value = scrub_environment("CANARY")
assert value == "s3cret-canary", value
assert "CANARY" not in os.environ
assert scrub_environment("CANARY") is None
print(b"s3cret" in open("/proc/self/environ", "rb").read())
"""
    result = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "CANARY": "s3cret-canary"}, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def _ends(pid: int) -> bool:
    """Tell whether a process ends soon: one that was killed still has its files to close."""
    ends = time.monotonic() + 5
    while _lives(pid) and time.monotonic() < ends:
        time.sleep(0.01)
    return not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
