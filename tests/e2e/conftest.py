"""One system for the tests that leave it whole, and a way to have one of one's own."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.system import System
from tests.e2e.witness import Witness
from tests.processes import free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.nodeid:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group("e2e"))  # one system for all, with `--dist loadgroup`
            item.add_marker(
                pytest.mark.skipif(not (shutil.which("terraform") or shutil.which("tofu")), reason="no terraform or tofu on PATH")
            )


@pytest.fixture
def up() -> Iterator[Callable[..., System]]:
    """Start a system of this test's own."""
    made: list[System] = []

    def start(**settings: str) -> System:
        made.append(System(**settings))
        return made[-1].start()

    yield start
    for system in made:
        system.close()


class Watched(System):
    """A system with short leases, whose runners speak to the server through a witness."""

    def __init__(self, **settings: str) -> None:
        port = free_port()
        super().__init__(EXCLAVE_RUNNER_URL=f"http://127.0.0.1:{port}", **settings)
        self.witness = Witness(port, self.ports["runner"])

    def close(self) -> None:
        super().close()
        self.witness.close()


@pytest.fixture(scope="session")
def watched() -> Iterator[Watched]:
    """One such system for all tests that leave it whole."""
    system = Watched(EXCLAVE_LEASE="2")
    try:
        yield system.start()
    finally:
        system.close()
