"""Run programs so that nothing outlives its purpose: a session of their own, bounded lines, no inherited environment.

A program is started with an argument list (never a shell text) as the leader of a new session and process group. When the
leader ends, whatever it left in its group is killed. When this process dies, even by SIGKILL, the kernel ends the leader (`kit.orphans`).
Only standard library: the control plane uses this for git, the runner for everything.
"""

import asyncio
import ctypes
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from exclave.kit import orphans
from exclave.kit.errors import Problem

LINE_LIMIT = 64 * 1024
"""The longest line that is passed on, in bytes; what exceeds it is dropped up to the next line break."""

_CHUNK = 64 * 1024
_DRAIN_SECONDS = 5.0


class ToolFailed(Problem):
    """A program failed."""

    code = "tool_failed"

    def __init__(self, *, tool: str, exit: int, tail: Sequence[str] = (), what: str = "") -> None:
        last = "\n".join(tail)
        super().__init__(
            f"{tool} {what or 'failed'} (exit status {exit})" + (f": {last}" if last else ""),
            tool=tool,
            exit=exit,
            tail=list(tail),
        )


class ToolMissing(Problem):
    """A program is not installed."""

    code = "tool_missing"


class TimedOut(Problem):
    """A program took too long."""

    code = "tool_timed_out"


@dataclass(frozen=True)
class Line:
    """One line of output. `cut` tells that the rest of it was dropped."""

    text: str
    stream: str  # stdout or stderr
    cut: bool = False


OnLine = Callable[[Line], None]


@dataclass(frozen=True)
class Patience:
    """How long a program may take to stop, in seconds: after SIGINT, then after SIGTERM; then comes SIGKILL."""

    interrupt: float = 30.0
    terminate: float = 5.0


class Lines:
    """Cut a stream of bytes into lines of bounded length."""

    def __init__(self, stream: str, limit: int = LINE_LIMIT) -> None:
        self._stream = stream
        self._limit = limit
        self._held = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[Line]:
        lines: list[Line] = []
        start = 0
        while start < len(data):
            end = data.find(b"\n", start)
            piece = data[start:] if end < 0 else data[start:end]
            if not self._skipping:
                self._held += piece
                if len(self._held) > self._limit:
                    lines.append(self._take(cut=True))
                    self._skipping = True
            if end < 0:
                break
            if not self._skipping:
                lines.append(self._take())
            self._skipping = False
            start = end + 1
        return lines

    def rest(self) -> list[Line]:
        return [self._take()] if self._held and not self._skipping else []

    def _take(self, *, cut: bool = False) -> Line:
        text = bytes(self._held[: self._limit]).decode("utf-8", "replace").rstrip("\r")
        self._held.clear()
        return Line(text, self._stream, cut)


class Child:
    """A running program, and everything in its process group."""

    def __init__(self, process: asyncio.subprocess.Process, readers: Sequence["asyncio.Task[None]"]) -> None:
        self._process = process
        self._readers = readers
        self._ended = asyncio.Event()
        self.pid = process.pid
        self._watch = asyncio.ensure_future(self._await_end())

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        on_line: OnLine | None = None,
        stdout: Path | None = None,
        line_limit: int = LINE_LIMIT,
        orphan_signal: signal.Signals = signal.SIGKILL,
        record: Callable[[int], None] | None = None,
    ) -> "Child":
        """Start a program. With `stdout` its output goes to a new file (mode 0600) instead of `on_line`.

        `orphan_signal` is what the program gets when this process dies before it.
        """
        inherited: list[int] = []  # write ends, closed here once the child has them
        kept: list[int] = []
        sources: list[tuple[int, str]] = []
        try:
            if stdout is not None:
                out = os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
                inherited.append(out)
            else:
                read, out = os.pipe()
                inherited.append(out)
                sources.append((read, "stdout"))
                kept.append(read)
            read, err = os.pipe()
            inherited.append(err)
            sources.append((read, "stderr"))
            kept.append(read)
            binder = _binder(orphan_signal) if _is_program(argv[0], cwd, env) else ()
            try:
                process = await asyncio.create_subprocess_exec(
                    *binder,
                    *argv,
                    cwd=cwd,
                    env=dict(env),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                    preexec_fn=None if binder else _prepare(orphan_signal),
                    # One that may finish on its own holds the other ends of its pipes too: writing into a pipe that nobody
                    # reads would kill it before it has put its house in order.
                    pass_fds=() if orphan_signal == signal.SIGKILL else tuple(kept),
                )
            except FileNotFoundError as error:
                raise ToolMissing(f"cannot start {argv[0]!r} in {cwd}: no such program. Install it or name its path.") from error
            except PermissionError as error:
                raise ToolMissing(f"cannot start {argv[0]!r} in {cwd}: it is not executable.") from error
        except BaseException:
            for handle in kept:
                os.close(handle)
            raise
        finally:
            for handle in inherited:
                os.close(handle)
        if record is not None:
            record(process.pid)
        readers = [asyncio.ensure_future(_read(handle, Lines(name, line_limit), on_line)) for handle, name in sources]
        return cls(process, readers)

    async def wait(self) -> int:
        """Wait until the program ended and its output was read; return its exit status (negative: the signal)."""
        await asyncio.shield(self._watch)
        assert self._process.returncode is not None
        return self._process.returncode

    def send(self, signum: signal.Signals) -> None:
        """Send a signal to the whole group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signum)

    def kill(self) -> None:
        """End the whole group at once."""
        self.send(signal.SIGKILL)

    async def stop(self, patience: Patience = Patience()) -> None:
        """Ask the group to stop, then insist, then end it."""
        for signum, seconds in ((signal.SIGINT, patience.interrupt), (signal.SIGTERM, patience.terminate)):
            if self._ended.is_set():
                return
            self.send(signum)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), seconds)
                return
        self.kill()
        await self._ended.wait()

    async def _await_end(self) -> None:
        try:
            await self._process.wait()
            # What the leader left behind must not keep running, nor keep our pipes open.
            self.kill()
            _, late = await asyncio.wait(self._readers, timeout=_DRAIN_SECONDS)
            for reader in late:
                reader.cancel()
        finally:
            self._ended.set()


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    on_line: OnLine | None = None,
    stdout: Path | None = None,
    timeout: float | None = None,
    line_limit: int = LINE_LIMIT,
) -> int:
    """Run a program to its end and return its exit status. Its whole group is killed on time-out or cancellation."""
    started = time.monotonic()
    child = await Child.start(argv, cwd=cwd, env=env, on_line=on_line, stdout=stdout, line_limit=line_limit)
    try:
        return await asyncio.wait_for(child.wait(), timeout)
    except TimeoutError as error:
        raise TimedOut(f"{Path(argv[0]).name} was stopped after {time.monotonic() - started:.0f} s") from error
    finally:
        child.kill()
        await asyncio.shield(child.wait())


def hide_from_same_user() -> None:
    """Let no other process of this user read this one's memory or environment (root still can)."""
    if orphans.prctl is not None:
        orphans.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


def scrub_environment(name: str) -> str | None:
    """Take a variable out of this process: out of os.environ and, where libc allows, out of the memory behind /proc/self/environ."""
    value = os.environ.get(name)
    if value is None:
        return None
    with suppress(OSError, AttributeError, ValueError):
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_void_p
        address = getenv(name.encode())
        if address:
            ctypes.memset(address, 0, len(os.fsencode(value)))
    del os.environ[name]
    return value


def _binder(orphan_signal: signal.Signals) -> tuple[str, ...]:
    """Return the words before a command that make it end with this process, unless code of our own must run in the child first."""
    # What is ignored here would stay ignored there, and SIGINT is how a program is asked to end.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN or not (words := orphans.words_before(orphan_signal)):
        return ()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # children inherit it: a core file would hold secrets, ours as much as theirs
    return words


def _is_program(name: str, cwd: Path, env: Mapping[str, str]) -> bool:
    """Will the kernel start this? What it may not is left to the plain way, which says why; `setpriv` would try a shell."""
    path = str(cwd / name) if "/" in name else shutil.which(name, path=env.get("PATH", os.defpath))
    if path is None or not os.path.isfile(path) or not os.access(path, os.X_OK):
        return False
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4).startswith((b"#!", b"\x7fELF"))
    except OSError:  # it may be started, but not read
        return False


def _prepare(orphan_signal: signal.Signals) -> Callable[[], None]:
    bind = orphans.ending_with_parent(orphan_signal)

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold secrets
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where a script started us with `&`; it is how a program is asked to end
        bind()

    return prepare


async def _read(handle: int, lines: Lines, on_line: OnLine | None) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_CHUNK)
    pipe = os.fdopen(handle, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while data := await reader.read(_CHUNK):
            for line in lines.feed(data):
                if on_line is not None:
                    on_line(line)
        for line in lines.rest():
            if on_line is not None:
                on_line(line)
    finally:
        transport.close()
