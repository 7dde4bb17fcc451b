"""Rendering the texts of an app directory: what comes out, and how an error names the thing, the place and the way out."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exclave.config import template
from exclave.config.template.budget import Budget
from exclave.kit import errors

STATE = {
    "id": "inl1",
    "org": {"id": "org1", "name": "Acme & Söhne <GmbH>"},
    "install": {"id": "inl1", "name": "prod", "inputs": {"region": "eu-west-1", "nodes": "3"}},
    "sandbox": {"outputs": {"vpc": {"id": "vpc-1", "subnets": ["subnet-1", "subnet-2"]}, "nat_gateways": 2, "quota": 1000000}},
    "install_stack": {"outputs": None},
    "components": {"my-api": {"outputs": {"url": "https://api"}}},
}


def failure(text: str, **options) -> template.TemplateError:
    with pytest.raises(template.TemplateError) as caught:
        template.render(text, STATE, **options)
    return caught.value


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("id={{ .nuon.install.id }}", "id=inl1"),
        ("{{ .nuon.org.name }}", "Acme & Söhne <GmbH>"),
        ('{{ .nuon.sandbox.outputs.vpc.subnets | join "," }}', "subnet-1,subnet-2"),
        ('{{ index .nuon.components "my-api" "outputs" "url" }}', "https://api"),
        ('{{ dig "outputs" "x" "none" .nuon.sandbox }}', "none"),
        ("{{ .nuon.sandbox.outputs.nat_gateways }}", "2"),
        ("{{ .nuon.sandbox.outputs.quota }}", "1e+06"),
        ("{{ .nuon.sandbox.outputs.quota | int64 }}", "1000000"),
        ("{{ if gt .nuon.sandbox.outputs.nat_gateways 1.0 }}many{{ end }}", "many"),
        ("{{ with .nuon.install_stack.outputs }}{{ .region }}{{ else }}pending{{ end }}", "pending"),
        ("a\n{{- range $i, $s := .nuon.sandbox.outputs.vpc.subnets }}\n{{ $i }}: {{ $s }}\n{{- end }}", "a\n0: subnet-1\n1: subnet-2"),
        ('{{ "{{" }} .Values.x }} {{ .nuon.id }}', "{{ .Values.x }} inl1"),
    ],
)
def test_a_text_is_rendered_over_the_state(text, wanted):
    assert template.render(text, STATE) == wanted


@pytest.mark.parametrize("text", ["", "plain", "{{ .Values.image }}", "{{ if }}", "{{", "${HOME} nuon", "{{ env `HOME` }}"])
def test_a_text_without_a_reference_to_nuon_passes_untouched(text):
    assert not template.is_template(text)
    assert template.render(text, STATE) == text


def test_a_state_may_bring_its_root():
    assert template.render("{{ .nuon.id }}", {"nuon": {"id": "x"}}) == template.render("{{ .nuon.id }}", {"id": "x"}) == "x"


@pytest.mark.parametrize(
    ("text", "place", "variable", "words"),
    [
        ("{{ .nuon.instal.id }}", (1, 4), ("nuon", "instal"), "did you mean 'install'"),
        ("a\n  {{ .nuon.org.title }}", (2, 6), ("nuon", "org", "title"), ".nuon.org has no 'title'"),
        ("é é {{ .nuon.x }}", (1, 8), ("nuon", "x"), ".nuon.x is missing"),
        ("{{ .nuon.install_stack.outputs.region }}", (1, 4), ("nuon", "install_stack", "outputs", "region"), "outputs is null"),
        ("{{ .nuon.id.upper }}", (1, 4), ("nuon", "id", "upper"), ".nuon.id is text"),
        ("{{ with .nuon.sandbox }}{{ .outputs.x }}{{ end }}", (1, 28), ("nuon", "sandbox", "outputs", "x"), "has no 'x'"),
        ("{{ $o := .nuon.sandbox.outputs }}{{ $o.vpc.x }}", (1, 37), ("nuon", "sandbox", "outputs", "vpc", "x"), "has no 'x'"),
        ('{{ (index .nuon.components "my-api").x }}', (1, 4), ("nuon", "components", "my-api", "x"), ".nuon.components.my-api.x"),
        ('{{ default "x" .nuon.y }}', (1, 16), ("nuon", "y"), ".nuon.y is missing"),
        ('{{ (fromJson "{}").x }}{{/* .nuon */}}', (1, 4), (), '(fromJson "{}").x is missing'),
    ],
)
def test_a_missing_value_is_named_with_its_whole_path_and_place(text, place, variable, words):
    error = failure(text)
    assert (error.line, error.column) == place
    assert error.variable == variable
    assert error.kind == "exec"
    assert words in str(error)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("x {{ if .nuon.id }}", (1, 20), "unexpected EOF"),
        ("\n{{ .nuon.my-api }}", (2, 12), "-"),
        ('{{ env "HOME" }} {{ .nuon }}', (1, 4), "'env' not defined"),
        ("{{ .nuon.id | | lower }}", (1, 15), "pipe"),
    ],
)
def test_a_text_that_is_no_template_is_refused_with_its_place(text, place, words):
    error = failure(text)
    assert error.kind == "parse"
    assert error.line == place[0]
    assert abs(error.column - place[1]) <= 2
    assert words in str(error)


def test_an_error_of_a_function_names_the_function_and_the_place():
    error = failure("{{ .nuon.id }}\n{{ trunc .nuon.id .nuon.id }}")
    assert str(error) == "line 2, column 4: trunc needs an int as argument 1, not text (string)"


def test_an_error_is_bad_input_with_its_details():
    error = failure("{{ .nuon.x }}", name="sandbox.vars.cidr")
    assert isinstance(error, errors.Invalid)
    assert str(error).startswith("sandbox.vars.cidr (line 1, column 4): .nuon.x is missing")
    assert error.details == {"line": 1, "column": 4, "path": "sandbox.vars.cidr", "variable": "nuon.x"}


def test_nested_values_are_rendered_and_the_rest_kept():
    value = {"a": ["{{ .nuon.id }}", 1, None, True, {"{{ .nuon.id }}": "x{{ .nuon.org.id }}"}], "b": 1.5, "c": ("{{ .nuon.id }}",)}
    assert template.render_value(value, STATE) == {
        "a": ["inl1", 1, None, True, {"{{ .nuon.id }}": "xorg1"}],
        "b": 1.5,
        "c": ["inl1"],
    }


def test_an_error_in_a_nested_value_names_its_key():
    with pytest.raises(template.TemplateError) as caught:
        template.render_value({"env": [{"name": "A", "value": "{{ .nuon.nope }}"}]}, STATE, name="actions.migrate")
    assert caught.value.path == "actions.migrate.env[0].value"


@pytest.mark.parametrize("word", ["break", "continue"])
def test_a_block_cannot_end_the_loop_around_it(word):
    text = f'{{{{ range .nuon.sandbox.outputs.vpc.subnets }}}}{{{{ block "b" . }}}}{{{{ {word} }}}}{{{{ end }}}}{{{{ end }}}}'
    failure(text)
    failure(text + '{{ template "b" . }}')


def test_rendering_leaves_the_state_alone():
    state = {"a": {"b": 1, "l": [1, 2]}}
    before = deepcopy(state)
    text = '{{ $_ := set .nuon.a "b" 2 }}{{ $_ := unset .nuon.a "l" }}{{ $_ := merge .nuon (dict "c" 1) }}{{ toJson .nuon }}'
    assert json.loads(template.render(text, state)) == {"a": {"b": 2}, "c": 1}
    assert state == before


@pytest.mark.parametrize(
    "change", ['set .nuon "b" 2', 'unset .nuon "b"', 'merge .nuon (dict "c" 1)', 'mustMergeOverwrite .nuon (dict "b" 3)']
)
def test_one_text_of_a_value_cannot_change_what_the_next_sees(change):
    state = {"b": 1, "m": {}}
    changed, after = template.render_value([f"{{{{ $_ := {change} }}}}{{{{ toJson .nuon }}}}", "{{ toJson .nuon }}"], state)
    assert json.loads(changed) != json.loads(after) == state


def test_every_function_that_changes_a_map_is_known_to_do_so():
    from exclave.config.template import functions, tree

    held = {"a": {"b": 1}}
    changing = set()
    for name in functions.ALLOWED:
        for arguments in ([held], [held, {"c": 1}], [held, "a"], [held, "c", 1], [held, {"a": 2}], [["x"], held]):
            before = deepcopy(held)
            with suppress(template.TemplateError):
                functions.invoke(name, arguments, Budget())
            if held != before:
                changing.add(name)
                held.clear()
                held.update(before)
    assert changing == {"set", "unset", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite"}
    assert all(tree.grow(f"{{{{ {name} .nuon `a` 1 }}}}").may_change_data for name in changing)


def test_missing_keys_may_be_allowed_for_texts_of_an_older_engine():
    text = "[{{ .nuon.nope }}][{{ .nuon.nope.deeper }}]"
    assert template.render(text, STATE, missing_key="default") == "[<no value>][<no value>]"


def test_one_text_renders_the_same_in_many_threads():
    text = "{{ range $i := until 200 }}{{ $i }}-{{ $.nuon.id }};{{ end }}"
    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(lambda _: template.render(text, STATE), range(64)))
    assert texts == {"".join(f"{i}-inl1;" for i in range(200))}


# What a customer enters reaches its consumer byte for byte (R16 of the catalogue).

ODD = st.text() | st.sampled_from(
    [
        '"quoted"',
        "it's",
        "a&b<c>d",
        "{{ .nuon.id }}",
        '{{ env "HOME" }}',
        "${HOME}",
        "$(id)",
        "%{ if }",
        "line\r\nline\x00\t",
        "☃ 日本",
        "\\u0026",
        "'\"`",
    ]
)


@settings(max_examples=2_000, deadline=None)
@given(ODD)
def test_any_value_comes_through_byte_for_byte(value):
    state = {"inputs": {"inputs": {"x": value}}}
    assert template.render("{{ .nuon.inputs.inputs.x }}", state) == value
    assert template.render('{{ default "" .nuon.inputs.inputs.x }}', state) == value
    assert template.render_value({"vars": {"x": "<{{ .nuon.inputs.inputs.x }}>"}}, state) == {"vars": {"x": f"<{value}>"}}
    assert json.loads(template.render('{"x": {{ toJson .nuon.inputs.inputs.x }}}', state)) == {"x": value}


def test_a_value_of_a_megabyte_comes_through():
    value = "".join(chr(0x20 + i % 95) for i in range(1_000_000))
    assert template.render("{{ .nuon.x }}", {"x": value}) == value


@settings(max_examples=300, deadline=None)
@given(st.text().filter(lambda text: "{{" not in text and not text.endswith("{")))
def test_the_text_around_an_action_comes_through_byte_for_byte(text):
    assert template.render(text + "{{ .nuon.id }}" + text, STATE) == text + "inl1" + text


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_survives_tojson(value):
    assert json.loads(template.render("{{ toJson .nuon.x }}", {"x": value}), parse_int=float) == value


def test_a_text_is_parsed_once(monkeypatch):
    from exclave.config.template import tree

    parsed = []
    monkeypatch.setattr(tree, "_parse", lambda text, parse=tree._parse: parsed.append(text) or parse(text))
    for _ in range(3):
        template.render("{{ .nuon.id }} once", STATE)
    assert parsed == ["{{ .nuon.id }} once"]


def test_what_is_kept_of_texts_is_bounded():
    from exclave.config.template import tree

    for number in range(30):
        template.parse(f"{number}" + "x" * 100_000)
    assert sum(map(len, tree._forest._trees)) <= tree.KEPT_CHARACTERS
