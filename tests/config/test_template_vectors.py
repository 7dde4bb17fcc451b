"""What Go makes of a template is what Exclave makes of it: 3,191 cases recorded from Go's text/template with sprig."""

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from exclave.config import template

DATA = Path(__file__).parent / "data"
DIFFERS: dict[str, str] = tomllib.loads((DATA / "templates_differ.toml").read_text())


def _cases() -> list[tuple[str, dict[str, Any], Any]]:
    """Pair each case with its data as text, so that each render starts from fresh data."""
    fixtures: dict[str, Any] = {}
    cases = []
    for row in json.loads((DATA / "templates.json").read_text()):
        if "template" not in row:
            fixtures[row["fixture"]] = row["data"]
        else:
            cases.append((row["name"], row, row["data"] if "data" in row else fixtures.get(row.get("fixture"))))
    return cases


CASES = _cases()


def _outcome(row: dict[str, Any], data: Any) -> tuple[str, str]:
    try:
        return "output", template.parse(row["template"]).execute(data, missing_key=row.get("missingkey", "error"))
    except template.TemplateError as error:
        return error.kind, ""


def _expected(row: dict[str, Any]) -> tuple[str, str]:
    if "error" in row:
        return row["error"], ""
    return "output", row["output"] if "output" in row else base64.b64decode(row["output_b64"]).decode(errors="surrogateescape")


CATEGORIES = sorted({row["category"] for _, row, _ in CASES})


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_template_gives_what_go_gives(category):
    wrong = {
        name: (row["template"][:200], outcome, _expected(row))
        for name, row, data in CASES
        if row["category"] == category and name not in DIFFERS and (outcome := _outcome(row, data)) != _expected(row)
    }
    assert not wrong


@pytest.mark.parametrize("name", DIFFERS)
def test_a_listed_difference_is_still_one(name):
    found = [(row, data) for found_name, row, data in CASES if found_name == name]
    assert len(found) == 1, f"there is no case {name}"
    row, data = found[0]
    assert _outcome(row, data) != _expected(row), "it passes now: take it off the list"


def test_no_template_of_a_vendor_may_differ():
    assert not [name for name in DIFFERS if name.startswith("vendor_")]
    assert sum(row["category"].startswith("vendor_") for _, row, _ in CASES) == 510


def test_all_cases_are_there():
    assert len(CASES) == 3191
    assert len(DIFFERS) <= 0.02 * len(CASES)
