"""Whatever a text is, it is rendered or refused: never another exception, never much time, never a changed state."""

from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.config.effort import within_a_second

from exclave.config import template
from exclave.config.template import budget, functions

SEEDS = {path.stem: path.read_bytes().decode() for path in sorted((Path(__file__).parent / "data/fuzz").glob("*.tmpl"))}

STATE = {
    "nuon": {
        "id": "inl1",
        "install": {"id": "inl1"},
        "a": None,
        "b": "x",
        "n": 1e21,
        "l": [{"x": 1}, "☃", [], -0.5],
        "m": {"a": {"b": "c"}, "b": "", "k-v": 3},
        "components": {"my-api": {"outputs": {"url": "https://api"}}},
    }
}

# fmt: off
WORDS = [
    *sorted(functions.NAMES), "if", "else", "with", "range", "end", "define", "template", "block", "break", "continue",
    "{{", "}}", "{{-", "-}}", "/*", "*/", "|", "(", ")", ".", "$", "$x", ":=", "=", ",", ".nuon", '"a"', "`b`", "'c'",
    "0", "1", "-1", "9223372036854775807", "1e308", "nil", "true", " ", "\n", "{", "\\", "é", "\x00", "%",
]
PIECES = st.sampled_from(WORDS) | st.sampled_from(
    [".nuon.l", ".nuon.m", ".nuon.a", ".nuon.id", "(until 99)", "(list . $)", '(repeat 99 "a")']
)
# fmt: on


def survives(text: str) -> None:
    state = deepcopy(STATE)
    within_a_second(lambda: _used(text, state))
    assert state == STATE


def _used(text: str, state: dict[str, object]) -> None:
    with suppress(template.TemplateError):
        parsed = template.parse(text)
        parsed.variables()
        template.trace(text, state)
        output = parsed.execute(state)
        assert len(output.encode()) <= budget.OUTPUT_BYTES
        assert parsed.execute(state) == output


@pytest.mark.parametrize("name", SEEDS)
def test_a_seed_is_rendered_or_refused(name):
    survives(SEEDS[name])


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A seed, cut and mended with pieces of the language and of other seeds."""
    text = draw(st.sampled_from(sorted(SEEDS.values())))
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(len(text), first + 12)))
        patch = draw(st.lists(PIECES, max_size=4).map(" ".join) | st.sampled_from(sorted(SEEDS.values())) | st.text(max_size=3))
        text = text[:first] + patch + text[last:]
    return text


@settings(max_examples=1_500, deadline=None)
@given(mutants())
def test_a_mutant_is_rendered_or_refused(text):
    survives(text)


# fmt: off
ARGUMENTS = st.sampled_from([
    ".nuon.l", ".nuon.m", ".nuon.a", ".nuon.n", '"a"', '"(a|b)*"', "1", "-1", "2.5", "nil", "true", "(list)", "(dict)",
    "(list 1 nil `x`)", "9223372036854775807", '(repeat 300 "ab")', "(until 50)", '(semver "1.2.3")', "(add 1 2)", '"%5.3s%[2]*d"',
    '(dict "a" .nuon.m)',
])
# fmt: on


@settings(max_examples=3_000, deadline=None)
@given(st.sampled_from(sorted(functions.NAMES)), st.lists(ARGUMENTS, max_size=4), st.booleans())
def test_any_function_takes_or_refuses_any_arguments(name, arguments, piped):
    call = (
        f"{{{{ {arguments[-1]} | {name} {' '.join(arguments[:-1])} }}}}"
        if piped and arguments
        else f"{{{{ {name} {' '.join(arguments)} }}}}"
    )
    survives(call)
