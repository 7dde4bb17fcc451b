"""The sandbox: what its engine needs."""

from __future__ import annotations

from exclave.config import model
from exclave.config.places import Ledger


def check(app: model.App, ledger: Ledger) -> None:
    """Check that the sandbox names what its engine runs with."""
    at = ledger.origin(("sandbox",))
    if at is None:
        return
    needed = {"terraform": ("terraform_version", '"1.11.3"'), "pulumi": ("runtime", '"go"')}
    name, example = needed.get(app.sandbox.type, ("", ""))
    written = {key.lower() for key in at.document.data} | {path[1] for path in ledger.origins if path[0] == "sandbox" and len(path) == 2}
    if name and name not in written:
        hint = f"a sandbox of type {app.sandbox.type} needs it, for example {name} = {example}"
        ledger.say("EX-C014", f'"{name}" is missing', hint, at=at, on="key")
