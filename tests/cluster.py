"""The PostgreSQL of the tests: the embedded one, as `exclave up` starts it, in a directory of its own."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from exclave.kit import postgres
from exclave.kit.postgres import Cluster

__all__ = ["Cluster", "start_cluster"]


@contextlib.contextmanager
def start_cluster() -> Iterator[Cluster]:
    base = Path(tempfile.mkdtemp(prefix="exclave-test-"))
    os.chmod(base, 0o711)
    started = postgres.start(base, progress=lambda line: None)
    try:
        yield started
    finally:
        started.stop()
        shutil.rmtree(base, ignore_errors=True)
