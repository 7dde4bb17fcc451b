"""Writing an app as a directory, and loading that, gives the same app."""

import string

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exclave import config
from exclave.config import model

# Texts as vendors have them, and as nobody would: quotes, control characters, things that look like a file's name or like TOML.
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "",
            "./a.sh",
            "https://example.com/x",
            "git::x//y",
            "a\r\nb",
            "\n",
            "'''",
            '"""',
            "x'",
            "\\",
            "{{ .nuon.install.id }}",
            "\t",
            "\x00\x1f\x7f",
        ]
    ),
    st.lists(st.sampled_from(["echo 'a'\n", 'b = "c"\n', "[x]\n", "# d\n", "\n"]), max_size=4).map("".join),
).filter(lambda text: not any(0xD800 <= ord(char) <= 0xDFFF for char in text))
FILLED = TEXTS.filter(lambda text: text != "")
NAMES = st.text(string.ascii_lowercase + string.digits + "_", min_size=1, max_size=8)
MAPS = st.dictionaries(st.one_of(NAMES, FILLED), TEXTS, max_size=3)
SOURCES = st.one_of(
    st.builds(model.PublicRepo, repo=st.just("a/b"), directory=FILLED, branch=FILLED),
    st.builds(model.ConnectedRepo, repo=st.just("https://x.org/y"), directory=FILLED, branch=FILLED),
)
RETRIES = st.integers(0, 9)
TERRAFORM = st.builds(
    model.TerraformModule,
    name=NAMES,
    dependencies=st.lists(NAMES, max_size=2),
    max_auto_retries=RETRIES,
    labels=MAPS,
    terraform_version=st.just("1.11.3"),
    source=SOURCES,
    vars=MAPS,
    env_vars=MAPS,
    var_file=st.lists(st.builds(model.VarFile, contents=FILLED), max_size=2),
)
HELM = st.builds(
    model.HelmChart,
    name=NAMES,
    chart_name=st.just("api"),
    source=SOURCES,
    namespace=TEXTS,
    values=MAPS,
    values_file=st.lists(st.builds(model.VarFile, contents=TEXTS), max_size=2),
    take_ownership=st.booleans(),
    default_enabled=st.sampled_from([None, True, False]),
)
IMAGE = st.builds(model.ContainerImage, name=NAMES, public=st.builds(model.PublicImage, image_url=FILLED, tag=FILLED))
MANIFEST = st.builds(model.KubernetesManifest, name=NAMES, manifest=TEXTS, namespace=FILLED)
ACTIONS = st.builds(
    model.Action,
    name=NAMES,
    timeout=st.just("5m"),
    triggers=st.just([model.Trigger(type="manual")]),
    steps=st.lists(st.builds(model.Step, name=FILLED, command=TEXTS, inline_contents=TEXTS, env_vars=MAPS), min_size=1, max_size=2),
    enable_kube_config=st.sampled_from([None, True, False]),
)
ROLES = st.builds(
    model.Role,
    type=st.sampled_from(["provision", "custom"]),
    name=FILLED,
    description=FILLED,
    permissions_boundary=TEXTS,
    policies=st.lists(st.builds(model.IamPolicy, name=TEXTS, contents=TEXTS, managed_policy_name=TEXTS), max_size=2),
)
APPS = st.builds(
    model.App,
    name=st.just("app"),
    metadata=st.builds(model.Metadata, version=st.just("v2"), display_name=TEXTS, readme=TEXTS),
    runner=st.builds(model.Runner, runner_type=st.just("aws"), env_vars=MAPS),
    stack=st.none() | st.builds(model.Stack, type=st.just("aws-cloudformation"), name=FILLED, description=FILLED),
    sandbox=st.builds(model.Sandbox, terraform_version=st.just("1.11.3"), source=SOURCES, vars=MAPS),
    inputs=st.lists(st.builds(model.Input, name=NAMES, description=FILLED, default=st.none() | TEXTS, required=st.booleans()), max_size=2),
    secrets=st.lists(st.builds(model.Secret, name=FILLED, default=TEXTS), max_size=2),
    permissions=st.lists(ROLES, max_size=2),
    policies=st.lists(st.builds(model.Policy, type=st.just("sandbox"), contents=FILLED, components=st.just(["*"])), max_size=2),
    components=st.lists(st.one_of(TERRAFORM, HELM, IMAGE, MANIFEST), max_size=3),
    actions=st.lists(ACTIONS, max_size=2),
    installs=st.lists(st.builds(model.Install, name=FILLED, inputs=MAPS, labels=MAPS), max_size=2),
)
MEANT = ("inputs", "secrets", "permissions", "policies")


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(app=APPS, empty=st.sets(st.sampled_from(MEANT)))
def test_an_exported_app_loads_as_the_same_app(tmp_path_factory, app, empty):
    app.sections = [name for name in MEANT if getattr(app, name) or name in empty]
    root = tmp_path_factory.mktemp("export") / "app"
    config.export(app, root)
    assert config.load(root, offline=True).app == app


def test_local_sources_are_kept(tmp_path):
    (tmp_path / "app" / "sandbox").mkdir(parents=True)
    app = model.App(name="app", sandbox=model.Sandbox(terraform_version="1.11.3", source=model.LocalSource(directory="sandbox")))
    config.export(app, tmp_path / "app")
    assert config.load(tmp_path / "app", offline=True).app.sandbox == app.sandbox


def test_a_model_crosses_the_wire_as_json():
    app = model.App(name="app", components=[model.HelmChart(name="a", source=model.PublicRepo(repo="a/b", directory=".", branch="main"))])
    assert msgspec.json.decode(msgspec.json.encode(app), type=model.App) == app


@pytest.mark.parametrize("kind", sorted(model.COMPONENTS))
def test_every_kind_of_component_says_its_type(kind):
    assert model.COMPONENTS[kind](name="x").type == kind
