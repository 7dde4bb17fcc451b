"""What is said about broken apps, word for word.

Each directory of `broken/` is laid over `broken/base`, an app without fault; `remove.txt` names files to leave out, `expected.txt` holds
the report. After a wanted change, `ACCEPT_REPORTS=1 pytest tests/config/test_broken.py` writes the reports anew: read the difference.
"""

import os
import shutil
from pathlib import Path

import pytest

from exclave import config
from exclave.config import codes, formats

BROKEN = Path(__file__).parent / "broken"
BASE = BROKEN / "base"
CASES = sorted(path for path in BROKEN.iterdir() if path.is_dir() and path != BASE)


def _laid_out(case: Path, tmp_path: Path) -> Path:
    app = tmp_path / "shop"
    shutil.copytree(BASE, app)
    shutil.copytree(case, app, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected.txt", "remove.txt"))
    if (case / "remove.txt").exists():
        for name in (case / "remove.txt").read_text().split():
            (app / name).unlink(missing_ok=True)
    return app


def test_the_base_has_no_fault(tmp_path):
    assert config.load(_laid_out(BASE, tmp_path), offline=True).reports == []


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_a_broken_app_is_reported_word_for_word(case, tmp_path):
    said = formats.text(config.load(_laid_out(case, tmp_path), offline=True).reports)
    expected = case / "expected.txt"
    if os.environ.get("ACCEPT_REPORTS"):
        expected.write_text(said)
    assert said == expected.read_text()
    assert said


def test_nearly_every_code_is_shown_by_a_broken_app():
    shown = "".join(path.read_text() for path in BROKEN.rglob("expected.txt"))
    # These need files that git cannot hold, a network, or are shown by other tests.
    elsewhere = {"EX-C001", "EX-C004", "EX-C005", "EX-C006", "EX-C036"}
    assert {code for code in codes.CODES if code not in shown} <= elsewhere
