"""Our TOML reader gives what the standard library's gives, and says where everything stands."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exclave.config import layout, toml
from exclave.config.documents import TomlError

GOOD = [
    "",
    "\ufeffa = 1",
    "a = 1 # one\r\nb = 'x'\r\n",
    "a.b.c = 1\na.b.d = 2\n[a.e]\nf = 3",
    "[a.b]\nc = 1\n[a]\nd = 2",
    "[[a]]\nb = 1\n[a.c]\nd = 1\n[[a]]\nb = 2\n[[a.e]]\n[[a.e]]",
    'a = """\nx\\\n   y\\n"z" ""\n"""',
    "a = '''\nx 'y' ''\n'''''",
    'a = """"x""""\n',
    'a = "\\u00e9\\U0001F600\\t"',
    'a = [1, 2, # two\n  3,\n]\nb = [[1], ["x", {c = 1}]]',
    "a = { b = 1, c.d = 2, 'e f' = {} }",
    "a = 0x1F\nb = 0o17\nc = 0b101\nd = 1_000\ne = -0\nf = +5",
    "a = 1.5\nb = 1e3\nc = -2.5E-3\nd = inf\ne = -inf\ng = 1_0.0_1",
    "a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.5-07:00\nc = 1979-05-27\nd = 07:32:00\ne = 1979-05-27T07:32:00",
    '"a b" = 1\n\'c.d\' = 2\n"" = 3\n1234 = 4\n-x- = 5',
    "[ a . 'b' ]\nc = 1",
    "a=1\n[b]\n",
    "x = true\ny = false",
    "[a]\n[a.b]\n[c.d]\n[c]",
]
BAD = [
    "a",
    "a =",
    "a = b",
    "= 1",
    "a = 1 b = 2",
    "a = 1\na = 2",
    "[a]\n[a]",
    "[a]\nb = 1\n[a.b]",
    "a = 1\n[a]",
    "a = [1]\n[[a]]",
    "[[a]]\n[a]",
    "a = {b = 1}\n[a.c]",
    "a = {b = 1}\na.c = 2",
    "[a.b]\n[a]\nb.c = 1",
    "a.b = 1\n[a]",
    "a = {b = 1,}",
    "a = {b = 1\n}",
    "a = [1 2]",
    "a = [",
    "a = {",
    'a = "x',
    'a = "x\ny"',
    "a = 'x",
    'a = """x',
    "a = '''x",
    'a = "\\d"',
    'a = "\\ud800"',
    'a = "\\u12"',
    "a = 01",
    "a = 1__0",
    "a = _1",
    "a = 1.",
    "a = .1",
    "a = 1e",
    "a = 0x",
    "a = True",
    "a = 2024-13-01",
    "a = 25:00:00",
    "[a",
    "[a] b = 1",
    "[[a]",
    "[]",
    "[a..b]",
    "a. = 1",
    'a = "\x00"',
    "# \x01",
    "a = 1\rb = 2",
    '"""a""" = 1',
    "a = 'x' 'y'",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_toml_reads_as_in_the_standard_library(text):
    assert repr(toml.parse(text).data) == repr(tomllib.loads(text.removeprefix("\ufeff")))


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_toml_is_refused(text):
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)
    with pytest.raises(TomlError) as refused:
        toml.parse(text)
    assert 0 <= refused.value.offset <= len(text)


PIECES = st.sampled_from(
    [
        *"ab=.,[]{}\"'#\n\r\t \\-_10+:TZ",
        "a = ",
        "[a]\n",
        "[[b]]\n",
        '"""',
        "'''",
        "1979-05-27",
        "\\u00e9",
        "{a = 1}",
        "é",
        "\x00",
        "inf",
        "0x1",
    ]
)


@settings(max_examples=3000, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_any_text_is_read_or_refused_as_in_the_standard_library(text):
    try:
        expected = repr(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        expected = None
    try:
        ours = repr(toml.parse(text).data)
    except TomlError:
        ours = None
    assert ours == expected


NAMES = st.text("abc_-", min_size=1, max_size=4)
SCALARS = st.one_of(st.text(max_size=12), st.integers(-(2**60), 2**60), st.booleans())


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, st.one_of(SCALARS, st.dictionaries(NAMES, SCALARS, max_size=3), st.lists(SCALARS, max_size=3)), max_size=5))
def test_every_mark_stands_at_its_key_and_value(data):
    from exclave.config import exporter

    text = exporter.toml(data)
    document = toml.parse(text)
    assert document.data == data
    for path, mark in document.marks.items():
        if isinstance(path[-1], str) and mark.key != mark.value:
            assert tomllib.loads(f"x = {text[mark.value : mark.end]}")["x"] == _at(data, path)
            assert tomllib.loads(text[mark.key : mark.end])


def _at(data, path):
    for part in path:
        data = data[part]
    return data


@pytest.mark.parametrize("text", [text for text in GOOD if "\ufeff" not in text])
def test_laying_out_changes_no_value_and_is_done_once(text):
    arranged = layout.arrange(text)
    assert repr(tomllib.loads(arranged)) == repr(tomllib.loads(text))
    assert layout.arrange(arranged) == arranged
    assert arranged.count("#") == text.count("#")


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_whatever_is_toml_can_be_laid_out(text):
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    arranged = layout.arrange(text)
    assert repr(tomllib.loads(arranged)) == repr(data)
    assert layout.arrange(arranged) == arranged


def test_the_layout_is_as_documented():
    text = "# app\n  b   =  1   # one\n\n\n\na=\"x\"\n[ t . u ]\n\n   c = '''\n  kept\n'''\n# about v\n[[v]]\n  d = [ 1,\n   2 ]\n"
    expected = "# app\nb = 1  # one\n\na = \"x\"\n\n[t.u]\nc = '''\n  kept\n'''\n\n# about v\n[[v]]\nd = [ 1,\n   2 ]\n"
    assert layout.arrange(text) == expected
