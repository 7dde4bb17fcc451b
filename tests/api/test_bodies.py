"""A body is read as leniently as the original reads it: an SDK may write null for what it leaves out, in its own spelling."""

import json

import msgspec
import pytest

from exclave.api import route
from exclave.kit import errors
from exclave.wire.base import Body


class Step(Body):
    name: str
    command: str = ""
    index: int = 0


class Source(Body):
    repo: str
    gitRef: str = ""  # as the contract spells some


class Config(Body):
    title: str
    timeout: int = 0
    steps: list[Step] = []
    groups: dict[str, Step] = {}
    source: Source | None = None
    variables: dict[str, str | None] = {}
    display: msgspec.Raw = msgspec.Raw(b"")


DECODER = msgspec.json.Decoder(Config)


def read(text: str | bytes) -> Config:
    return route.decode(DECODER, Config, text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"title": "a", "timeout": None}, Config(title="a")),
        ({"title": "a", "steps": None}, Config(title="a")),
        ({"title": "a", "steps": [{"name": "s", "command": None, "index": None}]}, Config(title="a", steps=[Step(name="s")])),
        ({"title": "a", "groups": {"g": {"name": "s", "index": None}}}, Config(title="a", groups={"g": Step(name="s")})),
        ({"title": "a", "source": {"repo": "r", "gitRef": None}}, Config(title="a", source=Source(repo="r"))),
        ({"title": "a", "timeout": None, "variables": {"v": None}}, Config(title="a", variables={"v": None})),
    ],
)
def test_null_is_as_good_as_nothing_wherever_it_stands(given, meant):
    assert read(json.dumps(given)) == meant


@pytest.mark.parametrize("given", [{"title": None}, {"title": "a", "steps": [{"name": None}]}, {"title": "a", "groups": {"g": None}}])
def test_null_does_not_stand_for_what_is_required(given):
    with pytest.raises((errors.Invalid, msgspec.ValidationError)):
        read(json.dumps(given))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"Title": "a"}, Config(title="a")),
        ({"title": "a", "Timeout": 5}, Config(title="a", timeout=5)),
        ({"title": "a", "STEPS": [{"Name": "s", "Command": "c"}]}, Config(title="a", steps=[Step(name="s", command="c")])),
        ({"title": "a", "source": {"repo": "r", "GitRef": "main"}}, Config(title="a", source=Source(repo="r", gitRef="main"))),
        ({"title": "a", "Variables": {"DEBUG": "1", "debug": "2"}}, Config(title="a", variables={"DEBUG": "1", "debug": "2"})),
    ],
)
def test_a_key_is_known_in_any_spelling_also_one_that_may_be_missing(given, meant):
    assert read(json.dumps(given)) == meant


def test_what_is_passed_through_stays_as_it_came_whatever_its_keys():
    display = b'{"A": 1.0, "a": 1e2, "B": null}'
    assert bytes(read(b'{"title": "a", "display": ' + display + b"}").display) == display
