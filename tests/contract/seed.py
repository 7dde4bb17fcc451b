"""The documented field paths of the seed's page, and what we say of each (`seed_paths.toml`).

`python -m tests.contract.seed answer.json …` names what a saved answer with `?expand=all` lacks of the verdict `demo`.
"""

import functools
import json
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VERDICTS = ("demo", "factory", "zero", "withheld", "later")
SHOWN = ("demo", "factory")


@functools.cache
def documented() -> tuple[str, ...]:
    """Every path that the seed documents, with a dot at each step; lists are not marked."""
    return tuple((HERE / "seed_paths.txt").read_text().split())


@functools.cache
def judged() -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The verdicts of each path (there should be one), and the words of the table that match nothing."""
    fields: dict[str, set[str]] = defaultdict(set)  # place -> its fields
    for path in documented():
        place, _, field = path.rpartition(".")
        fields[place].add(field)
    found: dict[str, list[str]] = {path: [] for path in documented()}
    idle: list[str] = []
    for table in tomllib.loads((HERE / "seed_paths.toml").read_text())["shape"]:
        if "later" in table and not table.get("waits_for"):
            idle.append(f"{table['name']}: later, but it does not say what it waits for")
        for pattern in table["at"]:
            places = [place for place in fields if _matches(pattern, place)]
            if not places:
                idle.append(f"{table['name']}: {pattern!r} is no place")
            for place in places:
                for verdict in VERDICTS:
                    for field in table.get(verdict, "").split():
                        path = f"{place}.{field}" if place else field
                        if field in fields[place]:
                            found[path].append(verdict)
                        else:
                            idle.append(f"{table['name']}: {path} is not documented")
    return {path: tuple(verdicts) for path, verdicts in found.items()}, tuple(idle)


def with_verdict(*verdicts: str) -> list[str]:
    return [path for path, given in judged()[0].items() if given and given[0] in verdicts]


def _matches(pattern: str, place: str) -> bool:
    """`**.` stands for any number of steps at the beginning."""
    return re.fullmatch(re.escape(pattern).replace(r"\*\*\.", r"(?:[^.]+\.)*"), place) is not None


def present(answer: Any) -> set[str]:
    """The documented paths that an answer holds with a value that is not empty."""
    known, found = set(documented()), set[str]()

    def walk(value: Any, place: str) -> None:
        if isinstance(value, list):
            for each in value:
                walk(each, place)
        elif isinstance(value, dict):
            for key, below in value.items():
                path = f"{place}.{key}" if place else key
                if path in known:
                    if not is_zero(below):
                        found.add(path)
                    walk(below, path)

    walk(answer, "")
    return found


def is_zero(value: Any) -> bool:
    """An empty value: what the contract writes for a field that is always there."""
    if isinstance(value, dict):
        return all(is_zero(below) for below in value.values())
    return value in (None, "", 0, False) or value == []


def missing_in_demo(answers: Iterable[Any]) -> list[str]:
    """What the demo must show and none of these answers does."""
    found = set[str]().union(*(present(answer) for answer in answers))
    return [path for path in with_verdict("demo") if path not in found]


if __name__ == "__main__":
    missing = missing_in_demo(json.loads(Path(name).read_text()) for name in sys.argv[1:])
    print("\n".join(missing) or "nothing is missing")
    sys.exit(bool(missing))
