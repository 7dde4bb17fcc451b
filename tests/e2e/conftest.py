"""One system for the tests that leave it whole, and a way to have one of one's own."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.system import System

pytestmark = pytest.mark.slow


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.nodeid:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.skipif(not (shutil.which("terraform") or shutil.which("tofu")), reason="no terraform or tofu on PATH"))


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
