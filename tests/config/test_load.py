"""Loading an app directory: what the model holds, where it was written, what refers to what."""

from pathlib import Path

import pytest

from exclave import config
from exclave.config import graphs, model

METADATA = 'version = "v2"\n'
RUNNER = 'runner_type = "local"\n'
SANDBOX = 'terraform_version = "1.11.3"\n[local]\ndirectory = "./sandbox"\n'


@pytest.fixture
def app(tmp_path):
    """A function that writes files into a minimal app directory and loads it."""
    root = tmp_path / "shop"
    (root / "sandbox").mkdir(parents=True)

    def write(**files: str):
        for name, text in {"metadata.toml": METADATA, "runner.toml": RUNNER, "sandbox.toml": SANDBOX, **files}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return config.load(root, offline=True)

    write.root = root
    return write


def component(name: str, more: str = "") -> str:
    return f'type = "terraform_module"\nname = "{name}"\nterraform_version = "1.11.3"\n{more}\n[local]\ndirectory = "sandbox"\n'


def codes(loaded, *severities: str) -> list[str]:
    return [report.code for report in loaded.reports if report.severity in (severities or ("error", "warning"))]


def test_a_minimal_app_has_nothing_to_report(app):
    loaded = app()
    assert loaded.ok
    assert loaded.reports == []
    assert loaded.app.name == "shop"
    assert loaded.app.sandbox.source == model.LocalSource(directory="sandbox")


def test_a_value_knows_where_it_was_written(app):
    loaded = app(**{"components/api.toml": component("api", '\n[vars]\nregion = "eu"\nzone = "{{.nuon.install.id}}"\n')})
    place = loaded.place("components", 0, "vars", "zone")
    assert (place.file, place.line, place.column) == ("components/api.toml", 7, 8)


def test_keys_are_read_whatever_their_case(app):
    loaded = app(**{"metadata.toml": 'Version = "v2"\nDisplay_Name = "Shop"\n'})
    assert loaded.app.metadata.display_name == "Shop"
    assert loaded.ok


def test_numbers_and_booleans_in_variables_become_text(app):
    text = component("api").replace("[local]", "[vars]\nreplicas = 3\nratio = 0.5\nflag = true\ntags = {a = 1}\n[local]")
    loaded = app(**{"components/api.toml": text})
    assert loaded.app.components[0].vars == {"replicas": "3", "ratio": "0.5", "flag": "true", "tags": '{"a":1}'}


def test_components_in_nested_directories_are_found_in_the_order_of_their_names(app):
    loaded = app(**{f"components/{name}.toml": component(name.replace("/", "_")) for name in ("b/nuon", "a", "c")})
    assert [item.name for item in loaded.app.components] == ["a", "b_nuon", "c"]


def test_a_file_that_a_value_names_is_loaded_from_the_first_base_that_has_it(app):
    action = 'name = "hello"\ntimeout = "1m"\n[[triggers]]\ntype = "manual"\n[[steps]]\nname = "a"\ninline_contents = "./hello.sh"\n'
    loaded = app(**{"actions/deep/hello.toml": action, "actions/deep/hello.sh": "echo hello\n"})
    assert loaded.app.actions[0].steps[0].inline_contents == "echo hello\n"
    assert loaded.app.actions[0].timeout_ns == 60_000_000_000


def test_policies_of_a_single_file_are_found_below_the_app_directory(app):
    policies = '[[policy]]\ntype = "sandbox"\nengine = "opa"\ncontents = "./policies/a.rego"\n'
    loaded = app(**{"policies.toml": policies, "policies/a.rego": "package nuon\n"})
    assert loaded.app.policies[0].contents == "package nuon\n"
    assert loaded.ok


def test_a_text_that_begins_like_an_address_is_a_text(app):
    action = 'name = "x"\ntimeout = "1m"\n[[triggers]]\ntype = "manual"\n[[steps]]\nname = "a"\ninline_contents = "git clone x"\n'
    assert app(**{"actions/x.toml": action}).app.actions[0].steps[0].inline_contents == "git clone x"


def test_break_glass_directories_are_read_too(app):
    role = 'name = "a"\ndescription = "b"\n[[policies]]\nmanaged_policy_name = "c"\n'
    loaded = app(
        **{
            "break_glass.toml": role.replace("name", "[[role]]\nname", 1).replace("[[pol", "[[role.pol"),
            "break_glass/x.toml": role.replace('"a"', '"z"'),
        }
    )
    assert [item.name for item in loaded.app.break_glass] == ["a", "z"]


def test_the_keys_of_a_source_file_take_precedence(app):
    loaded = app(
        **{
            "components/api.toml": component("api").replace("name", 'source = "./common.inc"\nname', 1),
            "components/common.inc": 'terraform_version = "1.12.0"\n',
        }
    )
    assert loaded.app.components[0].terraform_version == "1.12.0"


def test_references_are_written_as_on_the_wire(app):
    variables = 'a = "{{ .nuon.components.db.outputs.host.name }}-{{.nuon.install.sandbox.outputs.vpc.id}}"\n'
    variables += 'b = "{{ .nuon.install.inputs.size }}"\n'
    text = component("api").replace("[local]", f"[vars]\n{variables}[local]")
    loaded = app(**{"components/api.toml": text, "components/db.toml": component("db")})
    assert config.references(loaded.app.components[0]) == [
        "component|db|host.name|nuon.components.db.outputs.host.name",
        "sandbox|vpc||nuon.sandbox.outputs.vpc",
        "install_inputs|size||nuon.install.inputs.size",
    ]
    assert config.dependencies(loaded.app.components[0]) == ["db"]


def test_the_deploy_order_breaks_ties_by_dependencies_then_kind_then_name():
    kinds = {
        "z_image": ("container_image", []),
        "a_chart": ("helm_chart", []),
        "b_module": ("terraform_module", []),
        "a_module": ("terraform_module", []),
        "two": ("container_image", ["z_image", "a_chart"]),
        "one": ("helm_chart", ["z_image"]),
    }
    graph = graphs.order(kinds)
    assert graph.order == ["z_image", "a_module", "b_module", "a_chart", "one", "two"]
    assert graph.layers == [["z_image", "a_module", "b_module", "a_chart"], ["one", "two"]]
    assert graph.dependents("z_image") == ["one", "two"]
    assert graph.teardown == graph.order[::-1]


def test_a_circle_is_named():
    with pytest.raises(graphs.Cycle, match=r"a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c"):
        graphs.order({"a": ("job", ["b"]), "b": ("job", ["c"]), "c": ("job", ["a"])})


def test_a_checksum_changes_with_what_is_said_and_with_local_files_only(app):
    loaded = app(**{"components/api.toml": component("api")})
    first = config.checksum(loaded.app.components[0], app.root)
    assert first == config.checksum(app().app.components[0], app.root)
    (app.root / "sandbox" / "main.tf").write_text("# new")
    second = config.checksum(loaded.app.components[0], app.root)
    assert first != second
    (app.root / "sandbox" / "terraform.tfstate").write_text("{}")  # what is not sent changes nothing
    assert second == config.checksum(loaded.app.components[0], app.root)
    other = app(**{"components/api.toml": component("api", "max_auto_retries = 1")})
    assert config.checksum(loaded.app.components[0]) != config.checksum(other.app.components[0])


@pytest.mark.parametrize("directory", ["../sandbox", "/tmp", "sandbox/../..", "link"])
def test_a_local_source_never_leaves_the_app_directory(app, directory):
    (app.root / "link").symlink_to("/tmp")
    loaded = app(**{"sandbox.toml": SANDBOX.replace("./sandbox", directory)})
    assert set(codes(loaded)) <= {"EX-C034", "EX-C006"}
    assert not loaded.ok
    assert loaded.app.sandbox.source is None


def test_nothing_is_fetched_offline(app):
    loaded = app(**{"metadata.toml": METADATA + 'readme = "https://example.com/README.md"\n'})
    assert codes(loaded) == ["EX-C035"]


def _shared_apps() -> list[Path]:
    above = Path(__file__).resolve().parents[3:5]
    roots = [path / "shared" / "examples" / "real-apps" for path in above]
    return next((sorted(root.iterdir()) for root in roots if root.is_dir()), [])


# The shared copy of one app lacks four scripts that it names.
LEFT_OUT = {"eks-simple": {f"src/alb/{name}.sh": "true\n" for name in ("elbv2", "upstreams", "sg", "acl")}}


@pytest.mark.skipif(not _shared_apps(), reason="the shared example apps are not here")
@pytest.mark.parametrize("directory", _shared_apps(), ids=lambda path: path.name)
def test_a_published_app_loads_without_an_error(directory):
    loaded = config.load(directory, offline=True, overlay=LEFT_OUT.get(directory.name))
    assert loaded.errors == []
    assert loaded.app.components
    assert set(config.graph(loaded.app).order) == {item.name for item in loaded.app.components}
