"""What a handler gets: the claimed job, its directory, log and redactor, and a way to run programs that can be stopped."""

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exclave.client.runner import ExecutionApi, RunnerApi
from exclave.kit import process
from exclave.kit.errors import Problem
from exclave.runner import environment
from exclave.runner.lease import Lease
from exclave.runner.logs import ERROR, INFO, JobLog
from exclave.runner.redact import Redactor
from exclave.runner.settings import Settings
from exclave.runner.workspace import Workspace
from exclave.wire.public.runners import RunnerJob


class JobFailed(Problem):
    """The job failed."""

    code = "job_failed"

    def __init__(self, description: str, *, reason: str = "") -> None:
        super().__init__(description)
        self.reason = reason


class Stopped(Exception):
    """The job is being stopped: no further program is started."""


@dataclass(frozen=True)
class Outcome:
    """What a handler brings home. `contents` is kept sealed, `display` is for people and holds no secret."""

    contents: bytes = b""
    display: bytes = b""  # JSON
    outputs: Mapping[str, Any] | None = None
    sensitive: Sequence[str] = ()  # names of outputs that are secret
    then: Callable[[], None] | None = None  # run after the job was reported


@dataclass
class Job:
    """One claimed job."""

    job: RunnerJob
    plan: Any
    execution_id: str
    directory: Path
    api: RunnerApi
    execution: ExecutionApi
    lease: Lease
    log: JobLog
    redact: Redactor
    settings: Settings
    workspace: Workspace
    step_name: str = ""
    begun: "asyncio.Future[None]" = field(init=False)  # done once the server knows that the job is being worked on
    _children: set[process.Child] = field(default_factory=set)
    _stopping: bool = False

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Name what is being done, for log lines and for the error if it fails."""
        self.step_name = self.log.step = name
        yield

    def environment(self) -> dict[str, str]:
        """Return what every child of this job gets."""
        return environment.base(ambient=self.settings.ambient, home=self.directory, temporary=self.directory / "tmp")

    def show(self, line: process.Line) -> None:
        """Write a child's line to the log: stdout as information, stderr as error."""
        self.log.write(line.text, severity=INFO if line.stream == "stdout" else ERROR, cut=line.cut)

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        on_line: process.OnLine | None = None,
        stdout: Path | None = None,
        line_limit: int = process.LINE_LIMIT,
        orphan_signal: signal.Signals = signal.SIGKILL,
    ) -> int:
        """Run a program to its end and return its exit status; it is stopped with the job.

        None runs before the server knows of it: a job of which nothing was heard after its claim is given to another runner.
        """
        await asyncio.shield(self.begun)
        if self._stopping:
            raise Stopped
        self.lease.check()
        try:
            child = await process.Child.start(
                argv,
                cwd=cwd,
                env=env,
                on_line=on_line or self.show,
                stdout=stdout,
                line_limit=line_limit,
                orphan_signal=orphan_signal,
                record=self.workspace.record_child,
            )
        except OSError as error:  # a variable or an argument of more than 128 KiB, a name that cannot be one
            raise JobFailed(f"cannot start {_shortened(argv[0])!r}: {error.strerror}", reason="cannot-start") from error
        self._children.add(child)
        try:
            code = await child.wait()
        finally:
            child.kill()
            await asyncio.shield(child.wait())
            self._children.discard(child)
        if self._stopping:
            raise Stopped
        return code

    async def stop(self, patience: process.Patience) -> bool:
        """Stop what runs and start nothing more; tell whether something ran."""
        self._stopping = True
        children = list(self._children)
        await asyncio.gather(*(child.stop(patience) for child in children))
        return bool(children)

    def kill(self) -> None:
        """End what runs, at once."""
        self._stopping = True
        for child in self._children:
            with suppress(ProcessLookupError):
                child.kill()


def _shortened(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:200]}…"
