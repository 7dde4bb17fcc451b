"""Printed pages are what the code prints today."""

from pathlib import Path

from exclave.server import wiring

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_status_page_is_what_the_routes_say() -> None:
    assert (DOCS / "status.md").read_text() == wiring.status_page(), "print it anew: python -m exclave.server status > docs/status.md"
