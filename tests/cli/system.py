"""Exclave as a user has it: `exclave up` on a data directory of its own, and the `exclave` command that talks to it."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HELLO = ROOT / "examples" / "hello-local"
COMMAND = [sys.executable, "-P", "-m", "exclave.cli"]
PATIENCE = 120.0


def until(what: Callable[[], Any], *, seconds: float = PATIENCE, every: float = 0.1) -> Any:
    """Wait for something true of another process, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(every)
    raise AssertionError(f"waited {seconds} s in vain")


class System:
    """One data directory with an `up` on free ports, and commands on its context."""

    def __init__(self, base: Path, environ: Mapping[str, str] = {}) -> None:
        self.base = base
        self.data = base / "data"
        self.home = base / "home"
        self.home.mkdir(exist_ok=True, mode=0o700)
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "src"),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "EXCLAVE_DATA_DIR": str(self.data),
            "EXCLAVE_PUBLIC_PORT": "0",
            "EXCLAVE_ADMIN_PORT": "0",
            "EXCLAVE_RUNNER_PORT": "0",
            "EXCLAVE_LOG_LEVEL": "warning",
            **environ,
        }
        self.up: subprocess.Popen[bytes] | None = None
        self.said = b""
        self.log = base / "up.log"

    def start(self, *, seconds: float = PATIENCE) -> None:
        """Start `exclave up` and wait until it says that it runs."""
        with self.log.open("ab") as log:
            self.up = subprocess.Popen(
                [*COMMAND, "up"], env=self.environ, cwd=self.base, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        assert self.up.stdout is not None
        self.said = b""
        deadline = time.monotonic() + seconds
        while b"running;" not in self.said:
            ready, _, _ = select.select([self.up.stdout], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self.up.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"`up` did not come up: {self.said.decode()}\n{self.log.read_text()}"
            self.said += chunk

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and return its exit code."""
        assert self.up is not None
        self.up.send_signal(number)
        code = self.up.wait(PATIENCE)
        assert self.up.stdout is not None
        self.up.stdout.close()
        return code

    def exclave(
        self, *words: str, code: int | None = 0, environ: Mapping[str, str] = {}, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that must end with this exit code (None: any)."""
        done = subprocess.run(
            [*COMMAND, *words], env={**self.environ, **environ}, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE,
        )  # fmt: skip
        assert code is None or done.returncode == code, f"exclave {' '.join(words)} gave {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: str, code: int | None = 0) -> Any:
        """Run a command with --json and read its standard output."""
        return json.loads(self.exclave(*words, "--json", code=code).stdout)

    def app(self, name: str, change: Callable[[Path], None] = lambda directory: None, *, source: Path = HELLO) -> Path:
        """Copy an app directory under another name, change it, create the app; return the directory. It is not synced yet."""
        directory = self.base / name
        shutil.copytree(source, directory)
        change(directory)
        self.exclave("apps", "create", name)
        return directory

    def install(self, app: str, name: str, *more: str) -> str:
        """Create an install; return the id of its workflow."""
        return str(self.json("installs", "create", name, "--app", app, "--input", "greeting=hi", *more)["workflow_id"])


@contextlib.contextmanager
def running(environ: Mapping[str, str] = {}) -> Iterator[System]:
    """A system that is up while the block runs, and gone after it."""
    base = Path(tempfile.mkdtemp(prefix="exclave-cli-"))
    base.chmod(0o711)
    system = System(base, environ)
    try:
        system.start()
        yield system
    finally:
        if system.up is not None and system.up.poll() is None:
            system.stop()
        subprocess.run([sys.executable, "-P", "-m", "exclave.server", "remove"], env=system.environ, cwd=base, check=False)
        shutil.rmtree(base, ignore_errors=True)
