"""The first moments of `exclave up`, with few imports: PostgreSQL starts in processes of its own while this one imports its program."""

import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from exclave.kit import postgres, terraform
from exclave.kit.postgres import Cluster, PostgresProblem
from exclave.server import left_over, pidfile, ports
from exclave.server.settings import Settings


def say(line: str) -> None:
    """Tell whoever listens; a terminal or a reader that is gone must not keep us from stopping what we started."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def launch(settings: Settings, environ: Mapping[str, str], *, announce: int | None = None) -> None:
    """Start everything and keep it until a signal. A second `up` on the same data says so.

    `announce` is a pipe whose reader hears that everything answers: the facts as JSON, then its end.
    """
    terraform.find(environ)  # both before the disk is touched
    postgres.check_user(settings.data_dir)
    with contextlib.ExitStack() as held:
        with postgres.explained(settings.data_dir):
            postgres.create_base(settings.data_dir)
            held.enter_context(pidfile.held(settings.data_dir / "up.pid"))
        left_over.retire(settings.data_dir / "server" / "runners")  # they are to claim nothing of the port that we listen on now
        sockets = ports.listen(settings)
        bound = {f"{name}_port": sock.getsockname()[1] for name, sock in sockets.items()}
        settings = msgspec.structs.replace(settings, **bound, allow_local_platform=True)
        postgres.stop_left_over(settings.data_dir)
        with _database(settings.data_dir) as database:
            from exclave.server import serve, up  # the longest part of a start

            serve.set_up_logs(settings.log_level)
            serve.run(up.up(settings, environ, sockets, database, announce))


@contextlib.contextmanager
def _database(base: Path) -> "Iterator[Future[Cluster]]":
    """PostgreSQL while it starts; at the end of the block it is stopped, also when that comes before it has started."""
    with ThreadPoolExecutor(1, "postgres") as thread:
        starting = thread.submit(postgres.start, base, progress=say)
        try:
            yield starting
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a second Ctrl-C must not leave it running
                signal.signal(number, signal.SIG_IGN)
            with contextlib.suppress(PostgresProblem):
                cluster = starting.result()
                say("stopping PostgreSQL")
                cluster.stop()
