"""Runners that a killed server has left, by their pid files."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exclave.server import left_over

Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process that says it is a runner, after the given words of Python, and write its pid file."""
    started: list[subprocess.Popen[bytes]] = []

    def start(words: str) -> subprocess.Popen[bytes]:
        program = f"import signal, time; {words}; print(flush=True); time.sleep(60)"
        process = subprocess.Popen([sys.executable, "-c", program, "exclave.runner"], stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        left_over.note(tmp_path / f"run{len(started)}.pid", process.pid)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_stopped_are_all_the_deaf_one_too_and_nobody_else(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_over, "_STOPS", [(send, number, 0.5) for send, number, _ in left_over._STOPS])
    obedient, deaf, later = start("pass"), start("signal.signal(signal.SIGTERM, signal.SIG_IGN)"), start("pass")
    (tmp_path / "run3.pid").write_text(f"{later.pid} 1")  # a runner, too, and not the one that had the number when this was written
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / "reused.pid").write_text(str(stranger.pid))
        (tmp_path / "broken.pid").write_text("")
        left_over.stop(tmp_path)
        assert (obedient.wait(5), deaf.wait(5), stranger.poll()) == (-signal.SIGTERM, -signal.SIGKILL, None)
        assert later.poll() is None
        assert not list(tmp_path.glob("*.pid"))
        assert not list(left_over.running(tmp_path))
        stranger.kill()


def test_nothing_is_stopped_where_nothing_was_left(tmp_path: Path) -> None:
    left_over.stop(tmp_path / "nowhere")
