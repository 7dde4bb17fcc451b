"""One running Exclave for all tests of a worker that do not harm it."""

import shutil
from collections.abc import Iterator

import pytest

from tests.cli.system import System, running


@pytest.fixture(scope="session")
def exclave_up() -> Iterator[System]:
    if not (shutil.which("terraform") or shutil.which("tofu")):
        pytest.skip("neither terraform nor tofu is on PATH")
    with running() as system:
        yield system


@pytest.fixture(scope="session")
def hello(exclave_up: System) -> System:
    """The same with the app hello-local synced and an install `acme` of it that is provisioned."""
    directory = exclave_up.app("hello")
    exclave_up.exclave("apps", "sync", str(directory))
    workflow = exclave_up.install("hello", "acme", "--approve-all")
    exclave_up.exclave("workflows", "watch", workflow)
    return exclave_up
