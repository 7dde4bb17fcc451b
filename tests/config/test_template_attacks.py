"""Templates that want out, or want everything: each is refused cleanly, within a second, and leaves the state alone."""

import resource
from copy import deepcopy
from pathlib import Path

import pytest
from tests.config.effort import within_a_second

from exclave.config import template
from exclave.config.template import functions

STATE = {"name": "ada", "list": [1, 2, 3], "m": {"a": 1}, "t": True, "a": {"a": {}}}

WRITTEN = [line for line in (Path(__file__).parent / "data/attacks.txt").read_text().splitlines() if line and not line.startswith("#")]

BUILT = {
    "101 nested ifs": "{{ if .t }}" * 101 + "x" + "{{ end }}" * 101,
    "101 nested parentheses": "{{ " + "(" * 101 + "1" + ")" * 101 + " }}",
    "2^60 calls of templates": "".join(
        f'{{{{ define "d{i}" }}}}{{{{ template "d{i + 1}" }}}}{{{{ template "d{i + 1}" }}}}{{{{ end }}}}' for i in range(60)
    )
    + '{{ define "d60" }}{{ end }}{{ template "d0" }}',
    "a number of 10,000 digits": "{{ " + "9" * 10_000 + " }}",
    "5,000 zeros that are no number": "{{ " + "0" * 5_000 + "9 }}",
    "900,000 zeros that are no number": "{{ " + "0" * 900_000 + "9 }}",
    "a sum of zeros that is no number": "{{ " + "0" * 60 + "+" + "0" * 60 + "9i }}",
    "zeros and lines that are no number": "{{ -" + "0_" * 60 + "x }}",
    "5,000 else ifs": "{{ if .t }}" + "{{ else if .t }}" * 5_000 + "{{ end }}",
    "5,000 nested calls": "{{ print " + "(print " * 5_000,
    "100,000 fields": "{{ .a" + ".a" * 100_000 + " }}",
    "20,000 pipes": "{{ " + "1 | print " * 20_000 + " }}",
    "100,000 actions": "{{ .name }}" * 100_000,
    "100,000 open braces": "{{" * 100_000,
    "a source of 2 MB": "x" * 2_000_000 + "{{ .name }}",
    "20,000 definitions": "".join(f'{{{{ define "x{i}" }}}}a{{{{ end }}}}' for i in range(20_000)),
    "20,000 declarations": "{{ $x := 1 }}" * 20_000,
}


def refused(text: str) -> template.TemplateError:
    """Render an attack and return how it was refused, within the bounds that hold for every template."""
    state = deepcopy(STATE)
    error = within_a_second(lambda: _attacked(text, state))
    assert state == STATE
    assert len(str(error)) < 1_000
    return error


def _attacked(text: str, state: dict[str, object]) -> template.TemplateError:
    with pytest.raises(template.TemplateError) as caught:
        template.parse(text).execute(state)
    return caught.value


@pytest.mark.parametrize("text", WRITTEN)
def test_an_attack_is_refused_within_a_second(text):
    refused(text)


@pytest.mark.parametrize("name", BUILT)
def test_a_built_attack_is_refused_within_a_second(name):
    refused(BUILT[name])


def test_refusing_all_attacks_takes_little_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for text in [*WRITTEN, *BUILT.values()]:
        refused(text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


@pytest.mark.parametrize(
    "text",
    [
        "{{ range until 40000 }}{{ end }}",
        "{{ range until 3000 }}{{ range until 3000 }}{{ end }}{{ end }}",
        '{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}',
        '{{ repeat 2000000 "x" }}',
        '{{ range until 30 }}{{ repeat 100000 "x" }}{{ end }}',
    ],
)
def test_too_much_work_is_called_that(text):
    assert isinstance(refused(text), template.TemplateTooExpensive)


def test_the_count_of_work_is_the_same_each_time():
    """Not the clock decides: the largest loop that passes always passes, one more never does."""
    fits = max(n for n in range(0, 20_000, 500) if _passes(n))
    assert fits >= 5_000
    assert all(_passes(fits) for _ in range(3))
    assert not any(_passes(fits + 500) for _ in range(3))


def _passes(count: int) -> bool:
    try:
        template.parse(f"{{{{ range until {count} }}}}{{{{ . }}}}{{{{ end }}}}").execute({})
    except template.TemplateTooExpensive:
        return False
    return True


def test_no_more_than_a_megabyte_is_written():
    text = "{{ .nuon.a }}{{ .nuon.a }}"
    assert len(template.render(text, {"a": "x" * 500_000})) == 1_000_000
    with pytest.raises(template.TemplateTooExpensive):
        template.render(text, {"a": "x" * 600_000})


def test_bytes_are_counted_not_characters():
    with pytest.raises(template.TemplateTooExpensive):
        template.render("{{ .nuon.a }}", {"a": "☃" * 400_000})


def test_nothing_that_depends_on_the_outside_is_a_function():
    outside = {
        *("env", "expandenv", "getHostByName", "readFile", "exec", "include", "tpl", "lookup"),
        *("now", "date", "dateInZone", "htmlDate", "toDate", "unixEpoch", "ago", "dateModify"),
        *("randAlpha", "randAlphaNum", "randAscii", "randNumeric", "randBytes", "randInt", "shuffle", "uuidv4"),
        *("genCA", "genPrivateKey", "genSelfSignedCert", "genSignedCert", "bcrypt", "htpasswd", "derivePassword"),
        *("encryptAES", "decryptAES"),
    }
    assert not functions.NAMES & outside


def test_only_named_functions_of_the_library_are_functions():
    assert set(functions.FUNCTIONS) == functions.ALLOWED | set(functions.builtins.GO)


HOLDS_ITSELF: dict[str, object] = {}
HOLDS_ITSELF["x"] = HOLDS_ITSELF


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"a": [object()]}, r"\.nuon\.a\.0 is of type object"),
        ({"a": {1: "x"}}, r"a key at \.nuon\.a is of type int"),
        ({"a": 10**400}, r"\.nuon\.a is too large"),
        (HOLDS_ITSELF, "holds itself"),
    ],
)
def test_a_state_that_is_no_json_is_refused_by_name(state, words):
    with pytest.raises(template.TemplateError, match=words):
        template.render("{{ .nuon.b }}", {**state, "b": 1})
