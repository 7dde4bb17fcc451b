"""What a template reads, found without rendering it, and where the values come from."""

import pytest
from tests.config.effort import within_a_second

from exclave.config import template
from exclave.config.template import Variable


def paths(text: str) -> list[str]:
    return [".".join(variable.path) for variable in template.parse(text).variables()]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", []),
        ("{{ .nuon.install.id }}", ["nuon.install.id"]),
        ("{{ $.nuon.a }}{{ . }}{{ $ }}", ["nuon.a"]),
        ('{{ index .nuon.components "my-api" "outputs" "url" }}', ["nuon.components.my-api.outputs.url"]),
        ('{{ (index .nuon.components "my-api").outputs.url }}', ["nuon.components.my-api.outputs.url"]),
        ('{{ .nuon.components.api.outputs | dig "a" "b" "none" }}', ["nuon.components.api.outputs.a.b"]),
        ('{{ dig "a" .nuon.fallback .nuon.m }}', ["nuon.m.a", "nuon.fallback"]),
        ('{{ get .nuon.m "k" }}{{ hasKey .nuon.m "l" }}{{ pluck "p" .nuon.m .nuon.n }}', ["nuon.m.k", "nuon.m.l", "nuon.m.p", "nuon.n.p"]),
        ("{{ index .nuon.l 0 }}", ["nuon.l.0"]),
        ("{{ $k := .nuon.key }}{{ index .nuon.m $k }}", ["nuon.key", "nuon.m.*"]),
        (
            "{{ with .nuon.sandbox.outputs }}{{ .vpc.id }}{{ $.nuon.id }}{{ end }}",
            ["nuon.sandbox.outputs", "nuon.sandbox.outputs.vpc.id", "nuon.id"],
        ),
        (
            "{{ with .nuon.a }}{{ with .b }}{{ .c }}{{ end }}{{ else }}{{ .nuon.d }}{{ end }}",
            ["nuon.a", "nuon.a.b", "nuon.a.b.c", "nuon.d"],
        ),
        ("{{ $o := .nuon.sandbox.outputs }}{{ $o.vpc.id }}", ["nuon.sandbox.outputs", "nuon.sandbox.outputs.vpc.id"]),
        ("{{ if true }}{{ $o := .nuon.a }}{{ end }}{{ $o := .nuon.b }}{{ $o.c }}", ["nuon.a", "nuon.b", "nuon.b.c"]),
        ("{{ range .nuon.components }}{{ .outputs.url }}{{ end }}", ["nuon.components", "nuon.components.*.outputs.url"]),
        ("{{ range $n, $c := .nuon.components }}{{ $n }}{{ $c.status }}{{ end }}", ["nuon.components", "nuon.components.*.status"]),
        (
            '{{ define "x" }}{{ .id }}{{ $.name }}{{ end }}{{ template "x" .nuon.install }}',
            ["nuon.install.id", "nuon.install.name", "nuon.install"],
        ),
        ('{{ define "x" }}{{ template "x" .a }}{{ end }}{{ template "x" .nuon }}', ["nuon.a", "nuon"]),
        ('{{ block "x" .nuon.a }}{{ .b }}{{ end }}', ["nuon.a", "nuon.a.b"]),
        ('{{ (default dict .nuon.a).b }}{{ default dict .nuon.c | dig "d" "" }}', ["nuon.a", "nuon.a.b", "nuon.c", "nuon.c.d"]),
        ("{{ printf `%s-%s` .nuon.a .nuon.b }}", ["nuon.a", "nuon.b"]),
        ("{{ range (fromJson .nuon.json) }}{{ .name }}{{ end }}", ["nuon.json"]),
        ("{{/* .nuon.comment */}}{{ `.nuon.text` }}", []),
    ],
)
def test_every_variable_is_found_with_its_whole_path(text, wanted):
    assert sorted(set(paths(text))) == sorted(wanted)


def test_a_variable_knows_its_line_and_column_in_characters():
    text = "é ☃ {{ .nuon.a }}\n\n  {{ with .nuon.b }}\n☃{{ .c }}{{ end }}"
    assert template.parse(text).variables() == [
        Variable(("nuon", "a"), 1, 8, guarded=False),
        Variable(("nuon", "b"), 3, 11, guarded=True),
        Variable(("nuon", "b", "c"), 4, 5, guarded=True),
    ]


@pytest.mark.parametrize(
    ("text", "guarded", "optional"),
    [
        ("{{ .nuon.x }}", False, False),
        ("{{ print .nuon.x }}", False, False),
        ("{{ $v := .nuon.x }}", False, False),
        ("{{ range .nuon.x }}{{ end }}", False, False),
        ("{{ if .nuon.x }}{{ end }}", True, False),
        ("{{ if eq .nuon.x `a` }}{{ end }}", True, False),
        ("{{ if true }}{{ .nuon.x }}{{ end }}", True, False),
        ("{{ if true }}{{ else }}{{ .nuon.x }}{{ end }}", True, False),
        ("{{ with .nuon.x }}{{ end }}", True, False),
        ("{{ default `a` .nuon.x }}", True, False),
        ("{{ .nuon.x | default `a` }}", True, False),
        ("{{ .nuon.x | trim | default `a` }}", True, False),
        ("{{ coalesce .nuon.x `a` }}", True, False),
        ("{{ or .nuon.x `a` }}", True, False),
        ("{{ empty .nuon.x }}", True, False),
        ("{{ dig `x` `a` .nuon }}", True, True),
        ("{{ get .nuon `x` }}", True, True),
        ("{{ hasKey .nuon `x` }}", True, True),
        ("{{ index .nuon `x` }}", False, True),
        ("{{ index .nuon `x` | default `a` }}", True, True),
        ("{{ with index .nuon `x` }}{{ end }}", True, True),
    ],
)
def test_a_guard_and_a_lookup_that_may_fail_are_told_apart(text, guarded, optional):
    (variable,) = template.parse(text).variables()
    assert (variable.path, variable.guarded, variable.optional) == (("nuon", "x"), guarded, optional)


@pytest.mark.parametrize("text", ["{{ index .nuon `x` }}", "{{ dig `x` `a` .nuon }}", "{{ get .nuon `x` }}", "{{ hasKey .nuon `x` }}"])
def test_an_optional_variable_may_really_be_missing(text):
    (variable,) = template.parse(text).variables()
    assert variable.optional
    template.render(text, {"a": 1})


def test_definitions_that_call_one_another_end():
    text = "".join(
        f'{{{{ define "d{i}" }}}}{{{{ template "d{(i + 1) % 40}" .a }}}}{{{{ template "d{i}" .b }}}}{{{{ end }}}}' for i in range(40)
    )
    found = within_a_second(lambda: paths(text + '{{ template "d0" .nuon }}'))
    assert {"nuon", "nuon.a", "nuon.a.a", "nuon.a.b"} <= set(found)


STATE = {
    "install": {"id": "inl1", "inputs": {"region": "eu", "db_password": "hunter2", "license": "L-1"}},
    "sandbox": {"outputs": {"vpc": {"id": "vpc-1"}, "admin_token": "t0ken", "token_arn": "arn:1"}},
    "components": {"api": {"outputs": {"url": "https://api"}}, "db": {"outputs": {}}},
    "secrets": {"tls": {"arn": "arn:2", "value": "s3cret", "kubernetes_name": "tls"}},
}


def test_a_trace_tells_what_fills_each_variable_and_its_value():
    origins = template.trace("{{ .nuon.install.inputs.region }}\n {{ .nuon.sandbox.outputs.vpc.id }}", STATE)
    assert [(o.name, o.line, o.column, o.source, o.found, o.value, o.masked) for o in origins] == [
        (".nuon.install.inputs.region", 1, 4, "input region", True, "eu", False),
        (".nuon.sandbox.outputs.vpc.id", 2, 5, "outputs of the sandbox", True, "vpc-1", False),
    ]


def test_a_trace_tells_where_a_path_ends():
    (origin,) = template.trace("{{ .nuon.components.web.outputs.url }}", STATE)
    assert not origin.found
    assert origin.missing_at == ("nuon", "components", "web")
    assert origin.source == "outputs of the component web"


def test_a_trace_shows_every_item_of_a_loop():
    *_, origin = template.trace("{{ range .nuon.components }}{{ .outputs.url }}{{ end }}", STATE)
    assert (origin.found, origin.value) == (True, {"api": "https://api"})


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("{{ .nuon.install.inputs.db_password }}", ()),
        ("{{ .nuon.install.inputs.license }}", [("nuon", "install", "inputs", "license")]),
        ("{{ toJson .nuon }}", [("nuon", "install", "inputs", "license")]),
        ("{{ .nuon.secrets.tls.value }}", ()),
        ("{{ range .nuon.secrets }}{{ .value }}{{ end }}", ()),
        ("{{ .nuon.sandbox.outputs.admin_token }}", ()),
    ],
)
def test_a_trace_shows_no_secret(text, secrets):
    origins = template.trace(text, STATE, secrets=secrets)
    assert all(origin.found and origin.masked for origin in origins)
    for secret in ("hunter2", "L-1" if secrets else "hunter2", "t0ken", "s3cret"):
        assert secret not in repr(origins)


def test_a_trace_shows_where_a_secret_is_kept():
    origins = template.trace(
        "{{ .nuon.secrets.tls.arn }}{{ .nuon.secrets.tls.kubernetes_name }}{{ .nuon.sandbox.outputs.token_arn }}", STATE
    )
    assert [(origin.value, origin.masked) for origin in origins] == [("arn:2", False), ("tls", False), ("arn:1", False)]


def test_a_text_that_is_no_template_has_no_trace():
    assert template.trace("{{ .Values.x }}", STATE) == []
