"""The program behind `exclave up`, `server` and their kin."""

import gc
import signal
from pathlib import Path

import pytest

from exclave.server import __main__ as program
from exclave.server import launch


def test_ctrl_c_while_an_import_makes_a_class_is_no_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Interrupted:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    def imports(*_: object, **__: object) -> None:
        type("Model", (), {"field": Interrupted()})  # Python 3.11 wraps what comes out of it

    monkeypatch.setattr(launch, "launch", imports)
    monkeypatch.setattr(gc, "disable", lambda: None)  # this process goes on with other tests
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv("EXCLAVE_DATA_DIR", str(tmp_path))
    assert program.main(["up"]) == 0
