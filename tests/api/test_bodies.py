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
    gitRef: str = ""  # noqa: N815 - as the contract spells some


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
