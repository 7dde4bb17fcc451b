"""`exclave demo`: the whole product once. It has no code path of its own: it prints each command, then runs it as a user would."""

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import typer

from exclave.cli import output
from exclave.kit import orphans, terraform

APP = "hello-local"
INSTALL = "acme"


class Failed(Exception):
    """A command of the demo failed; the message says which."""


def demo(
    app: str = typer.Option("", help="The app directory; the repository's examples/hello-local by default."),
    keep: bool = typer.Option(False, "--keep", help="Keep the data directory when all went well."),
) -> None:
    """Run the whole product once: start it, create an app and an install, approve, apply, look, reprovision, tear down, stop."""
    try:
        terraform.find(os.environ)  # before the disk is touched
    except terraform.TerraformMissing as error:
        output.note(f"exclave: {error}")
        raise typer.Exit(2) from error
    source = Path(app) if app else _example()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # whatever ends the demo ends what it started
    base = _base()
    with _alone(base):
        _Demo(source, base, keep=keep).run()


def _example() -> Path:
    here = Path(__file__).resolve()
    for parent in (Path.cwd(), *here.parents):
        found = parent / "examples" / APP
        if (found / "metadata.toml").exists():
            return found.relative_to(Path.cwd()) if parent == Path.cwd() else found
    output.note("exclave: examples/hello-local is not here: run the demo in a clone of the repository, or name an app with --app")
    raise typer.Exit(2)


def _base() -> Path:
    """A directory of its own below the usual data directory: the demo never touches what an `up` keeps there."""
    named = Path(os.environ.get("EXCLAVE_DATA_DIR") or "")
    if named.is_absolute():
        return named / "demo"
    if os.geteuid() == 0:
        return Path("/var/lib/exclave/demo")
    home = Path(os.environ.get("HOME") or os.path.expanduser("~"))
    share = Path(os.environ.get("XDG_DATA_HOME") or "")
    return (share if share.is_absolute() else home / ".local" / "share") / "exclave" / "demo"


@contextlib.contextmanager
def _alone(base: Path) -> Iterator[None]:
    """One demo at a time on one directory: a second one would stop the first as something left over."""
    try:
        base.parent.mkdir(parents=True, exist_ok=True, mode=0o755 if os.geteuid() == 0 else 0o700)
        handle = os.open(base.with_name("demo.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        output.note(f"exclave: {base} cannot be used ({error.strerror}): name another directory in EXCLAVE_DATA_DIR")
        raise typer.Exit(2) from error
    with os.fdopen(handle, "rb"):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            output.note(f"exclave: another demo runs in {base}: wait for its end, or name another directory in EXCLAVE_DATA_DIR")
            raise typer.Exit(2) from error
        yield


class _Demo:
    def __init__(self, source: Path, base: Path, *, keep: bool) -> None:
        self.source, self.base, self.keep = source, base, keep
        self.environ = self._environment()
        self.server: subprocess.Popen[bytes] | None = None
        self.began = time.monotonic()

    def _environment(self) -> dict[str, str]:
        """An allow-list: nothing of the caller's EXCLAVE_, NUON_ or TF_ variables changes what the demo does."""
        names = ("PATH", "HOME", "LANG", "TERM", "COLUMNS", "LINES", "NO_COLOR", "TMPDIR", "EXCLAVE_TERRAFORM", "HTTP_PROXY", "HTTPS_PROXY",
                 "http_proxy", "https_proxy")  # fmt: skip
        kept = {name: os.environ[name] for name in names if name in os.environ}
        ports = {f"EXCLAVE_{name}_PORT": "0" for name in ("PUBLIC", "ADMIN", "RUNNER")}
        return {
            **kept,
            **ports,
            "EXCLAVE_DATA_DIR": str(self.base),
            "EXCLAVE_CONFIG": str(self.base / "cli.toml"),
            "EXCLAVE_LOG_LEVEL": "warning",
            "PATH": os.path.dirname(sys.executable) + os.pathsep + kept.get("PATH", os.defpath),
        }

    def run(self) -> None:
        self._clear_left_overs()
        try:
            self._start()
            self._story()
        except Failed as error:
            self._fail(str(error))
        except KeyboardInterrupt:
            self._stop()
            output.note("\nstopped")
            raise typer.Exit(130) from None
        self._stop()
        if not self.keep:
            self._remove()
        output.note(f"\nthe demo went through in {time.monotonic() - self.began:.1f} s")

    def _fail(self, what: str) -> NoReturn:
        """Say what failed and the way out; the data stays for a look."""
        self._stop()
        output.note(f"\nthe demo failed: {what}")
        if (self.base / "server").exists():  # it came as far as to have data
            output.note(f"the data is kept in {self.base}; {self.base}/server/runners/*.log is what its runners said")
            output.note(f"to look around: EXCLAVE_DATA_DIR={shlex.quote(str(self.base))} {shlex.quote(sys.executable)} -m exclave.cli up")
        output.note("`exclave doctor` checks this machine; the next demo starts from nothing")
        raise typer.Exit(1)

    def _story(self) -> None:
        self._tell("A vendor describes an app once, in a directory of TOML, and sends it to the server.")
        self._exclave("apps", "create", APP)
        self._exclave("apps", "sync", str(self.source))
        self._tell("Each customer gets an install. Its workflow starts at once and stops at the first plan.")
        made = self._json("installs", "create", INSTALL, "--app", APP, "--input", "greeting=Hello from Exclave")
        workflow = made["workflow_id"]
        self._exclave("workflows", "watch", workflow, "--until", "approval")
        self._tell("Somebody looks at the plan and approves it; all further plans of this workflow are approved, too.")
        self._exclave("workflows", "plan", workflow)
        self._exclave("workflows", "approve", workflow, "--note", "looks right")
        self._exclave("workflows", "approve", workflow, "--all")
        self._tell("Sandbox, then two components side by side, then the one that uses their outputs, then an action.")
        self._exclave("workflows", "watch", workflow)
        self._exclave("logs", INSTALL, "-f")
        self._exclave("installs", "state", INSTALL)
        self._tell("Again: nothing has changed, so nothing is applied.")
        again = self._line("installs", "reprovision", INSTALL)
        self._exclave("workflows", "watch", again)
        self._exclave("sandbox-runs", INSTALL)
        self._tell("And away: components in the reverse order, then the sandbox.")
        end = self._line("installs", "deprovision", INSTALL)
        self._exclave("workflows", "approve", end, "--all")
        self._exclave("workflows", "watch", end)
        self._tell("The page that this product was asked for, with every nested object filled.")
        self._exclave("sandbox-runs", INSTALL, "--expand", "all", "--json")

    # Running commands.

    def _tell(self, line: str) -> None:
        print(f"\n# {line}", flush=True)

    def _show(self, *arguments: str) -> None:
        print(f"$ exclave {shlex.join(arguments)}", flush=True)

    def _exclave(self, *arguments: str) -> None:
        self._show(*arguments)
        self._checked(arguments, self._ran(*arguments).returncode)

    def _ran(self, *arguments: str, stdout: int | None = None) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-P", "-m", "exclave.cli", *arguments]
        ending = orphans.ending_with_parent(signal.SIGTERM)
        return subprocess.run(command, env=self.environ, stdin=subprocess.DEVNULL, stdout=stdout, preexec_fn=ending)

    def _checked(self, arguments: tuple[str, ...], code: int) -> None:
        if code:
            raise Failed(f"`exclave {shlex.join(arguments)}` ended with exit code {code}")

    def _line(self, *arguments: str) -> str:
        """Run a command, show what it prints, and return its last word."""
        self._show(*arguments)
        done = self._ran(*arguments, stdout=subprocess.PIPE)
        sys.stdout.write(done.stdout.decode())
        sys.stdout.flush()
        self._checked(arguments, done.returncode)
        return done.stdout.decode().split()[-1]

    def _json(self, *arguments: str) -> Any:
        self._show(*arguments, "--json")
        done = self._ran(*arguments, "--json", stdout=subprocess.PIPE)
        self._checked(arguments, done.returncode)
        found = json.loads(done.stdout)
        print(json.dumps({"install": {"id": found["install"]["id"]}, "workflow_id": found["workflow_id"]}), flush=True)
        return found

    # The server.

    def _start(self) -> None:
        self._show("up")
        self.server = subprocess.Popen(
            [sys.executable, "-P", "-m", "exclave.cli", "up"],
            env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
            preexec_fn=orphans.ending_with_parent(signal.SIGTERM),
        )  # fmt: skip
        assert self.server.stdout is not None
        for line in self.server.stdout:
            sys.stdout.write(line.decode())
            sys.stdout.flush()
            if line.startswith(b"running"):
                return
        raise Failed(f"`exclave up` ended with exit code {self.server.wait()}")

    def _stop(self) -> None:
        if self.server is None:
            return
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()
        if self.server.returncode:
            self._stop_left_overs()

    def _clear_left_overs(self) -> None:
        """Stop what an earlier demo left running, and start from nothing."""
        if self.base.exists():
            if not self._stop_left_overs():
                raise typer.Exit(2)  # it has said why
            self._remove()

    def _stop_left_overs(self) -> bool:
        """Stop what a server that did not end by itself has left, by pid file: the server, its runners, PostgreSQL."""
        return subprocess.run([sys.executable, "-P", "-m", "exclave.server", "stop"], env=self.environ, check=False).returncode == 0

    def _remove(self) -> None:
        subprocess.run([sys.executable, "-P", "-m", "exclave.server", "remove"], env=self.environ, check=False)
        shutil.rmtree(self.base, ignore_errors=True)
