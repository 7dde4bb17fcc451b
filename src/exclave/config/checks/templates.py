"""Templates: do they parse, and does anything provide what they name?"""

from __future__ import annotations

from exclave.config import model
from exclave.config.places import Ledger
from exclave.config.reading import Template


def check(app: model.App, ledger: Ledger, templates: list[Template]) -> None:
    """Check every text that is rendered later."""
