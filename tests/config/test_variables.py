"""The quick reading of templates says what the parser says, place by place, or leaves the text to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exclave.config import template, variables


def by_the_parser(text: str):
    try:
        return [variables.Variable(v.path, v.line, v.column, v.guarded, v.optional) for v in template.parse(text).variables()]
    except template.TemplateError:
        return None


def quickly(text: str):
    try:
        return variables.read(text)
    except variables.Unparsable:
        return None


TEXTS = [
    "",
    "no template .nuon",
    "{{ .nuon.install.id }}",
    "a\n  {{- .nuon.install.id -}}\nb",
    "{{.nuon.a}}{{ .nuon.b.c_d }} é {{ .nuon.e }}",
    '{{ .nuon.a | default "x" | upper }}',
    '{{ .nuon.a | join "," }}',
    '{{ index .nuon.components "x" "outputs" }}',
    "{{ index .nuon.list 0 }}",
    "{{ if .nuon.a }}{{ .nuon.b }}{{ else if .nuon.c }}{{ .nuon.d }}{{ else }}{{ .nuon.e }}{{ end }}{{ .nuon.f }}",
    "{{ if .nuon.a }}{{ if .nuon.b }}x{{ end }}{{ end }}",
    "{{ if .nuon.a }}",
    "{{ end }}",
    "{{ else }}",
    "{{ if .nuon.a }}{{ else }}{{ else }}{{ end }}",
    "{{ if .nuon.a }}{{ else }}{{ else if .nuon.b }}{{ end }}",
    '{{ .nuon.a "b" }}',
    "{{ index .nuon.a }}",
    '{{ "{{" }} {{ .nuon.a }}',
    "{{ .nuon.a }",
    "{{ .nuon.a.b-c }}",
    "{{ .nuon..a }}",
    "{{ with .nuon.a }}{{ .b }}{{ end }}",
    "{{/* .nuon */}}",
    "{{ . }}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_quick_reading_agrees_with_the_parser(text):
    assert quickly(text) == by_the_parser(text)


PIECES = st.sampled_from(
    [
        *(
            "{{ .nuon.a }}",
            "{{- .nuon.b.c -}}",
            "{{ if .nuon.a }}",
            "{{ else }}",
            "{{ else if .nuon.d }}",
            "{{ end }}",
            "text\n",
            "é",
            "{{",
            "}}",
        ),
        *(
            " ",
            "-",
            ".nuon",
            '{{ index .nuon.a "b" 0 }}',
            '{{ .nuon.a | default "x" }}',
            "{{ .nuon.a | upper }}",
            "{{.a}}",
            '"',
            "|",
            "\t",
            "0",
        ),
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_any_text_is_read_as_by_the_parser(text):
    assert quickly(text) == by_the_parser(text)
